"""The metrics of a method's rounds: curves, targets, final and best values."""

from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.tasks.metric import ACCURACY, Metric


class Evaluated:
    """The part of a method's result that is about its evaluations."""

    rounds: list[RoundResult]
    metrics: tuple[Metric, ...]

    @property
    def metric(self) -> Metric:
        """The metric of curves and targets."""
        return self.metrics[0]

    @property
    def curve(self) -> list[tuple[float, float]]:
        """The task's metric over virtual time: pairs (virtual time, metric)."""
        return self._curve(self.metric.name)

    def _curve(self, metric: str) -> list[tuple[float, float]]:
        pairs = ((r.virtual_time_s, r.value(metric)) for r in self.rounds)
        return [(time, value) for time, value in pairs if value is not None]

    def time_to(self, target: float) -> float | None:
        """Return the virtual time at which an evaluation first reached a target, or None."""
        reaches = self.metric.reaches
        return next((time for time, value in self.curve if reaches(value, target)), None)

    def bytes_to(self, target: float) -> int | None:
        """Return the wire bytes up to the evaluation that first reached a target, or None."""
        total = 0
        for closed in self.rounds:
            total += closed.wire_up + closed.wire_down
            value = closed.value(self.metric.name)
            if value is not None and self.metric.reaches(value, target):
                return total
        return None

    @property
    def final(self) -> float | None:
        """The task's metric in the last evaluation."""
        return self.final_of(self.metric)

    @property
    def best(self) -> float | None:
        """The best value of the task's metric in all evaluations."""
        return self.best_of(self.metric)

    @property
    def final_accuracy(self) -> float | None:
        """The accuracy of the last evaluation."""
        return self.final_of(ACCURACY)

    @property
    def best_accuracy(self) -> float | None:
        """The highest accuracy of all evaluations."""
        return self.best_of(ACCURACY)

    def final_of(self, metric: Metric) -> float | None:
        """Return a metric of the last evaluation that has it."""
        curve = self._curve(metric.name)
        return curve[-1][1] if curve else None

    def best_of(self, metric: Metric) -> float | None:
        """Return the best value of a metric in all evaluations."""
        return metric.best(value for _, value in self._curve(metric.name))

    def final_and_best(self, metric: Metric) -> dict[str, float | None] | None:
        """Return the final and the best value of a metric; None without any."""
        final = self.final_of(metric)
        return None if final is None else {"final": final, "best": self.best_of(metric)}
