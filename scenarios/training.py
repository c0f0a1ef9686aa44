"""The `training` and `stop` sections: rounds, batches, the optimizer and its learning rate."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cutlayer.scenarios.fields import (
    BelowOne,
    Count,
    NotNegative,
    Positive,
    Section,
    Share,
    Switch,
    Whole,
    increasing,
    not_empty,
    rule,
    unique,
)
from cutlayer.scenarios.quantities import Duration
from cutlayer.scenarios.unions import OneOf


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


class Training(Section):
    """How the model is trained; without `clients_per_round`, by all clients in every round.

    Without `closing`, a round waits for all of its clients.
    `averaging` weights clients by their samples (FedAvg) or equally. `evaluate_every` is in rounds.
    `uploads_outstanding` is the number of transfers that a device may have in flight. `targets` are
    accuracies to which the time is reported.
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
    targets: Annotated[tuple[Share, ...], unique] = ()


class Stop(Section):
    """Ends a run before its last round: at a virtual time, at an accuracy, or without progress.

    With `patience`, a method ends after this number of evaluations in a row whose accuracy is not more
    than `min_delta` above the best one before them.
    """

    virtual_time: Duration | None = None
    target_accuracy: Share | None = None
    patience: Count | None = None
    min_delta: NotNegative = 0.0

    @field_validator("min_delta")
    @classmethod
    def _needs_patience(cls, min_delta: float, info: ValidationInfo) -> float:
        if min_delta and info.data.get("patience", 1) is None:
            raise rule("has no effect without patience: give one, or leave it out")
        return min_delta

    @property
    def by_accuracy(self) -> bool:
        """Whether the accuracy of a round decides whether there is a next one."""
        return self.target_accuracy is not None or self.patience is not None
