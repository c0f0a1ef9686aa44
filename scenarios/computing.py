"""The `computing` section: devices whose computing varies, slows down, or overlaps with loading."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from cutlayer.scenarios.fields import Section, Switch, Text, rule
from cutlayer.scenarios.quality import JitterForm
from cutlayer.scenarios.quantities import Delay

Slowdown = Annotated[float, Field(strict=True, gt=1, le=1000, allow_inf_nan=False)]


class Throttle(Section):
    """From a virtual time on, everything takes `slowdown` times as long: the device is hot."""

    after: Delay
    slowdown: Slowdown


class Computing(Section):
    """How the clients of a group (or one client) compute.

    `variability` varies the time of each operation around its mean, which it keeps. With `prefetch` a
    device loads the next batch while it computes, sends or waits.
    """

    clients: Text
    variability: JitterForm | None = None
    throttle: Throttle | None = None
    prefetch: Switch = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.variability is None and self.throttle is None and not self.prefetch:
            raise rule("needs at least one of variability, throttle and prefetch: true")
        return self
