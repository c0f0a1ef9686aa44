"""The `training` and `stop` sections: rounds, batches, the optimizer and its learning rate."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cutlayer.scenarios.fields import (
    BelowOne,
    Count,
    NotNegative,
    Positive,
    Section,
    Share,
    Switch,
    Text,
    Whole,
    increasing,
    not_empty,
    rule,
    unique,
)
from cutlayer.scenarios.quantities import Duration
from cutlayer.scenarios.unions import OneOf, either, is_list, is_mapping


class Optimizer(Section):
    """The optimizer of every replica; momentum and nesterov belong to `sgd`."""

    name: Literal["sgd", "adam"]
    lr: Positive
    momentum: BelowOne = 0.0
    weight_decay: NotNegative = 0.0
    nesterov: Switch = False

    @field_validator("momentum")
    @classmethod
    def _sgd_only(cls, momentum: float, info: ValidationInfo) -> float:
        if momentum and info.data.get("name") == "adam":
            raise rule("is an option of sgd, not of adam")
        return momentum

    @field_validator("nesterov")
    @classmethod
    def _needs_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum", 1.0) == 0:
            raise rule("needs a momentum greater than 0")
        return nesterov


class Constant(Section):
    """The same learning rate in every round."""


class Step(Section):
    """The learning rate times `gamma` when each of the `milestones` (rounds) is reached."""

    milestones: Annotated[tuple[Count, ...], not_empty, increasing]
    gamma: Positive


class Cosine(Section):
    """Half a cosine from the learning rate to `min_lr` over `rounds`, by default the whole run."""

    rounds: Count | None = None
    min_lr: NotNegative = 0.0


class Exponential(Section):
    """The learning rate times `gamma` after every round."""

    gamma: Positive


LrSchedule = Annotated[
    Constant | Step | Cosine | Exponential,
    OneOf(constant=Constant, step=Step, cosine=Cosine, exponential=Exponential),
]


class Closing(Section):
    """When a round closes before its last client is done.

    It closes at `deadline` (seconds after its start) or once the `first` clients are done, whichever
    comes first. At the deadline it still waits for `min_participants`. Updates of `late` clients are
    dropped or, with `next`, used in the later round in which they arrive.
    """

    deadline: Duration | None = None
    first: Count | None = None
    min_participants: Whole = 0
    late: Literal["drop", "next"] = "drop"

    @field_validator("min_participants")
    @classmethod
    def _fits(cls, least: int, info: ValidationInfo) -> int:
        if {"deadline", "first"} - info.data.keys():
            return least  # one of them has a problem of its own
        deadline, first = info.data["deadline"], info.data["first"]
        if least and deadline is None:
            raise rule("has no effect without a deadline: give one, or leave it out")
        if first is not None and least > first:
            raise rule(f"must be at most {first}, the number of clients that close the round")
        return least

    @model_validator(mode="after")
    def _closes(self) -> "Closing":
        if self.deadline is None and self.first is None:
            raise rule("needs a deadline, first, or both")
        return self


Figure = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Figures = Annotated[
    Figure | tuple[Figure, ...], either(Figure, Annotated[tuple[Figure, ...], unique], is_list)
]


def _one_metric(targets: Any) -> Any:
    if isinstance(targets, Mapping) and len(targets) != 1:
        raise rule("must name one metric, the first of task.metrics")
    return targets


Accuracies = Annotated[tuple[Share, ...], unique]
ByMetric = Annotated[Mapping[Text, Figures], AfterValidator(_one_metric)]
TargetByMetric = Annotated[Mapping[Text, Figure], AfterValidator(_one_metric)]


class Training(Section):
    """How the model is trained; without `clients_per_round`, by all clients in every round.

    Without `closing`, a round waits for all of its clients.
    `averaging` weights clients by their samples (FedAvg) or equally. `evaluate_every` is in rounds.
    `uploads_outstanding` is the number of transfers that a device may have in flight. `targets` are
    accuracies to which the time is reported, or values of another metric, by its name.
    """

    rounds: Count
    clients_per_round: Count | None = None
    closing: Closing | None = None
    local_epochs: Count = 1
    batch_size: Count
    optimizer: Optimizer
    optimizer_state: Literal["fresh", "kept"] = "fresh"
    averaging: Literal["samples", "equal"] = "samples"
    lr_schedule: LrSchedule = Field(default="constant", validate_default=True)
    evaluate_every: Count = 1
    uploads_outstanding: Count = 1
    targets: Annotated[Accuracies | ByMetric, either(Accuracies, ByMetric, is_mapping)] = ()

    @property
    def target_values(self) -> tuple[float, ...]:
        """The values of the metric to which the time is reported."""
        return values_of(self.targets)


def values_of(targets: Any) -> tuple[float, ...]:
    """Return the values of targets, as written or validated."""
    if isinstance(targets, Mapping):
        (targets,) = targets.values()
    return tuple(targets) if is_list(targets) else (targets,)


class Stop(Section):
    """Ends a run before its last round: at a virtual time, at an accuracy, or without progress.

    `target` is a value of the task's first metric, by its name, instead of `target_accuracy`. With
    `patience`, a method ends after this number of evaluations in a row whose metric is not better than
    the best one before them by more than `min_delta`.
    """

    virtual_time: Duration | None = None
    target_accuracy: Share | None = None
    target: TargetByMetric | None = None
    patience: Count | None = None
    min_delta: NotNegative = 0.0

    @field_validator("min_delta")
    @classmethod
    def _needs_patience(cls, min_delta: float, info: ValidationInfo) -> float:
        if min_delta and info.data.get("patience", 1) is None:
            raise rule("has no effect without patience: give one, or leave it out")
        return min_delta

    @field_validator("target")
    @classmethod
    def _one_target(
        cls, target: Mapping[str, float] | None, info: ValidationInfo
    ) -> Mapping[str, float] | None:
        if target is not None and info.data.get("target_accuracy") is not None:
            raise rule("is not allowed together with target_accuracy")
        return target

    @property
    def target_value(self) -> float | None:
        """The value of the metric with which a run ends."""
        if self.target is not None:
            (value,) = self.target.values()
            return value
        return self.target_accuracy

    @property
    def by_metric(self) -> bool:
        """Whether the metric of a round decides whether there is a next one."""
        return self.target_value is not None or self.patience is not None
