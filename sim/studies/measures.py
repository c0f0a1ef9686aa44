"""What a study compares: one number of a method's result. Smaller is better, but for accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cutlayer.errors import UserError
from cutlayer.scenarios.study.schema import Measure
from cutlayer.sim.results.method import MethodResult

NAMES: Final[Mapping[str, tuple[str, str]]] = {  # what it is called, and its unit
    "time": ("virtual time", "s"),
    "time_to_target": ("time to accuracy {target:.0%}", "s"),
    "additive_time": ("additive time a round", "s"),
    "bytes": ("wire bytes", "B"),
    "bytes_to_target": ("bytes to accuracy {target:.0%}", "B"),
    "energy": ("energy of the devices", "J"),
    "accuracy": ("final accuracy", ""),
}
TRAINED: Final = ("time_to_target", "bytes_to_target", "accuracy")  # need a learning curve
WITH_TARGET: Final = ("time_to_target", "bytes_to_target")


class MeasureError(UserError):
    """A measure that cannot be taken of a study's results."""


@dataclass(frozen=True)
class Measured:
    """A measure with its target accuracy, if it has one."""

    by: Measure
    target: float | None = None

    @property
    def name(self) -> str:
        """What the measure is called."""
        return NAMES[self.by][0].format(target=self.target or 0.0)

    @property
    def unit(self) -> str:
        """Its SI unit."""
        return NAMES[self.by][1]

    @property
    def more_is_better(self) -> bool:
        """Whether a larger number is the better one."""
        return self.by == "accuracy"

    def of(self, result: MethodResult) -> float | None:
        """Return the measure of a result; None where it is not known, or never reached.

        A run that stalled has no total of any kind, since its rounds never end.
        """
        if not result.rounds or (result.stalled and self.by not in TRAINED):
            return None
        curve = result.curve
        if self.by == "time":
            return result.virtual_time_s
        if self.by == "additive_time":
            rounds = result.rounds
            return sum(r.additive_round_time_s for r in rounds) / len(rounds)
        if self.by == "bytes":
            return float(result.wire_bytes)
        if self.by == "energy":
            return result.energy_j
        if self.by == "accuracy":
            return curve[-1][1] if curve else None
        assert self.target is not None
        if self.by == "time_to_target":
            return result.time_to(self.target)
        bytes_to = result.bytes_to(self.target)
        return None if bytes_to is None else float(bytes_to)

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is strictly better."""
        return one > other if self.more_is_better else one < other


def measured(by: Measure, target: float | None, targets: tuple[float, ...]) -> Measured:
    """Return a measure; its target, if it needs one and has none, is the scenario's highest.

    Raises MeasureError where there is none.
    """
    if by not in WITH_TARGET:
        return Measured(by)
    if target is None and not targets:
        raise MeasureError(f"{by} needs a target: give one, or training.targets in the scenario")
    return Measured(by, target if target is not None else max(targets))
