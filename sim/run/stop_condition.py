"""When a run stops."""

from dataclasses import dataclass
from math import inf

from cutlayer.sim.results.round import RoundResult


@dataclass(frozen=True)
class StopCondition:
    """When a run stops: after `rounds` rounds, or with the first round that reaches another limit.

    The other limits are a virtual time (seconds), a test accuracy, a number of the clock's events, and
    `patience`: this number of evaluations in a row whose accuracy is not more than `min_delta` above the
    best one before them.
    """

    rounds: int
    virtual_time_s: float = inf
    target_accuracy: float = inf
    evaluate_every: int = 1
    events: float = inf
    patience: float = inf
    min_delta: float = 0.0

    @property
    def by_accuracy(self) -> bool:
        """Whether the accuracy of a round decides whether there is a next one."""
        return self.target_accuracy < inf or self.patience < inf


class AccuracyLimits:
    """Follows the evaluations of a run with regard to its target accuracy and its patience."""

    def __init__(self, stop: StopCondition) -> None:
        self._stop = stop
        self._best = -inf
        self._without_gain = 0

    def reached(self, closed: RoundResult) -> bool:
        """Return whether the run stops with a round; to be called once for each, in order."""
        if closed.accuracy is None:
            return False
        if closed.accuracy > self._best + self._stop.min_delta:
            self._best, self._without_gain = closed.accuracy, 0
        else:
            self._without_gain += 1
        return (
            closed.accuracy >= self._stop.target_accuracy
            or self._without_gain >= self._stop.patience
        )
