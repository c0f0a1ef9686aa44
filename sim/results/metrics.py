"""The metrics of a method in its entry of summary.json, and how they are read back.

A task whose first metric is accuracy, and that has no other, has the entries of earlier versions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cutlayer.sim.tasks.metric import ACCURACY, Metric

Entry = Mapping[str, Any]


class Measured(Protocol):
    """The part of a method's result that its metrics come from."""

    targets: tuple[float, ...]
    metrics: tuple[Metric, ...]

    def time_to(self, target: float, /) -> float | None:
        """Return when a target was reached."""

    def final_and_best(self, metric: Metric, /) -> dict[str, float | None] | None:
        """Return the final and the best value of a metric."""


def metric_entries(result: Measured) -> dict[str, Any]:
    """Return the entries of metrics besides accuracy, and of the times to targets.

    `metric` describes the first metric, of which the targets are, unless it is accuracy.
    """
    first, times = result.metrics[0], {str(t): result.time_to(t) for t in result.targets}
    others = [metric for metric in result.metrics if metric != ACCURACY]
    entries: dict[str, Any] = {"time_to_accuracy_s": times if first == ACCURACY else {}}
    if others:
        entries["metrics"] = {metric.name: result.final_and_best(metric) for metric in others}
    if first != ACCURACY:
        entries |= {"metric": first.written(), "time_to_target_s": times}
    return entries


def metric_of(entry: Entry) -> Metric:
    """Return the first metric of a method's entry of summary.json."""
    return Metric.read(entry.get("metric"))


def common_metric(entries: Sequence[Entry]) -> Metric:
    """Return the first metric of entries of one run; accuracy without any."""
    return metric_of(entries[0]) if entries else ACCURACY


def final_of(entry: Entry) -> float | None:
    """Return the first metric in the last evaluation; None if nothing was trained."""
    metric = metric_of(entry)
    found = entry["accuracy"] if metric == ACCURACY else entry["metrics"].get(metric.name)
    return None if found is None else float(found["final"])


def times_to_targets(entry: Entry) -> Mapping[str, float | None]:
    """Return the virtual times to the targets, by target."""
    times: Mapping[str, float | None] = entry.get("time_to_target_s", entry["time_to_accuracy_s"])
    return times
