"""The forms of a link: a name of the catalogue, or its own figures.

Directions are seen from the node to which the link belongs: `up` leaves it, `down` arrives.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, model_validator

from cutlayer.scenarios.bandwidth import AnyRate
from cutlayer.scenarios.fields import LinkName, Section, rule
from cutlayer.scenarios.quality import JitterForm, Loss
from cutlayer.scenarios.quantities import Delay
from cutlayer.scenarios.unions import Forms
from cutlayer.topologies.catalogue import link, link_names


class UpDownLink(Section):
    """A full-duplex link: one rate for each direction, one delay for both."""

    up: AnyRate
    down: AnyRate
    delay: Delay
    jitter: JitterForm | None = None
    loss: Loss = 0.0


class OneRateLink(Section):
    """A link with one rate: for each direction (`full`), or for both together (`half`)."""

    rate: AnyRate
    delay: Delay
    duplex: Literal["full", "half"]
    jitter: JitterForm | None = None
    loss: Loss = 0.0


def _is_private(name: str) -> str:
    if name in link_names() and link(name).shared:
        raise rule("is one medium for all stations; use it as the rate of a wifi_cell")
    return name


def _has_delay(name: str) -> str:
    if name in link_names() and link(name).delay_s is None:
        raise rule(f"has no known delay; write {{name: {name}, delay: 10 ms}} with your own")
    return name


PrivateLinkName = Annotated[LinkName, AfterValidator(_is_private)]


class CatalogueLink(Section):
    """A link of the catalogue with another delay, with jitter or loss."""

    name: PrivateLinkName
    delay: Delay | None = None
    jitter: JitterForm | None = None
    loss: Loss = 0.0

    @model_validator(mode="after")
    def _delay_is_known(self) -> Self:
        if self.delay is None:
            _has_delay(self.name)
        return self


def _form(value: Any) -> str | None:
    if isinstance(value, Section):
        return next(name for name, form in _FORMS.items() if form is type(value))
    if isinstance(value, str):
        return "name"
    if not isinstance(value, Mapping):
        return None
    if "name" in value:
        return "catalogue"
    return "one" if {"rate", "duplex"} & value.keys() else "two"


_Name = Annotated[PrivateLinkName, AfterValidator(_has_delay)]
_FORMS = {"name": _Name, "catalogue": CatalogueLink, "two": UpDownLink, "one": OneRateLink}
Link = Annotated[
    _Name | CatalogueLink | UpDownLink | OneRateLink,
    Forms(
        _form,
        _FORMS,
        "must be a link of the catalogue, (up, down, delay) or (rate, delay, duplex)",
    ),
]
