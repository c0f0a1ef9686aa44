"""The `devices`, `computing` and `speeds` sections: devices of a user's own, and how devices vary."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from cutlayer.scenarios.fields import (
    DeviceName,
    Section,
    StackName,
    Switch,
    Text,
    accepted_by,
    as_rule,
    rule,
)
from cutlayer.scenarios.profile_file import read_profile
from cutlayer.scenarios.quality import JitterForm, Variation
from cutlayer.scenarios.quantities import Delay, Frequency, Kappa, Power, Size, Speed
from cutlayer.topologies import catalogue
from cutlayer.topologies.clock_power import ClockPower
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.scores import read_scores
from cutlayer.topologies.stack import on_stack

Factor = Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
SpeedSpread = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Slowdown = Annotated[float, Field(strict=True, gt=1, le=1000, allow_inf_nan=False)]


class PowerStates(Section):
    """The power of a whole board while it idles, computes, sends and receives.

    Instead of `compute`, the clock `frequency` and `kappa` give kappa f^3 above idle.
    """

    idle: Power
    compute: Power | None = None
    frequency: Frequency | None = None
    kappa: Kappa | None = None
    send: Power | None = None
    receive: Power | None = None

    @model_validator(mode="after")
    def _one_power(self) -> Self:
        if (self.frequency is None) != (self.kappa is None):
            raise rule("needs frequency and kappa together")
        if (self.compute is None) == (self.frequency is None):
            raise rule("needs either compute, or frequency and kappa")
        return self

    def given_to(self, profile: DeviceProfile) -> DeviceProfile:
        """Return a profile with these powers."""
        states = {"idle": self.idle, "compute": self.compute}
        states |= {"send": self.send, "receive": self.receive}
        known = {name: watts for name, watts in states.items() if watts is not None}
        profile = replace(profile, power_w=known, clock_power=None)
        if self.frequency is None or self.kappa is None:
            return profile
        return profile.with_clock_power(ClockPower(self.frequency, self.kappa))


class OwnDevice(Section):
    """A device of the scenario: a profile in a file, one of the catalogue, or one speed (coarse).

    `stack` is the software stack on it, if not its own. It is `speed_factor` times as fast as the
    profile in everything. `memory` and `power` replace those of the profile.
    """

    speed: Speed | None = None
    device: DeviceName | None = None
    stack: StackName | None = None
    speed_factor: Factor = 1.0
    profile: Annotated[Text, accepted_by(lambda f: read_profile(Path(f), "any"))] | None = None
    memory: Size | None = None
    power: PowerStates | None = None
    description: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.speed, self.profile, self.device)) != 1:
            raise rule(
                "needs one of profile, the file of a profile as cutlayer calibrate writes it,"
                " device, one of the catalogue, and speed"
            )
        if self.speed is not None and self.stack is not None:
            raise rule("has one speed for everything, and cannot have a stack")
        return self

    def named(self, name: str) -> DeviceProfile:
        """Return the device as a profile."""
        if self.speed is not None:
            profile = DeviceProfile.from_speed(name, self.speed, self.description)
        elif self.profile is not None:
            profile = read_profile(Path(self.profile), name)
        else:
            assert self.device is not None
            profile = replace(catalogue.device(self.device), name=name)
        profile = replace(profile, description=self.description or profile.description)
        if self.stack is not None:
            profile = on_stack(profile, catalogue.stack(self.stack))
        if self.speed_factor != 1.0:
            profile = replace(profile.faster(self.speed_factor), speed_factor=1.0)
        if self.memory is not None:
            profile = replace(profile, memory_bytes=int(self.memory))
        if self.power is not None:
            profile = self.power.given_to(profile)
        return profile


class Throttle(Section):
    """Thermal throttling: from a virtual time on, everything takes `slowdown` times as long."""

    after: Delay
    slowdown: Slowdown


class Computing(Section):
    """How the clients of a group (or one client) compute.

    `variability` varies the time of each operation and keeps its mean. With `prefetch`, a device loads
    the next batch while it computes, sends or waits; with `overlap`, it computes while it sends.
    """

    clients: Text
    variability: JitterForm | None = None
    throttle: Throttle | None = None
    prefetch: Switch = False
    overlap: Switch = False

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        varies = self.variability is not None or self.throttle is not None
        if not (varies or self.prefetch or self.overlap):
            raise rule(
                "needs at least one of variability, throttle, prefetch: true and overlap: true"
            )
        return self


class Speeds(Section):
    """The distribution of the speeds of a group's clients around that of their device.

    Either `lognormal` with this coefficient of variation, `uniform` with this largest deviation as a
    share of the mean, or `scores` in a `column` of a CSV or JSON file, one of which is drawn for each
    client. The mean speed is the device's.
    """

    clients: Text
    lognormal: Variation | None = None
    uniform: SpeedSpread | None = None
    scores: Text | None = None
    column: Text | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.lognormal, self.uniform, self.scores)) != 1:
            raise rule(
                "needs one of lognormal, a coefficient of variation, uniform, the largest deviation as a"
                " share of the mean, and scores, a file"
            )
        if (self.scores is None) != (self.column is None):
            raise rule("needs scores and column together")
        if self.scores is not None:
            self.read()
        return self

    def read(self) -> tuple[float, ...]:
        """Return the file's scores, divided by their mean."""
        assert self.scores is not None
        assert self.column is not None
        with as_rule():
            scores = read_scores(Path(self.scores), self.column)
        mean = sum(scores) / len(scores)
        return tuple(score / mean for score in scores)
