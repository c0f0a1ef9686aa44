"""The `changes` section: new rates of links at given times."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Discriminator, Tag, model_validator

from cutlayer.scenarios.fields import Section, Text, rule
from cutlayer.scenarios.quantities import Delay, RateOrOutage


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


def _form(value: Any) -> str | None:
    if isinstance(value, ClientsChange | LinkChange):
        return "~link" if isinstance(value, LinkChange) else "~clients"
    keys = [key for key in ("clients", "link") if isinstance(value, Mapping) and key in value]
    return f"~{keys[0]}" if len(keys) == 1 else None


Change = Annotated[
    Annotated[ClientsChange, Tag("~clients")] | Annotated[LinkChange, Tag("~link")],
    Discriminator(
        _form,
        custom_error_type="rule",
        custom_error_message="must have clients (with up, down or rate) or a link (with its rate)",
    ),
]
