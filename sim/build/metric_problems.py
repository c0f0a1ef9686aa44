"""Checks that targets are of the metric that the scenario's task puts first."""

from collections.abc import Iterator, Mapping

from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.problems import Problem
from cutlayer.sim.tasks.metric import ACCURACY, Metric


def metric_problems(loaded: Loaded, metric: Metric) -> Iterator[Problem]:
    """Yield a problem for each target of another metric than the task's first one."""
    training, stop = loaded.scenario.training, loaded.scenario.stop
    if isinstance(training.targets, Mapping):
        (named,) = training.targets
        if named != metric.name:
            rule = f"must name the first of task.metrics: {metric.name}"
            yield loaded.problem(("training", "targets"), rule, named)
    elif training.targets and metric != ACCURACY:
        rule = f"are accuracies, and the task's first metric is another: write {{{metric.name}: VALUE}}"
        yield loaded.problem(("training", "targets"), rule)
    if stop.target_accuracy is not None and metric != ACCURACY:
        rule = (
            "is an accuracy, and the task's first metric is another: "
            f"write target: {{{metric.name}: VALUE}}"
        )
        yield loaded.problem(("stop", "target_accuracy"), rule)
    if stop.target is not None and metric.name not in stop.target:
        rule = f"must name the first of task.metrics: {metric.name}"
        yield loaded.problem(("stop", "target"), rule)
