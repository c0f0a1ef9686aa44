"""Radio cells: clients whose rates follow from bandwidth, power, distance and noise."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cutlayer.scenarios.fields import Count, Positive, Section, Text, not_empty, rule
from cutlayer.scenarios.groups import MayCompute, OnDevice, Population, Server
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.quantities import (
    Decibels,
    Delay,
    Frequency,
    Length,
    NoiseDensity,
    TransmitPower,
)
from cutlayer.scenarios.unions import OneOf, by_key

Exponent = Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]


class LengthRange(Section):
    """Two distances, the first below the second."""

    least: Length
    most: Length

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_order(self.least, self.most)
        return self


class PowerRange(Section):
    """Two powers, the first below the second."""

    least: TransmitPower
    most: TransmitPower

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_order(self.least, self.most)
        return self


def _check_order(least: float, most: float) -> None:
    if least >= most:
        raise rule("must have its least below its most")


class UniformDistance(Section):
    """A distance that is drawn for each client, uniform between two."""

    uniform: LengthRange


class DiscDistance(Section):
    """The distance of a place that is drawn for each client, uniform on a disc or ring."""

    disc: LengthRange


class UniformPower(Section):
    """A transmit power that is drawn for each client, uniform between two."""

    uniform: PowerRange


Distance = Annotated[
    Length | UniformDistance | DiscDistance,
    by_key(
        "must be a distance, such as '250 m', or have one of uniform and disc",
        plain=Length,
        uniform=UniformDistance,
        disc=DiscDistance,
    ),
]
ClientPower = Annotated[
    TransmitPower | UniformPower,
    by_key(
        "must be a power, such as '200 mW' or '23 dBm', or have uniform",
        plain=TransmitPower,
        uniform=UniformPower,
    ),
]


class LogDistanceLoss(Section):
    """A loss of `at_1_km` + `per_decade` log10(d / km)."""

    at_1_km: Decibels
    per_decade: Decibels

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.per_decade <= 0:
            raise rule("must have a per_decade above 0 dB")
        return self


class PowerLawLoss(Section):
    """A gain of `at_1_m` d^-`exponent`, d in metres."""

    at_1_m: Positive
    exponent: Exponent


PathLoss = Annotated[
    LogDistanceLoss | PowerLawLoss, OneOf(log_distance=LogDistanceLoss, power_law=PowerLawLoss)
]


class Each(Section):
    """Every client has the bandwidth for itself."""


class Equal(Section):
    """Equal sub-bands (FDMA), by default as many as the cell has clients."""

    parts: Count | None = None


class Proportional(Section):
    """A sub-band for each client, in proportion to its distance or spectral efficiency, or 1 over it."""

    shorthand = "to"
    to: Literal["distance", "efficiency", "inverse_efficiency"]


class MaxMin(Section):
    """The clients that are sending take turns on the whole band; their rates are max-min fair."""


Sharing = Annotated[
    Each | Equal | Proportional | MaxMin,
    OneOf(each=Each, equal=Equal, proportional=Proportional, max_min=MaxMin),
]


class UpBand(Section):
    """The band in which clients send."""

    bandwidth: Frequency
    share: Sharing


class DownBand(Section):
    """The band in which the base station sends, with this power to a client."""

    bandwidth: Frequency
    share: Sharing
    power: TransmitPower


class RadioGroup(OnDevice):
    """Equal devices of a radio cell, each at its distance from the base station."""

    count: Population = 1
    distance: Distance
    power: ClientPower
    name: Text | None = None


class RadioBase(MayCompute):
    """What every radio cell has; `up` and `down` are separate bands with the same path loss."""

    delay: Delay
    noise: NoiseDensity
    path_loss: PathLoss
    fading: Literal["none", "rayleigh"] = "none"
    up: UpBand
    down: DownBand
    clients: Annotated[tuple[RadioGroup, ...], not_empty]

    @model_validator(mode="after")
    def _can_fade(self) -> Self:
        if self.fading != "none":
            for direction in ("up", "down"):
                if isinstance(getattr(self, direction).share, MaxMin):
                    raise rule(
                        f"has fading, which a band shared max_min cannot have: share {direction}"
                        " each, equal or proportional"
                    )
        return self


class RadioCell(RadioBase):
    """One radio cell, with the server at the base station or behind its `backhaul`."""

    server: Server
    backhaul: Link | None = None

    @model_validator(mode="after")
    def _server_is_behind(self) -> Self:
        if self.device is not None and self.backhaul is None:
            raise rule("has its server at the base station: a device there needs a backhaul")
        return self


class RadioSite(RadioBase):
    """Equal radio cells, each with its own backhaul, whose `up` leads to the server."""

    name: Text | None = None
    count: Population = 1
    backhaul: Link
