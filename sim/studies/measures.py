"""Measures that a study compares: one number of a method's result each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cutlayer.scenarios.study.schema import Measure
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.tasks.metric import ACCURACY, Metric

# The name of each measure, and its value of a result and a target, in SI units. `metric` is the task's.
MEASURES: Final[Mapping[str, tuple[str, Callable[[MethodResult, float], float | None]]]] = {
    "time": ("virtual time", lambda result, _: result.virtual_time_s),
    "time_to_target": ("time to {metric} {target}", MethodResult.time_to),
    "additive_time": (
        "additive time per round",
        lambda result, _: sum(r.additive_round_time_s for r in result.rounds) / len(result.rounds),
    ),
    "bytes": ("wire bytes", lambda result, _: result.wire_bytes),
    "bytes_to_target": ("bytes to {metric} {target}", MethodResult.bytes_to),
    "energy": ("energy of the devices", lambda result, _: result.energy_j),
    "accuracy": ("final {metric}", lambda result, _: result.final),
}
TRAINED: Final = ("time_to_target", "bytes_to_target", "accuracy")  # need a learning curve
WITH_TARGET: Final = ("time_to_target", "bytes_to_target")


@dataclass(frozen=True)
class Measured:
    """A measure with its target, if it needs one, of the task's metric."""

    by: Measure
    target: float | None = None
    metric: Metric = ACCURACY

    @property
    def name(self) -> str:
        """The name of the measure."""
        target = self.metric.goal(self.target or 0.0)
        return MEASURES[self.by][0].format(metric=self.metric.title, target=target)

    @property
    def more_is_better(self) -> bool:
        """Whether a larger number is better, as for accuracy."""
        return self.by == "accuracy" and self.metric.higher_is_better

    def of(self, result: MethodResult | None) -> float | None:
        """Return the measure of a result; None if it is unknown or its target was never reached.

        A stalled run has no totals, since its rounds never end.
        """
        if result is None or not result.rounds or (result.stalled and self.by not in TRAINED):
            return None
        assert self.target is not None or self.by not in WITH_TARGET
        value = MEASURES[self.by][1](result, self.target or 0.0)
        return None if value is None else float(value)

    def mean(self, results: Iterable[MethodResult | None]) -> float | None:
        """Return the mean over the results of several seeds; None if it is unknown for any of them."""
        values = [self.of(result) for result in results]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None
