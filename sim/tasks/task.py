"""A task as plain data: its kind, loss and metrics, known without tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from cutlayer.errors import UserError
from cutlayer.models.own_object import import_own_or
from cutlayer.sim.tasks.metric import ACCURACY, METRICS, Metric

Kind = Literal["classification", "regression", "language_model"]


class LearningTaskError(UserError):
    """A task that does not fit the data set, the model or a method, or whose parts cannot be loaded.

    `name` is the user's loss or metric that is to blame, if one is.
    """

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Task:
    """What is trained. `loss` and `metrics` are names, or a user's own as `package.module:callable`.

    The first metric is the one that curves, targets and comparisons show. `class_weights` multiply the
    losses of the samples of each class. `target_scale` has the means and deviations of the targets of a
    regression, which are standardised for the loss; outputs are scaled back for the metrics.
    """

    kind: Kind = "classification"
    loss: str = "cross_entropy"
    metrics: tuple[str, ...] = ("accuracy",)
    class_weights: tuple[float, ...] | None = None
    target_scale: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @property
    def learned(self) -> dict[str, Any]:
        """What affects learning, for digests; empty for classification as it is by default."""
        differs: dict[str, Any] = {}
        if (self.kind, self.loss) != ("classification", "cross_entropy"):
            differs = {"kind": self.kind, "loss": self.loss}
        if self.class_weights is not None:
            differs["class_weights"] = list(self.class_weights)
        if self.target_scale is not None:
            differs["target_scale"] = list(map(list, self.target_scale))
        return differs

    @property
    def unit(self) -> Literal["sample", "token"]:
        """Return what costs are given for."""
        return "token" if self.kind == "language_model" else "sample"

    @property
    def metric(self) -> Metric:
        """Return the first metric. Raises LearningTaskError if a user's own cannot be imported."""
        return metric_of(self.kind, self.metrics[0])


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """Return the metrics of a task, in order. Raises LearningTaskError."""
    return tuple(metric_of(task.kind, name) for name in task.metrics)


def metric_of(kind: Kind, name: str) -> Metric:
    """Return a metric of a kind of task by name.

    A user's metric is better if it is higher, unless its attribute `higher_is_better` is false. Raises
    LearningTaskError if it cannot be imported.
    """
    if name in METRICS[kind]:
        return METRICS[kind][name]
    own = own_callable(name, "metric")
    short = name.partition(":")[2]
    return Metric(short, short.replace("_", " "), bool(getattr(own, "higher_is_better", True)))


def own_callable(name: str, what: str) -> Any:
    """Return a user's own loss or metric. Raises LearningTaskError."""
    try:
        own = import_own_or(LearningTaskError, f"{what} {name!r} cannot be imported", name)
        if not callable(own):
            raise LearningTaskError(f"{what} {name!r} is {type(own).__name__}, expected a callable")
    except LearningTaskError as error:
        error.name = name
        raise
    return own


def needs_classes(task: Task, why: str) -> str | None:
    """Return the reason that a method which does something with classes cannot train a task, if any."""
    if task.kind == "classification":
        return None
    return f"{why}, and a task of {task.kind} has none: choose task: classification"


def balanced_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """Return n / (classes with samples x n of the class) for each class; 0 for one without samples.

    Their mean over the samples is 1, and all classes have the same weight in total (King and Zeng,
    "Logistic regression in rare events data", 2001).
    """
    total, present = sum(counts), sum(count > 0 for count in counts)
    return tuple(total / (present * count) if count else 0.0 for count in counts)


DEFAULT: Final = Task()
assert DEFAULT.metric is ACCURACY
