"""The task of a scenario."""

from dataclasses import replace
from typing import Final, Literal

from cutlayer.scenarios.task import Classification, LanguageModel, Regression
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.data.samples import target_scale
from cutlayer.sim.tasks.metric import Metric
from cutlayer.sim.tasks.task import (
    DEFAULT,
    Kind,
    LearningTaskError,
    Task,
    balanced_weights,
    metrics_of,
    own_callable,
)

Section = Classification | Regression | LanguageModel

KINDS: Final[dict[type[Section], Kind]] = {
    Classification: "classification",
    Regression: "regression",
    LanguageModel: "language_model",
}
# The target of a sample, by the kind of task.
_TARGETS: Final[dict[Kind, Literal["class", "number", "token"]]] = {
    "classification": "class",
    "regression": "number",
    "language_model": "token",
}
_NOUNS: Final = {"class": "classes", "number": "numbers", "token": "tokens"}


def task_of(section: Section | None, info: DatasetInfo) -> Task:
    """Return the task of a scenario on a data set, by default classification.

    Raises LearningTaskError if the data set has other targets, or if a user's loss or metric cannot be
    imported.
    """
    task = _task(section)
    metrics_of(task)
    if ":" in task.loss:
        own_callable(task.loss, "loss")
    if _TARGETS[task.kind] != info.target_type:
        fitting = next(kind for kind, target in _TARGETS.items() if target == info.target_type)
        raise LearningTaskError(
            f"{task.kind} needs targets that are {_NOUNS[_TARGETS[task.kind]]}, and data set "
            f"{info.name} has {_NOUNS[info.target_type]}: choose task: {fitting}"
        )
    if isinstance(section, Regression) and section.standardise:
        scale = target_scale(info)
        if scale is None:
            raise LearningTaskError(
                f"task.regression.standardise is for data sets in files and torch datasets, and "
                f"{info.name} is read later: standardise its targets where it is made"
            )
        return replace(task, target_scale=scale)
    weights = section.class_weights if isinstance(section, Classification) else None
    if weights is None:
        return task
    if weights == "balanced":
        weights = balanced_weights(info.train_counts)
    elif len(weights) != info.classes:
        raise LearningTaskError(
            f"class_weights has {len(weights)} numbers, expected one for each of the "
            f"{info.classes} classes of {info.name}, or balanced"
        )
    if task.loss != "cross_entropy":
        raise LearningTaskError(
            f"class_weights are for the cross entropy, and the loss is {task.loss}"
        )
    return Task(task.kind, task.loss, task.metrics, tuple(weights))


def target_of(section: Section | None) -> Literal["class", "number", "token"]:
    """Return the type of the targets of a scenario's task."""
    return _TARGETS[_task(section).kind]


def metric_of_task(section: Section | None) -> Metric:
    """Return the metric that curves, targets and comparisons show. Raises LearningTaskError."""
    return _task(section).metric


def _task(section: Section | None) -> Task:
    if section is None:
        return DEFAULT
    return Task(KINDS[type(section)], section.loss, section.metrics)
