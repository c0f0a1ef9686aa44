"""A device: its rates by class of operation, bandwidths and overheads; see `layer_time` for the form.

A single rate can be wrong by a factor of ten: dense convolutions and depthwise ones differ that much on
one device. Such a profile is allowed and marked `coarse`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal, Self

from cutlayer.errors import UserError
from cutlayer.models.features import OP_CLASSES, PASSES, Features, Pass
from cutlayer.suggestion import suggestion
from cutlayer.topologies.clock_power import ClockPower
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.layer_time import OVERHEAD, LayerTime, PassRates, layer_time

Status = Literal["measured", "derived", "published", "recalled", "guess", "declared"]

# A profile without rates for these has those of plain convolutions.
KINDS_OF_CONV: Final = {"conv_input": "conv", "pointwise": "conv"}
NO_COST: Final = PassRates(math.inf, math.inf)
BANDWIDTHS: Final = (
    "memory_bandwidth_bytes_per_s",
    "optimizer_bytes_per_s",
    "weight_bytes_per_s",
)
OVERHEADS: Final = (
    "layer_overhead_s",
    "iteration_overhead_s",
    "loader_s_per_iteration",
    "optimizer_overhead_s",
    "loader_s_per_sample",
    "round_overhead_s",
)
UNSURE: Final[tuple[Status, ...]] = ("recalled", "guess")
# From the surest to the least sure.
STATUSES: Final[tuple[Status, ...]] = (
    "measured",
    "published",
    "declared",
    "derived",
    "recalled",
    "guess",
)


class DeviceError(UserError):
    """An invalid device profile: a figure is missing, unknown or impossible."""


@dataclass(frozen=True)
class DeviceProfile:
    """A device: rates in FLOP/s, memory traffic in bytes/s, overheads in seconds, power in watts.

    Rates have one figure for each pass, as have the optional `weight_stream_bytes_per_s` and
    `column_bytes_per_s` (None: the library does not read weights or columns again for every sample).
    `fallback` names, for a class without rates, the class whose rates stand in for it.
    `iteration_overhead_s` is charged for every batch and includes `loader_s_per_iteration`, the
    part that reads and augments the data; `loader_s_per_sample` is charged in addition, for each sample.
    `round_overhead_s` is charged at the beginning of every round in which the device takes part.
    `speed_factor` is the device's speed relative to that of its name; `host_speed` that of Python and
    image decoding on it relative to a Raspberry Pi 4B. `stack` names the software stack whose times the
    profile has, if it is not the device's own (`cutlayer.topologies.stack`).
    `covariance` is that of the logarithms of the figures, if known. `form_error` is the relative
    standard deviation of times that the figures do not explain (`cutlayer.topologies.spreads`).
    With a `clock_power`, the power while computing follows the clock frequency, which is that of the
    speed: a device twice as fast has twice the frequency.
    `optimizer_bytes_per_s` counts each tensor of a step once per read and once per write (SGD 3 words a
    parameter, with momentum 5, Adam 7), and each tensor costs `optimizer_overhead_s`. If
    `weight_bytes_per_s` is None, weights move at the memory bandwidth. `status` and `notes` state the
    origin of each figure.
    """

    name: str
    description: str
    rates: Mapping[str, PassRates]
    memory_bandwidth_bytes_per_s: float
    optimizer_bytes_per_s: float
    layer_overhead_s: float
    iteration_overhead_s: float
    loader_s_per_iteration: float
    memory_bytes: int | None
    power_w: Mapping[str, float] = field(default_factory=dict)
    fallback: Mapping[str, str] = field(default_factory=dict)
    coarse: bool = False
    sources: tuple[str, ...] = ()
    status: Mapping[str, Status] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    weight_bytes_per_s: float | None = None
    weight_stream_bytes_per_s: PassRates | None = None
    column_bytes_per_s: PassRates | None = None
    optimizer_overhead_s: float = 0.0
    loader_s_per_sample: float = 0.0
    round_overhead_s: float = 0.0
    speed_factor: float = 1.0
    host_speed: float | None = None
    stack: str = ""
    covariance: Covariance | None = None
    form_error: float | None = None
    clock_power: ClockPower | None = None

    def __post_init__(self) -> None:
        for op_class in (*self.rates, *self.fallback, *self.fallback.values()):
            self._check_class(op_class)
        for op_class in self.fallback:
            self._resolve(op_class)
        for name in (*BANDWIDTHS, "memory_bytes", "host_speed"):
            figure = getattr(self, name)
            if figure is not None and not figure > 0:
                raise DeviceError(f"device {self.name!r}: {name} must be greater than 0")
        for name, rates in self._by_pass().items():
            for pass_ in PASSES:
                what = f"device {self.name!r}: the {pass_} rate of {name}"
                _check_positive(rates.of(pass_), what, "FLOP/s or bytes/s")
        for name in OVERHEADS:
            if not 0 <= getattr(self, name) < math.inf:
                raise DeviceError(f"device {self.name!r}: {name} must be finite and not negative")
        if self.loader_s_per_iteration > self.iteration_overhead_s:
            raise DeviceError(
                f"device {self.name!r}: loader_s_per_iteration is a part of iteration_overhead_s"
                f" and cannot exceed it"
            )
        for state, watts in self.power_w.items():
            if not 0 <= watts < math.inf:
                raise DeviceError(f"device {self.name!r}: power_w.{state} must not be negative")

    def __hash__(self) -> int:
        return hash((self.name, self.stack, self.speed_factor))

    @classmethod
    def from_speed(cls, name: str, flops_per_s: float, description: str = "") -> Self:
        """Return a coarse profile: one speed for everything, no memory term, no overheads."""
        _check_positive(flops_per_s, f"device {name!r}: the speed", "FLOP/s")
        return cls(
            name=name,
            description=description or "one speed for every operation",
            rates=dict.fromkeys(OP_CLASSES, PassRates(flops_per_s, flops_per_s)),
            memory_bandwidth_bytes_per_s=math.inf,
            optimizer_bytes_per_s=math.inf,
            layer_overhead_s=0.0,
            iteration_overhead_s=0.0,
            loader_s_per_iteration=0.0,
            memory_bytes=None,
            coarse=True,
            sources=("declared as one speed",),
            status={"rates": "declared"},
        )

    @property
    def unsure(self) -> tuple[str, ...]:
        """The figures that are guessed or recalled, in the order of `status`."""
        return tuple(figure for figure, status in self.status.items() if status in UNSURE)

    def rate(self, op_class: str, pass_: Pass) -> float:
        """Return the FLOP/s of a class of operations.

        Raises DeviceError if the profile has neither the class nor a fallback for it.
        """
        return self.rates[self.rate_class(op_class)].of(pass_)

    def rate_class(self, op_class: str) -> str:
        """Return the class whose rates apply to `op_class`. Raises DeviceError if there is none."""
        return op_class if op_class in self.rates else self._resolve(op_class)

    def time(self, features: Features) -> LayerTime:
        """Return the time of one pass over a layer. Raises DeviceError for a class without a rate."""
        return layer_time(self._unit_costs, features, self.rate_class(features.op_class))

    def optimizer_seconds(self, traffic_bytes: float, flops: float, tensors: int = 0) -> float:
        """Return the time of an optimizer step by its memory traffic (its FLOPs, if coarse)."""
        if self.coarse:
            return flops / self.rate("elementwise", "forward")
        return tensors * self.optimizer_overhead_s + traffic_bytes / self.optimizer_bytes_per_s

    def faster(self, factor: float) -> Self:
        """Return a device of the same name that does everything `factor` times as fast."""
        _check_positive(factor, f"device {self.name!r}: the factor", "times")
        scaled = self.scaled(factor, factor, factor, factor, factor)
        scaled = replace(scaled, speed_factor=self.speed_factor * factor)
        clock = self.clock_power
        return scaled if clock is None else scaled.with_clock_power(clock.faster(factor))

    def with_clock_power(self, clock: ClockPower) -> Self:
        """Return the profile whose power while computing is that of a clock, above its idle power."""
        power_w = {**self.power_w, "compute": self.power_w["idle"] + clock.watts}
        return replace(self, clock_power=clock, power_w=power_w)

    def scaled(
        self, forward: float, backward: float, memory: float, optimizer: float, overhead: float
    ) -> Self:
        """Return the profile with rates and bandwidths times these factors, and shorter overheads."""
        weight_rate = self.weight_bytes_per_s
        stream, columns = self.weight_stream_bytes_per_s, self.column_bytes_per_s
        return replace(
            self,
            rates={key: table.scaled(forward, backward) for key, table in self.rates.items()},
            memory_bandwidth_bytes_per_s=self.memory_bandwidth_bytes_per_s * memory,
            optimizer_bytes_per_s=self.optimizer_bytes_per_s * optimizer,
            weight_bytes_per_s=None if weight_rate is None else weight_rate * memory,
            weight_stream_bytes_per_s=stream and stream.scaled(forward, backward),
            column_bytes_per_s=columns and columns.scaled(forward, backward),
            host_speed=self.host_speed and self.host_speed * overhead,
            **{name: getattr(self, name) / overhead for name in OVERHEADS},
        )

    def with_loader(self, loader_s_per_iteration: float) -> Self:
        """Return the profile with another loading and augmentation time, s, whatever the batch."""
        others = self.iteration_overhead_s - self.loader_s_per_iteration
        return replace(
            self,
            loader_s_per_iteration=loader_s_per_iteration,
            loader_s_per_sample=0.0,
            iteration_overhead_s=others + loader_s_per_iteration,
            status={**self.status, "loader_s_per_iteration": "declared"},
        )

    @cached_property
    def _unit_costs(self) -> Mapping[str, float]:
        """The seconds of a unit of work by figure; 0 for a bandwidth that the device does not have."""
        memory = self.memory_bandwidth_bytes_per_s
        costs = {
            OVERHEAD: self.layer_overhead_s,
            "memory_bandwidth": 1 / memory,
            "weight_bandwidth": 1 / (self.weight_bytes_per_s or memory),
        }
        by_pass = {"weight_stream": NO_COST, "columns": NO_COST, **self._by_pass()}
        for name, rates in by_pass.items():
            costs |= {f"{name}.{pass_}": 1 / rates.of(pass_) for pass_ in PASSES}
        return costs

    def _by_pass(self) -> dict[str, PassRates]:
        """Return the figures that have one for each pass, by their names in a profile file."""
        figures = {f"rates.{op_class}": rates for op_class, rates in self.rates.items()}
        if self.weight_stream_bytes_per_s is not None:
            figures["weight_stream"] = self.weight_stream_bytes_per_s
        if self.column_bytes_per_s is not None:
            figures["columns"] = self.column_bytes_per_s
        return figures

    def _check_class(self, op_class: str) -> None:
        if op_class not in OP_CLASSES:
            raise DeviceError(
                f"device {self.name!r}: unknown class of operations {op_class!r}"
                f"{suggestion(op_class, OP_CLASSES)}"
            )

    def _resolve(self, op_class: str) -> str:
        """Return the class whose rates stand for `op_class`, following the fallbacks."""
        self._check_class(op_class)
        seen = [op_class]
        while seen[-1] not in self.rates:
            following = self.fallback.get(seen[-1], KINDS_OF_CONV.get(seen[-1]))
            if following is None or following in seen:
                raise DeviceError(
                    f"device {self.name!r} has no rate for {op_class!r} operations:"
                    f" give rates.{op_class}, or name a class in fallback.{op_class}"
                )
            seen.append(following)
        return seen[-1]


def least_sure(*statuses: Status) -> Status:
    """Return the status of a figure that is computed from figures of these statuses."""
    return max(statuses, key=STATUSES.index)


def _check_positive(value: float, what: str, unit: str) -> None:
    if not 0 < value < math.inf:
        raise DeviceError(f"{what} is {value!r}: expected a positive, finite number of {unit}")
