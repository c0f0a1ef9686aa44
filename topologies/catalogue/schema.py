"""The entries of devices.yaml and of profile files, and how they become device profiles.

Every figure has a status, and a note with the reasoning if it is derived, recalled or guessed; every
entry names its sources. Profiles keep these texts for reports.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from cutlayer.models.features import PASSES, Pass
from cutlayer.topologies.catalogue.old_rates import Converted, converted
from cutlayer.topologies.catalogue.stated import (
    Figure,
    Stated,
    Strict,
    Text,
    Watts,
    note_of,
    status_of,
)
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.device import DeviceProfile, Status, least_sure
from cutlayer.topologies.figures import BY_PASS, FIGURES
from cutlayer.topologies.layer_time import PassRates
from cutlayer.topologies.units import parse_rate, parse_size, parse_speed

PowerState = Literal["idle", "compute", "send", "receive"]
Factor = Annotated[float, Field(gt=0, lt=math.inf)]
OLD_CLASS = "conv_wide"

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
    """The speeds of one class of operations, one for each pass; in old files one for each map size."""

    forward: ByMap
    backward: ByMap

    def table(self) -> dict[Pass, dict[int, float]]:
        """Return the rates in FLOP/s by pass and map size; a single one stands at size 1."""
        return {"forward": _by_map(self.forward), "backward": _by_map(self.backward)}


class Bandwidths(Stated):
    """A bandwidth for each pass."""

    forward: Text
    backward: Text

    def rates(self) -> PassRates:
        """Return the bandwidths in bytes/s."""
        return PassRates(parse_rate(self.forward), parse_rate(self.backward))


class HostSpeed(Stated):
    """The speed of Python and image decoding relative to a Raspberry Pi 4B."""

    value: Factor


class FormError(Stated):
    """The relative standard deviation of times that the figures do not explain."""

    value: Annotated[float, Field(ge=0, lt=10)]


class KnownTogether(Strict):
    """The covariance of the natural logarithms of figures, named as in a profile file."""

    figures: tuple[Text, ...] = Field(min_length=1, strict=False)
    logs: tuple[Annotated[tuple[float, ...], Field(strict=False)], ...] = Field(strict=False)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        self.covariance()
        return self

    def covariance(self) -> Covariance:
        """Return the covariance. Raises CovarianceError."""
        return Covariance(self.figures, self.logs)


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
    fallback: dict[str, str] = Field(default_factory=dict)
    memory_bandwidth: Figure | None = None
    optimizer_bandwidth: Figure | None = None
    weight_bandwidth: Figure | None = None
    weight_stream: Bandwidths | None = None
    columns: Bandwidths | None = None
    layer_overhead: Figure | None = None
    iteration_overhead: Figure | None = None
    loader_per_iteration: Figure | None = None
    loader_per_sample: Figure | None = None
    optimizer_overhead: Figure | None = None
    round_overhead: Figure | None = None
    scaled_from: Speedup | None = None
    speed: Figure | None = None
    memory: Figure | None = None
    host_speed: HostSpeed | None = None
    power_w: dict[PowerState, Watts] = Field(default_factory=dict)
    stack: Text | None = None
    form_error: FormError | None = None
    covariance: KnownTogether | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = {"rates": self.rates, "scaled_from": self.scaled_from, "speed": self.speed}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(ways)} (got {', '.join(given) or 'none'})")
        figures = [name for name, _, _ in self._figures()]
        figures += [name for name in BY_PASS if getattr(self, name) is not None]
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
            stated |= {f"rates.{key}": rates for key, rates in self.rates.items()}
            rates = {key: _flat(given.table()) for key, given in self.rates.items()}
            old = self.converted()
            if old is not None:
                rates = old.rates
                stated.pop(f"rates.{OLD_CLASS}", None)
            for key, attribute in BY_PASS.items():
                if (bandwidths := getattr(self, key)) is not None:
                    figures[attribute] = bandwidths.rates()
                    stated[attribute] = bandwidths
                elif old is not None:
                    figures[attribute] = getattr(old, key)
            profile = DeviceProfile(
                name=name,
                description=self.description,
                rates=rates,
                fallback=self.fallback,
                **figures,
                memory_bytes=None,
                sources=self.sources,
            )
            stated |= {FIGURES[key][0]: figure for key, figure, _ in self._figures()}
        stated |= {f"power_w.{key}": watts for key, watts in self.power_w.items()}
        if self.memory is not None:
            stated["memory_bytes"] = self.memory
        if self.host_speed is not None:
            stated["host_speed"] = self.host_speed
            profile = replace(profile, host_speed=self.host_speed.value)
        if self.form_error is not None:
            stated["form_error"] = self.form_error
            profile = replace(profile, form_error=self.form_error.value)
        if self.covariance is not None:
            profile = replace(profile, covariance=self.covariance.covariance())
        return replace(
            profile,
            stack=self.stack or "",
            memory_bytes=None if self.memory is None else parse_size(self.memory.value),
            power_w={key: watts.value for key, watts in self.power_w.items()},
            status={**profile.status, **status_of(stated)},
            notes={**profile.notes, **note_of(stated)},
        )

    def quantities(self) -> Iterator[tuple[tuple[str | int, ...], str, Callable[[object], float]]]:
        """Yield every quantity: its path, its text and its parser."""
        others = ("speed", self.speed, parse_speed), ("memory", self.memory, parse_size)
        for name, figure, parse in (*self._figures(), *others):
            if figure is not None:
                yield (name, "value"), figure.value, parse
        for name in BY_PASS:
            for pass_ in PASSES:
                if (bandwidths := getattr(self, name)) is not None:
                    yield (name, pass_), getattr(bandwidths, pass_), parse_rate
        for op_class, rates in (self.rates or {}).items():
            for pass_ in PASSES:
                written: str | dict[int, str] = getattr(rates, pass_)
                by_map = {"": written} if isinstance(written, str) else written
                for size, rate in by_map.items():
                    at = () if size == "" else (str(size),)
                    yield ("rates", op_class, pass_, *at), rate, parse_speed

    def converted(self) -> Converted | None:
        """Return the figures for rates by map size, or None if there are no such rates."""
        tables = {key: rates.table() for key, rates in (self.rates or {}).items()}
        by_map = any(len(by) > 1 for table in tables.values() for by in table.values())
        return converted(tables) if by_map or OLD_CLASS in tables else None

    def _scaled(self, name: str, base: DeviceProfile, speedup: Speedup) -> DeviceProfile:
        """Return `base` made faster; a scaled figure is at most as certain as the speedup."""
        scaled = [key for key in base.status if not key.startswith(("power_w", "memory_bytes"))]
        status: dict[str, Status] = {
            key: least_sure(base.status[key], speedup.status) for key in scaled
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


_OPTIONAL = ("weight_bandwidth", "loader_per_sample", "optimizer_overhead", "round_overhead")


def _flat(table: dict[Pass, dict[int, float]]) -> PassRates:
    return PassRates(*(next(iter(by_map.values())) for by_map in table.values()))


def _by_map(rates: str | dict[int, str]) -> dict[int, float]:
    if isinstance(rates, str):
        return {1: parse_speed(rates)}
    return {map_size: parse_speed(rate) for map_size, rate in rates.items()}
