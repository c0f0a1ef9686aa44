"""A software stack: what a framework and a training loop make of a device.

A stack is a property of the program, a device one of the hardware: the same board trains at other speeds
under libtorch, under PyTorch of another year, or with a loop that augments images in Python. The figures
of a device are those of a reference stack, all of whose factors are 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from cutlayer.models.features import PRODUCTS
from cutlayer.topologies.device import DeviceError, DeviceProfile, Status, least_sure
from cutlayer.topologies.figures import COSTS, attribute_of, figures_of, with_figures

AnyText = TypeVar("AnyText", bound=str)

GROUPS: Final = ("gemm_forward", "gemm_backward", "other")
TIMES: Final = ("loader_s_per_sample", "loop_s_per_iteration", "round_s")
# The figures of a device that the times of a stack replace.
HOST_FIGURES: Final = {
    "iteration_overhead": "loop_s_per_iteration",
    "loader_per_sample": "loader_s_per_sample",
    "round_overhead": "round_s",
}


@dataclass(frozen=True)
class Stack:
    """Factors on the times of matrix products, by pass, and of everything else; times of the loop.

    Products are convolutions (with their weights and columns) and linear layers; everything else is
    depthwise convolutions, normalisation, elementwise operations, pooling, memory traffic, overheads and
    the optimizer. A factor of 2 is twice the time. `loader_s_per_sample`, `loop_s_per_iteration` and
    `round_s`, the fixed time of a round, are seconds of Python and image decoding on a device of
    `host_speed` 1; they replace those of the device.
    """

    name: str
    description: str = ""
    gemm_forward: float = 1.0
    gemm_backward: float = 1.0
    other: float = 1.0
    loader_s_per_sample: float = 0.0
    loop_s_per_iteration: float = 0.0
    round_s: float = 0.0
    sources: tuple[str, ...] = ()
    status: Mapping[str, Status] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in GROUPS:
            if not 0 < getattr(self, name) < math.inf:
                raise DeviceError(f"stack {self.name!r}: {name} must be positive and finite")
        for name in TIMES:
            if not 0 <= getattr(self, name) < math.inf:
                raise DeviceError(f"stack {self.name!r}: {name} must be finite and not negative")

    def __hash__(self) -> int:
        return hash(self.name)


def group_of(figure: str) -> str:
    """Return the factor of a stack that applies to a figure of a device."""
    name, _, pass_ = figure.rpartition(".")
    products = {"weight_stream", "columns", *(f"rates.{op_class}" for op_class in PRODUCTS)}
    return f"gemm_{pass_}" if name in products else "other"


def on_stack(profile: DeviceProfile, stack: Stack) -> DeviceProfile:
    """Return the device with the times of a stack in place of those of its reference stack.

    A figure is as sure as the less sure of device and stack. A covariance of the device's figures stays.
    Raises DeviceError for a coarse profile, for one that has a stack already, and if the stack has a
    loader or a loop and the speed of the device's host code is not known.
    """
    if profile.coarse:
        raise DeviceError(
            f"device {profile.name!r} has one speed for everything and cannot have a stack"
            f" (got {stack.name!r})"
        )
    if profile.stack:
        raise DeviceError(
            f"device {profile.name!r} has the stack {profile.stack!r} already (got {stack.name!r})"
        )
    if profile.host_speed is None and any(getattr(stack, name) for name in TIMES):
        raise DeviceError(
            f"device {profile.name!r} has no host_speed, which the loader and the loop of the stack"
            f" {stack.name!r} need"
        )
    speed = profile.host_speed or 1.0
    figures = {}
    for name, figure in figures_of(profile).items():
        factor = getattr(stack, group_of(name))
        figures[name] = figure * factor if name in COSTS else figure / factor
    figures |= {name: getattr(stack, time) / speed for name, time in HOST_FIGURES.items()}
    figures["loader_per_iteration"] = 0.0
    return replace(
        with_figures(profile, figures),
        stack=stack.name,
        status=_statuses(profile, stack),
        notes={**profile.notes, **_host_texts(stack.notes)},
        covariance=profile.covariance and profile.covariance.without(HOST_FIGURES),
    )


def _statuses(profile: DeviceProfile, stack: Stack) -> dict[str, Status]:
    """Return the status of each figure of a device on a stack: that of the less sure of the two."""
    status = dict(profile.status)
    for name in figures_of(profile):
        attribute, of_stack = attribute_of(name), stack.status.get(group_of(name))
        if of_stack and attribute in status:
            status[attribute] = least_sure(status[attribute], of_stack)
    for name in ("iteration_overhead", "loader_per_iteration", *HOST_FIGURES):
        status.pop(attribute_of(name), None)
    host = status.get("host_speed", "declared")
    return status | {key: least_sure(own, host) for key, own in _host_texts(stack.status).items()}


def _host_texts(by_time: Mapping[str, AnyText]) -> dict[str, AnyText]:
    """Return what a stack states of its times, by the figures of a device that they replace."""
    return {attribute_of(name): by_time[t] for name, t in HOST_FIGURES.items() if t in by_time}
