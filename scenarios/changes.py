"""The `changes` section: new rates of links at given times."""

from typing import Annotated, Self

from pydantic import model_validator

from cutlayer.scenarios.fields import Section, Text, rule
from cutlayer.scenarios.quantities import Delay, RateOrOutage
from cutlayer.scenarios.unions import by_key


class ClientsChange(Section):
    """From `at` on, the links of a group or a client have these rates; 0 bit/s is an outage.

    `rate` is for both directions, or for the one rate of a half-duplex link.
    """

    at: Delay
    clients: Text
    up: RateOrOutage | None = None
    down: RateOrOutage | None = None
    rate: RateOrOutage | None = None

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        if (self.rate is None) == (self.up is None and self.down is None):
            raise rule("must have up, down or both, or else rate")
        return self


class LinkChange(Section):
    """From `at` on, a link or medium of the topology has this rate; 0 bit/s is an outage."""

    at: Delay
    link: Text
    rate: RateOrOutage


Change = Annotated[
    ClientsChange | LinkChange,
    by_key(
        "must have clients (with up, down or rate) or a link (with its rate)",
        clients=ClientsChange,
        link=LinkChange,
    ),
]
