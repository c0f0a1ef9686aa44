"""A device as a roofline model with a rate for each class of operations.

    t(layer) = overhead + max(FLOPs / rate[class, pass, map size], bytes / memory bandwidth)
               + weight bytes / weight bandwidth

A multiply-accumulate is 2 FLOPs. The second line applies if a profile has a weight bandwidth: libraries
reorder the weights before the arithmetic begins. Otherwise weights count among the bytes of the first
line.

A single rate can be wrong by a factor of ten: dense convolutions on large maps, on 2x2 maps and
depthwise ones differ that much on one device. Such a profile is allowed and marked `coarse`. Not
modelled: the effect of the batch size on a rate, changes of the clock frequency, other load on the
device.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self, get_args

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion

Pass = Literal["forward", "backward"]
Status = Literal["measured", "derived", "published", "recalled", "guess", "declared"]

PASSES: Final[tuple[Pass, ...]] = get_args(Pass)
OP_CLASSES: Final = (
    "conv_input",
    "conv",
    "conv_wide",
    "pointwise",
    "depthwise",
    "linear",
    "norm",
    "elementwise",
    "pool",
)
# A profile without rates for these has those of plain convolutions.
KINDS_OF_CONV: Final = {"conv_wide": "conv", "pointwise": "conv"}
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


class DeviceError(UserError):
    """An invalid device profile: a figure is missing, unknown or impossible."""


@dataclass(frozen=True)
class RateTable:
    """FLOP/s of one class of operations, per pass, by the side of the input feature map."""

    forward: Mapping[int, float]
    backward: Mapping[int, float]

    @classmethod
    def flat(cls, forward: float, backward: float) -> Self:
        """Return a table with one rate per pass for all map sizes."""
        return cls({1: forward}, {1: backward})

    def __post_init__(self) -> None:
        for pass_ in PASSES:
            table = self.of(pass_)
            if not table:
                raise DeviceError(f"the {pass_} rates are empty: expected FLOP/s by map size")
            for map_size, rate in table.items():
                if map_size < 1:
                    raise DeviceError(f"the {pass_} rates have a map of side {map_size}")
                _check_positive(rate, f"the {pass_} rate at map size {map_size}", "FLOP/s")

    def of(self, pass_: Pass) -> Mapping[int, float]:
        """Return FLOP/s by map size of one pass."""
        return {"forward": self.forward, "backward": self.backward}[pass_]

    def at(self, pass_: Pass, map_size: int) -> float:
        """Return the FLOP/s at the map size that is nearest in log2; the smaller one of two."""
        table = self.of(pass_)
        nearest = min(sorted(table), key=lambda size: abs(math.log2(size / map_size)))
        return table[nearest]

    def scaled(self, forward: float, backward: float) -> Self:
        """Return the table with the rates of each pass multiplied by a factor."""
        return type(self)(
            {size: rate * forward for size, rate in self.forward.items()},
            {size: rate * backward for size, rate in self.backward.items()},
        )


@dataclass(frozen=True)
class DeviceProfile:
    """A device: rates in FLOP/s, memory traffic in bytes/s, overheads in seconds, power in watts.

    `fallback` names, for a class without rates, the class whose rates stand in for it.
    `iteration_overhead_s` is charged for every batch and includes `loader_s_per_iteration`, the
    part that reads and augments the data; `loader_s_per_sample` is charged in addition, for each sample.
    `round_overhead_s` is charged at the beginning of every round in which the device takes part.
    `speed_factor` is the device's speed relative to that of its name.
    `optimizer_bytes_per_s` counts each tensor of a step once per read and once per write (SGD 3 words a
    parameter, with momentum 5, Adam 7), and each tensor costs `optimizer_overhead_s`. If
    `weight_bytes_per_s` is None, weights move at the memory bandwidth, with the activations. `status`
    and `notes` state the origin of each figure.
    """

    name: str
    description: str
    rates: Mapping[str, RateTable]
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
    optimizer_overhead_s: float = 0.0
    loader_s_per_sample: float = 0.0
    round_overhead_s: float = 0.0
    speed_factor: float = 1.0

    def __post_init__(self) -> None:
        for op_class in (*self.rates, *self.fallback, *self.fallback.values()):
            self._check_class(op_class)
        for op_class in self.fallback:
            self._resolve(op_class)
        for name in (*BANDWIDTHS, "memory_bytes"):
            figure = getattr(self, name)
            if figure is not None and not figure > 0:
                raise DeviceError(f"device {self.name!r}: {name} must be greater than 0")
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
        return hash((self.name, self.speed_factor))

    @classmethod
    def from_speed(cls, name: str, flops_per_s: float, description: str = "") -> Self:
        """Return a coarse profile: one speed for everything, no memory term, no overheads."""
        _check_positive(flops_per_s, f"device {name!r}: the speed", "FLOP/s")
        return cls(
            name=name,
            description=description or "one speed for every operation",
            rates={op_class: RateTable.flat(flops_per_s, flops_per_s) for op_class in OP_CLASSES},
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

    def rate(self, op_class: str, pass_: Pass, map_size: int) -> float:
        """Return the FLOP/s of a class of operations on maps of side `map_size`.

        Raises DeviceError if the profile has neither the class nor a fallback for it.
        """
        known = op_class if op_class in self.rates else self._resolve(op_class)
        return self.rates[known].at(pass_, map_size)

    def seconds(
        self,
        op_class: str,
        pass_: Pass,
        map_size: int,
        flops: float,
        activation_bytes: float,
        weight_bytes: float = 0.0,
    ) -> float:
        """Return the time of one layer and pass by the roofline, in seconds."""
        compute = flops / self.rate(op_class, pass_, map_size)
        seconds = self.layer_overhead_s
        if self.weight_bytes_per_s is None:
            activation_bytes += weight_bytes
        else:
            seconds += weight_bytes / self.weight_bytes_per_s
        seconds += max(compute, activation_bytes / self.memory_bandwidth_bytes_per_s)
        return seconds

    def optimizer_seconds(self, traffic_bytes: float, flops: float, tensors: int = 0) -> float:
        """Return the time of an optimizer step by its memory traffic (its FLOPs, if coarse)."""
        if self.coarse:
            return flops / self.rate("elementwise", "forward", 1)
        return tensors * self.optimizer_overhead_s + traffic_bytes / self.optimizer_bytes_per_s

    def faster(self, factor: float) -> Self:
        """Return a device of the same name that does everything `factor` times as fast."""
        _check_positive(factor, f"device {self.name!r}: the factor", "times")
        scaled = self.scaled(factor, factor, factor, factor, factor)
        return replace(scaled, speed_factor=self.speed_factor * factor)

    def scaled(
        self, forward: float, backward: float, memory: float, optimizer: float, overhead: float
    ) -> Self:
        """Return the profile with rates and bandwidths times these factors, and shorter overheads."""
        weight_rate = self.weight_bytes_per_s
        return replace(
            self,
            rates={key: table.scaled(forward, backward) for key, table in self.rates.items()},
            memory_bandwidth_bytes_per_s=self.memory_bandwidth_bytes_per_s * memory,
            optimizer_bytes_per_s=self.optimizer_bytes_per_s * optimizer,
            weight_bytes_per_s=None if weight_rate is None else weight_rate * memory,
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


def _check_positive(value: float, what: str, unit: str) -> None:
    if not 0 < value < math.inf:
        raise DeviceError(f"{what} is {value!r}: expected a positive, finite number of {unit}")
