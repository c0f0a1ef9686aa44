"""Measures that a study compares: one number of a method's result each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cutlayer.errors import UserError
from cutlayer.scenarios.study.schema import Measure
from cutlayer.sim.results.method import MethodResult

NAMES: Final[Mapping[str, tuple[str, str]]] = {  # its name and its unit
    "time": ("virtual time", "s"),
    "time_to_target": ("time to accuracy {target:.0%}", "s"),
    "additive_time": ("additive time per round", "s"),
    "bytes": ("wire bytes", "B"),
    "bytes_to_target": ("bytes to accuracy {target:.0%}", "B"),
    "energy": ("energy of the devices", "J"),
    "accuracy": ("final accuracy", ""),
}
TRAINED: Final = ("time_to_target", "bytes_to_target", "accuracy")  # need a learning curve
WITH_TARGET: Final = ("time_to_target", "bytes_to_target")


class MeasureError(UserError):
    """A measure that a study's results do not have."""


@dataclass(frozen=True)
class Measured:
    """A measure with its target accuracy, if it needs one."""

    by: Measure
    target: float | None = None

    @property
    def name(self) -> str:
        """The name of the measure."""
        return NAMES[self.by][0].format(target=self.target or 0.0)

    @property
    def unit(self) -> str:
        """Its SI unit."""
        return NAMES[self.by][1]

    @property
    def more_is_better(self) -> bool:
        """Whether a larger number is better, as for accuracy."""
        return self.by == "accuracy"

    def of(self, result: MethodResult) -> float | None:
        """Return the measure of a result; None if it is unknown or its target was never reached.

        A stalled run has no totals, since its rounds never end.
        """
        if not result.rounds or (result.stalled and self.by not in TRAINED):
            return None
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
            return result.final_accuracy
        assert self.target is not None
        if self.by == "time_to_target":
            return result.time_to(self.target)
        bytes_to = result.bytes_to(self.target)
        return None if bytes_to is None else float(bytes_to)

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is strictly better."""
        return one > other if self.more_is_better else one < other


def measured(by: Measure, target: float | None, targets: tuple[float, ...]) -> Measured:
    """Return a measure; a missing target is the highest of the scenario's `targets`.

    Raises MeasureError if there is none.
    """
    if by not in WITH_TARGET:
        return Measured(by)
    if target is None and not targets:
        raise MeasureError(f"{by} needs a target: give one, or training.targets in the scenario")
    return Measured(by, target if target is not None else max(targets))
