"""The entries of the catalogue, and how they become device profiles and links.

Every figure has a status, and a note with the reasoning if it is derived, recalled or guessed; every
entry names its sources. Profiles keep these texts for reports.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from cutlayer.topologies.device import PASSES, DeviceProfile, RateTable, Status
from cutlayer.topologies.link import AccessLink, Duplex
from cutlayer.topologies.units import parse_duration, parse_rate, parse_size, parse_speed

CatalogueStatus = Literal["measured", "derived", "published", "recalled", "guess"]
PowerState = Literal["idle", "compute", "send", "receive"]
Text = Annotated[str, Field(min_length=1)]
Factor = Annotated[float, Field(gt=0, lt=math.inf)]
SELF_EVIDENT: tuple[Status, ...] = ("measured", "published")


class Strict(BaseModel):
    """A model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Stated(Strict):
    """Something with a status, and with a note unless a source states or measured it."""

    status: CatalogueStatus
    note: Text | None = None

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.status not in SELF_EVIDENT and self.note is None:
            raise ValueError(f"a figure with the status {self.status!r} needs a note")
        return self


class Figure(Stated):
    """A quantity with its unit."""

    value: Text


class Watts(Stated):
    """A power in watts."""

    value: float = Field(ge=0, lt=1e6)


MapSize = Annotated[int, Field(ge=1, le=100_000)]


def _map_sizes(value: object) -> object:
    """Return rates by map size with the sizes as numbers; readers of YAML may give text."""
    if not isinstance(value, dict):
        return value
    digits = re.compile("[0-9]{1,9}")
    return {
        int(key) if isinstance(key, str) and digits.fullmatch(key) else key: rate
        for key, rate in value.items()
    }


ByMap = Annotated[
    Annotated[Text, Tag("~one")] | Annotated[dict[MapSize, Text], Tag("~by_map")],
    Discriminator(lambda value: "~by_map" if isinstance(value, dict) else "~one"),
    BeforeValidator(_map_sizes),
]


class Rates(Stated):
    """The speeds of one class of operations: one for all map sizes, or one for each."""

    forward: ByMap
    backward: ByMap

    def table(self) -> RateTable:
        """Return the rates in FLOP/s."""
        return RateTable(_by_map(self.forward), _by_map(self.backward))


class Speedup(Stated):
    """Another device's profile, faster by these factors (below 1: slower)."""

    device: Text
    forward: Factor
    backward: Factor
    memory: Factor
    optimizer: Factor
    overhead: Factor


class DeviceEntry(Strict):
    """A device: by rates, by a speedup over another device, or by one coarse speed."""

    description: Text
    sources: tuple[Text, ...] = Field(min_length=1, strict=False)
    rates: dict[str, Rates] | None = None
    fallback: dict[str, str] = {}
    memory_bandwidth: Figure | None = None
    optimizer_bandwidth: Figure | None = None
    weight_bandwidth: Figure | None = None
    layer_overhead: Figure | None = None
    iteration_overhead: Figure | None = None
    loader_per_iteration: Figure | None = None
    loader_per_sample: Figure | None = None
    optimizer_overhead: Figure | None = None
    round_overhead: Figure | None = None
    scaled_from: Speedup | None = None
    speed: Figure | None = None
    memory: Figure | None = None
    power_w: dict[PowerState, Watts] = {}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = {"rates": self.rates, "scaled_from": self.scaled_from, "speed": self.speed}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(ways)} (got {', '.join(given) or 'none'})")
        figures = [name for name, _, _ in self._figures()]
        if self.rates is None and figures:
            raise ValueError(f"{', '.join(figures)}: not allowed together with {given[0]}")
        missing = [name for name in FIGURES if name not in (*figures, *_OPTIONAL)]
        if self.rates is not None and missing:
            raise ValueError(f"with rates, {', '.join(missing)} must also be given")
        return self

    def profile(self, name: str, device: Callable[[str], DeviceProfile]) -> DeviceProfile:
        """Return the profile; `device` looks up the one that this entry is scaled from."""
        stated: dict[str, Stated] = {}
        if self.scaled_from is not None:
            profile = self._scaled(name, device(self.scaled_from.device), self.scaled_from)
        elif self.speed is not None:
            coarse = DeviceProfile.from_speed(name, parse_speed(self.speed.value), self.description)
            profile = replace(coarse, sources=self.sources)
            stated["rates"] = self.speed
        else:
            assert self.rates is not None
            figures: dict[str, Any] = {
                FIGURES[key][0]: parse(figure.value) for key, figure, parse in self._figures()
            }
            profile = DeviceProfile(
                name=name,
                description=self.description,
                rates={key: rates.table() for key, rates in self.rates.items()},
                fallback=self.fallback,
                **figures,
                memory_bytes=None,
                sources=self.sources,
            )
            stated |= {f"rates.{key}": rates for key, rates in self.rates.items()}
            stated |= {FIGURES[key][0]: figure for key, figure, _ in self._figures()}
        stated |= {f"power_w.{key}": watts for key, watts in self.power_w.items()}
        if self.memory is not None:
            stated["memory_bytes"] = self.memory
        return replace(
            profile,
            memory_bytes=None if self.memory is None else parse_size(self.memory.value),
            power_w={key: watts.value for key, watts in self.power_w.items()},
            status={**profile.status, **_statuses(stated)},
            notes={**profile.notes, **_notes(stated)},
        )

    def quantities(self) -> Iterator[tuple[tuple[str | int, ...], str, Callable[[object], float]]]:
        """Yield every quantity: its path, its text and its parser."""
        others = ("speed", self.speed, parse_speed), ("memory", self.memory, parse_size)
        for name, figure, parse in (*self._figures(), *others):
            if figure is not None:
                yield (name, "value"), figure.value, parse
        for op_class, rates in (self.rates or {}).items():
            for pass_ in PASSES:
                written: str | dict[int, str] = getattr(rates, pass_)
                by_map = {"": written} if isinstance(written, str) else written
                for size, rate in by_map.items():
                    at = () if size == "" else (str(size),)
                    yield ("rates", op_class, pass_, *at), rate, parse_speed

    def _scaled(self, name: str, base: DeviceProfile, speedup: Speedup) -> DeviceProfile:
        """Return `base` made faster; a scaled figure is at most as certain as the speedup."""
        scaled = [key for key in base.status if not key.startswith(("power_w", "memory_bytes"))]
        status: dict[str, Status] = {
            key: max(base.status[key], speedup.status, key=_doubt) for key in scaled
        }
        own = f"scaled from {base.name}: {speedup.note}"
        factors = speedup.model_dump(exclude={"status", "note", "device"})
        return replace(
            base.scaled(**factors),
            name=name,
            description=self.description,
            sources=tuple(dict.fromkeys(self.sources + base.sources)),
            status=status,
            notes={key: f"{own}; there: {base.notes.get(key, base.status[key])}" for key in scaled},
        )

    def _figures(self) -> Iterator[tuple[str, Figure, Callable[[object], float]]]:
        for name, (_, parse) in FIGURES.items():
            figure = getattr(self, name)
            if figure is not None:
                yield name, figure, parse


class LinkEntry(Strict):
    """A link: rates as seen from the client, one-way delay or "unknown", duplex."""

    description: Text
    sources: tuple[Text, ...] = Field(min_length=1, strict=False)
    up: Figure
    down: Figure
    delay: Figure | Literal["unknown"]
    duplex: Duplex
    shared: bool = False

    def link(self, name: str) -> AccessLink:
        """Return the link."""
        stated: dict[str, Stated] = {"up_bytes_per_s": self.up, "down_bytes_per_s": self.down}
        delay_s = None
        if not isinstance(self.delay, str):
            stated["delay_s"] = self.delay
            delay_s = parse_duration(self.delay.value)
        return AccessLink(
            name=name,
            description=self.description,
            up_bytes_per_s=parse_rate(self.up.value),
            down_bytes_per_s=parse_rate(self.down.value),
            delay_s=delay_s,
            duplex=self.duplex,
            shared=self.shared,
            sources=self.sources,
            status=_statuses(stated),
            notes=_notes(stated),
        )


FIGURES: dict[str, tuple[str, Callable[[object], float]]] = {
    "memory_bandwidth": ("memory_bandwidth_bytes_per_s", parse_rate),
    "optimizer_bandwidth": ("optimizer_bytes_per_s", parse_rate),
    "layer_overhead": ("layer_overhead_s", parse_duration),
    "iteration_overhead": ("iteration_overhead_s", parse_duration),
    "loader_per_iteration": ("loader_s_per_iteration", parse_duration),
    "loader_per_sample": ("loader_s_per_sample", parse_duration),
    "optimizer_overhead": ("optimizer_overhead_s", parse_duration),
    "round_overhead": ("round_overhead_s", parse_duration),
    "weight_bandwidth": ("weight_bytes_per_s", parse_rate),
}
_OPTIONAL = ("weight_bandwidth", "loader_per_sample", "optimizer_overhead", "round_overhead")


def _doubt(status: Status) -> int:
    return ("measured", "published", "declared", "derived", "recalled", "guess").index(status)


def _by_map(rates: str | dict[int, str]) -> dict[int, float]:
    if isinstance(rates, str):
        return {1: parse_speed(rates)}
    return {map_size: parse_speed(rate) for map_size, rate in rates.items()}


def _statuses(stated: dict[str, Stated]) -> dict[str, Status]:
    return {name: figure.status for name, figure in stated.items()}


def _notes(stated: dict[str, Stated]) -> dict[str, str]:
    return {name: figure.note for name, figure in stated.items() if figure.note is not None}
