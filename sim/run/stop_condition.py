"""When a run stops."""

from dataclasses import dataclass
from math import inf

from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.tasks.metric import ACCURACY, Metric


@dataclass(frozen=True)
class StopCondition:
    """When a run stops: after `rounds` rounds, or with the first round that reaches another limit.

    The other limits are a virtual time (seconds), a `target` of the task's metric, a number of the
    clock's events, and `patience`: this number of evaluations in a row whose metric is not better than
    the best one before them by more than `min_delta`.
    """

    rounds: int
    virtual_time_s: float = inf
    target: float | None = None
    evaluate_every: int = 1
    events: float = inf
    patience: float = inf
    min_delta: float = 0.0
    metric: Metric = ACCURACY

    @property
    def by_metric(self) -> bool:
        """Whether the metric of a round decides whether there is a next one."""
        return self.target is not None or self.patience < inf


class MetricLimits:
    """Follows the evaluations of a run with regard to its target and its patience."""

    def __init__(self, stop: StopCondition) -> None:
        self._stop = stop
        self._best: float | None = None
        self._without_gain = 0

    def reached(self, closed: RoundResult) -> bool:
        """Return whether the run stops with a round; to be called once for each, in order."""
        metric, target = self._stop.metric, self._stop.target
        value = closed.value(metric.name)
        if value is None:
            return False
        if metric.gains(value, self._best, self._stop.min_delta):
            self._best, self._without_gain = value, 0
        else:
            self._without_gain += 1
        reached = target is not None and metric.reaches(value, target)
        return reached or self._without_gain >= self._stop.patience
