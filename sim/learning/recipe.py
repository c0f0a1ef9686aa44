"""The recipe of a run: all settings that affect learning, and none that only affect time."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from cutlayer.models.spec import ModelSpec
from cutlayer.models.tuning.tuning import FULL, Tuning
from cutlayer.scenarios.batch_norm import BatchNorm
from cutlayer.sim.learning.digest import Digest, Ingredient, node
from cutlayer.sim.tasks.task import DEFAULT, Task


@dataclass(frozen=True)
class Optimizer:
    """The optimizer of every replica; `state` is whether its state is kept between rounds."""

    name: Literal["sgd", "adam"]
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    state: Literal["fresh", "kept"] = "fresh"

    @property
    def state_slots(self) -> int:
        """Return the number of values that the optimizer stores for each parameter."""
        return 2 if self.name == "adam" else int(self.momentum > 0)


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule over rounds; round 0 has the optimizer's rate."""

    name: Literal["constant", "step", "cosine", "exponential"] = "constant"
    milestones: tuple[int, ...] = ()
    gamma: float = 1.0
    rounds: int = 0
    min_lr: float = 0.0

    def rate(self, lr: float, round_index: int) -> float:
        """Return the learning rate of a round."""
        if self.name == "step":
            return lr * self.gamma ** sum(round_index >= m for m in self.milestones)
        if self.name == "exponential":
            return lr * self.gamma**round_index
        if self.name == "cosine":
            progress = min(round_index / max(self.rounds, 1), 1.0)
            return self.min_lr + (lr - self.min_lr) * (1 + math.cos(math.pi * progress)) / 2
        return lr


# Fields that are newer than recorded digests and metadata, and absent from them at these defaults.
NEW: Final[Mapping[str, Any]] = {
    "vocabulary": None,
    "pretrained": None,
    "tuning": FULL,
    "padding": None,
}


@dataclass(frozen=True)
class Recipe:
    """What a method trains and how. Two runs with equal recipes differ at most in time.

    `cut` is the method's cut, None if its clients have several. `options` are the method's options that
    affect learning; `data` is the declared identity of the data set and selection, None if unknown.
    `batch_norm` says which of its tensors are averaged; `codec` has codecs of messages, by direction,
    apart from lossless ones.
    `model_source`, `method_source` and `task_source` identify the code of a user's model, method and
    loss ("" for Cutlayer's own), None if unknown. Metrics do not affect learning. `vocabulary`,
    `pretrained` and `tuning` are those of the model's spec.
    """

    seed: int
    model: str
    input_shape: tuple[int, ...]
    classes: int
    cut: int | None
    data: str | None
    partition: Mapping[str, Ingredient]
    augment: Mapping[str, bool]
    batch_size: int
    local_epochs: int
    min_batch: int
    optimizer: Optimizer
    schedule: Schedule
    method: str
    options: Mapping[str, Ingredient]
    averaging: Literal["samples", "equal"] = "samples"
    model_source: Digest = ""
    method_source: Digest = ""
    codec: Mapping[str, Ingredient] = field(default_factory=dict)
    batch_norm: BatchNorm = "averaged"
    task: Task = DEFAULT
    task_source: Digest = ""
    vocabulary: int | None = None
    pretrained: bool | None = None
    tuning: Tuning = FULL
    padding: int | None = None

    @property
    def spec(self) -> ModelSpec:
        """What the model is built from."""
        return ModelSpec(
            self.model,
            self.classes,
            self.input_shape,
            self.vocabulary,
            self.pretrained,
            self.tuning,
            self.padding,
        )

    @property
    def newer(self) -> dict[str, Ingredient]:
        """The fields of `NEW` that are not at their defaults, as plain data."""
        fields = asdict(self)
        return {n: fields[n] for n, default in NEW.items() if getattr(self, n) != default}

    def rate(self, round_index: int) -> float:
        """Return the learning rate of a round."""
        return self.schedule.rate(self.optimizer.lr, round_index)

    def digest(self) -> Digest:
        """Return the digest of the settings that all rounds share.

        Schedule and averaging rule are left out: the learning rates and the weights of averages have
        nodes of their own.
        """
        parts = asdict(self)
        sources = [self.data, self.model_source, self.method_source]
        for name in (
            "schedule",
            "averaging",
            "data",
            "model_source",
            "method_source",
            "task_source",
        ):
            del parts[name]
        # Digests were recorded before there were codecs, rules for BatchNorm,
        if not self.codec:
            del parts["codec"]
        if self.batch_norm == "averaged":
            del parts["batch_norm"]
        for name, default in NEW.items():  # a vocabulary, weights that a model brings, and tuning
            if getattr(self, name) == default:
                del parts[name]
        del parts["task"]  # and before there were tasks
        if self.task.learned:
            parts["task"] = self.task.learned
            sources.append(self.task_source)
        # These two keys keep their names in recorded digests.
        parts["optimiser"] = parts.pop("optimizer")
        parts["network"] = parts.pop("model")
        return node("recipe", parts, sources)
