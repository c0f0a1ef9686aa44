"""The objective of a task: its loss, and the figures of models on the test set, from tensors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cutlayer.models.own_object import reason_of
from cutlayer.sim.data.info import IGNORED, DatasetInfo
from cutlayer.sim.tasks import classification, language_model, regression
from cutlayer.sim.tasks.losses import (
    OF_NUMBERS,
    Loss,
    cross_entropy,
    of_standardised,
    token_cross_entropy,
    weighted_cross_entropy,
)
from cutlayer.sim.tasks.metric import METRICS
from cutlayer.sim.tasks.task import DEFAULT, LearningTaskError, Task, metric_of, own_callable

Confusion = tuple[tuple[int, ...], ...]

TRIED_SAMPLES: Final = 64
_NOTHING: Final[tuple[NDArray[Any], NDArray[Any]]] = (np.empty(0), np.empty(0))

OF_CONFUSION: Final[Mapping[str, Callable[[Confusion], float]]] = {
    "accuracy": classification.accuracy,
    "f1": classification.macro_f1,
    "f1_weighted": classification.weighted_f1,
    "balanced_accuracy": classification.balanced_accuracy,
}
OF_VALUES: Final[Mapping[str, Callable[[NDArray[Any], NDArray[Any]], float]]] = {
    "mae": regression.mae,
    "rmse": regression.rmse,
    "r2": regression.r2,
}


@dataclass(frozen=True)
class Measured:
    """The results of some test samples: the sum of their losses, and what the metrics need.

    These are the counts by label and predicted label; the sums over tokens of the cross entropy and of
    right predictions; and the outputs with the targets. `samples` is the weight of the mean loss.
    """

    loss: float
    samples: float
    confusion: Confusion = ()
    cross_entropy: float = 0.0
    right: int = 0
    tokens: int = 0
    outputs: tuple[NDArray[Any], NDArray[Any]] | None = field(default=None, compare=False)


class Objective:
    """The loss and the metrics of a task.

    Raises LearningTaskError if a user's own cannot be imported.
    """

    def __init__(self, task: Task = DEFAULT, classes: int = 1) -> None:
        self.task = task
        self.classes = classes
        self.loss: Loss = _loss_of(task)
        if task.target_scale is not None:
            self.loss = of_standardised(self.loss, *map(torch.tensor, task.target_scale))
        own = [name for name in task.metrics if name not in METRICS[task.kind]]
        self.own_metrics = {name: own_callable(name, "metric") for name in own}
        self._names = {name: metric_of(task.kind, name).name for name in task.metrics}
        self._keeps = bool(own) or any(name in (*OF_VALUES, "auroc") for name in task.metrics)
        self._plain = not task.learned

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each lane, [lanes], of outputs and targets [lanes, batch, ...]."""
        if not self._plain:
            pairs = zip(outputs, targets, strict=True)
            return torch.stack([self.loss(output, target) for output, target in pairs])
        flat = outputs.flatten(0, 1), targets.flatten()
        return functional.cross_entropy(*flat, reduction="none").view(targets.shape).mean(dim=1)

    def weight(self, targets: Tensor) -> float:
        """Return the weight of a batch's loss in a mean over batches: its samples, without padding.

        Of a language model, whose loss is a mean over tokens, these are the tokens that are not padding,
        divided by the length of a sample.
        """
        samples = len(targets)
        if self.task.kind != "language_model":
            return samples
        return _real_tokens(targets) * samples / targets.numel()

    def measure(self, output: Tensor, target: Tensor) -> Measured:
        """Return the results of a test batch."""
        samples = self.weight(target)
        if self._plain:
            loss = float(functional.cross_entropy(output, target, reduction="sum"))
        else:
            loss = float(self.loss(output, target)) * samples
        kept = None
        if self._keeps:
            kept = output.detach().cpu().numpy(), target.detach().cpu().numpy()
        if self.task.kind == "classification":
            return Measured(loss, samples, self._confusion(output, target), outputs=kept)
        if self.task.kind == "regression":
            return Measured(loss, samples, outputs=kept)
        flat = output.flatten(0, 1), target.flatten()
        entropy = float(functional.cross_entropy(*flat, reduction="sum"))
        right = int((flat[0].argmax(dim=1) == flat[1]).sum())
        return Measured(loss, samples, (), entropy, right, _real_tokens(target), kept)

    def _confusion(self, scores: Tensor, labels: Tensor) -> Confusion:
        classes = self.classes
        pairs = labels * classes + scores.argmax(dim=1)
        counts = torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
        return tuple(tuple(row) for row in counts.cpu().tolist())

    def figures(self, batches: Sequence[Measured], confusion: Confusion) -> dict[str, float]:
        """Return the metrics of a model by name, from all test batches in order.

        `confusion` is the sum over the batches. Raises LearningTaskError if a user's metric fails.
        """
        kept = [batch.outputs for batch in batches if batch.outputs is not None]
        outputs, targets = map(np.concatenate, zip(*kept, strict=True)) if kept else _NOTHING
        if kept and self.task.target_scale is not None:
            mean, std = map(np.array, self.task.target_scale)
            flat = outputs.reshape(len(outputs), -1) * std + mean
            outputs = flat.reshape(outputs.shape).astype(outputs.dtype)
        values: dict[str, float] = {}
        for name in self.task.metrics:
            if name in self.own_metrics:
                values[self._names[name]] = self.own_value(name, outputs, targets)
            elif name in OF_CONFUSION and self.task.kind == "classification":
                values[name] = OF_CONFUSION[name](confusion)
            elif name == "auroc":
                values[name] = classification.auroc(outputs.astype(float), targets)
            elif name in OF_VALUES:
                wanted = targets.astype(float).reshape(outputs.shape)
                values[name] = OF_VALUES[name](outputs.astype(float), wanted)
            else:
                values[name] = _of_tokens(name, batches)
        return values

    def own_value(self, name: str, outputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the value of a user's metric. Raises LearningTaskError if it fails."""
        own, value = self.own_metrics[name], None
        try:
            value = own(torch.from_numpy(outputs), torch.from_numpy(targets))
            return float(value)
        except Exception as error:  # a user's metric may raise anything
            reason = f"metric {name!r} failed ({reason_of(error)})"
            if value is None and isinstance(error, TypeError) and "NoneType" in str(error):
                reason = f"metric {name!r} must return a number, and it returns nothing"
            elif isinstance(value, Tensor):
                reason = f"metric {name!r} must return one number, got shape {tuple(value.shape)}"
            raise LearningTaskError(reason, name) from error


def _real_tokens(targets: Tensor) -> int:
    return int((targets != IGNORED).sum())


def try_metrics(task: Task, info: DatasetInfo) -> None:
    """Call a user's metrics once, on random outputs. Raises LearningTaskError if one does not fit."""
    samples = 2 if info.target_type == "token" else min(max(2 * info.classes, 8), TRIED_SAMPLES)
    draw = np.random.default_rng(0)
    outputs = draw.standard_normal((samples, *info.output_shape), np.float32)
    targets: NDArray[Any] = np.arange(samples) % info.classes
    if info.target_type == "number":
        targets = draw.standard_normal((samples, *info.target_shape), np.float32)
    elif info.target_type == "token":
        targets = draw.integers(0, info.output_shape[-1], (samples, *info.input_shape))
    objective = Objective(task, info.classes)
    for name in objective.own_metrics:
        if np.isnan(objective.own_value(name, outputs, targets)):
            raise LearningTaskError(f"metric {name!r} returns NaN for random outputs", name)


def try_loss(task: Task, info: DatasetInfo) -> None:
    """Call a user's loss once, on zeros for two samples. Raises LearningTaskError if it does not fit."""
    if ":" in task.loss:
        shape = info.input_shape if info.target_type == "token" else info.target_shape
        kind = torch.float32 if info.target_type == "number" else torch.int64
        output = torch.zeros(2, *info.output_shape, requires_grad=True)
        _own_loss(task.loss)(output, torch.zeros(2, *shape, dtype=kind))


def _of_tokens(name: str, batches: Sequence[Measured]) -> float:
    tokens = sum(batch.tokens for batch in batches)
    if name == "perplexity":
        return language_model.perplexity(sum(batch.cross_entropy for batch in batches), tokens)
    return sum(batch.right for batch in batches) / tokens


def _loss_of(task: Task) -> Loss:
    if ":" in task.loss:
        return _own_loss(task.loss)
    if task.kind == "regression":
        return OF_NUMBERS[task.loss]
    if task.kind == "language_model":
        return token_cross_entropy
    if task.class_weights is not None:
        return weighted_cross_entropy(torch.tensor(task.class_weights, dtype=torch.float64))
    return cross_entropy


def _own_loss(name: str) -> Loss:
    """Return a user's loss with the check of what it returns."""
    own = own_callable(name, "loss")

    def loss(output: Tensor, target: Tensor) -> Tensor:
        try:
            value = own(output, target)
        except Exception as error:  # a user's loss may raise anything
            reason = f"loss {name!r} failed ({reason_of(error)})"
            raise LearningTaskError(reason, name) from error
        if not isinstance(value, Tensor) or value.dim():
            is_tensor = isinstance(value, Tensor)
            got = f"shape {tuple(value.shape)}" if is_tensor else type(value).__name__
            raise LearningTaskError(
                f"loss {name!r} must return the batch's mean as a tensor of one number, got {got}",
                name,
            )
        return value

    return loss
