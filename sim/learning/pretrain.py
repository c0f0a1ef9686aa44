"""Pre-train a model in one place and save its first blocks, for EcoFed's device block.

Plain supervised training with EcoFed's recipe (SGD, step schedule, crop and flip). The saved file holds
the feature extractor, or the device block of a cut, and the recipe in its metadata.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

import cutlayer.models.catalogue
from cutlayer.models.draws import borrowed_generators, seed_generators, seed_of
from cutlayer.models.errors import WeightsError
from cutlayer.models.model import Model
from cutlayer.models.pretrained import weights_bytes
from cutlayer.models.spec import ModelSpec
from cutlayer.scenarios.numerics import DEFAULT
from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.batches import batch_indices
from cutlayer.sim.data.datasets import Dataset, DatasetInfo
from cutlayer.sim.files.atomic import write_bytes
from cutlayer.sim.learning.batch_feed import model_inputs, test_batches
from cutlayer.sim.learning.precision import apply_to_module
from cutlayer.sim.learning.replica import Replica, train_on
from cutlayer.sim.learning.state_key import ALL_CLIENTS
from cutlayer.sim.tasks.losses import cross_entropy

EpochDone = Callable[[int, float, float], None]


@dataclass(frozen=True)
class PretrainRecipe:
    """The settings of a pre-training; `milestones` are the epochs at which the rate falls to a tenth."""

    model: str
    epochs: int
    batch_size: int = 128
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = True
    milestones: tuple[int, ...] = ()
    augment: bool = True
    seed: int = 0
    blocks: int | None = None


def spec_of(model: str, info: DatasetInfo) -> ModelSpec:
    """Return what a model by name is built from, for a data set with classes."""
    return ModelSpec(model, info.classes, info.input_shape, info.vocabulary, padding=info.padding)


@borrowed_generators()
def pretrain(
    recipe: PretrainRecipe,
    dataset: Dataset,
    out: Path,
    epoch_done: EpochDone | None = None,
    *,
    replace: bool = True,
) -> float | None:
    """Train, save to `out` (safetensors), and return the test accuracy (None without test samples).

    `epoch_done` is called with the epoch (from 1), the mean training loss and the learning rate. Raises
    WeightsError if training diverges, OutputError if `out` cannot be written or (without `replace`)
    exists, CutError if `blocks` is out of range.
    """
    info = dataset.info
    model = cutlayer.models.catalogue.build(spec_of(recipe.model, info), seed=recipe.seed)
    apply_to_module(model, DEFAULT)
    seed_generators(seed_of(recipe.seed, "pretraining"))
    saved_blocks = model.feature_blocks if recipe.blocks is None else recipe.blocks
    part = model.split(saved_blocks).device
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )
    replica = Replica(model.train(), optimizer)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(recipe.milestones), 0.1)
    for epoch in range(recipe.epochs):
        lr = schedule.get_last_lr()[0]
        loss = _epoch(model, replica, recipe, dataset, epoch)
        if not math.isfinite(loss):
            raise WeightsError(
                f"training diverged in epoch {epoch + 1} (loss {loss}); nothing is saved, "
                f"try a learning rate below {recipe.lr:g}"
            )
        schedule.step()
        if epoch_done is not None:
            epoch_done(epoch + 1, loss, float(lr))
    test_accuracy = None
    if len(dataset.test_labels):
        test_accuracy = _accuracy(model.eval(), test_batches(dataset, model.min_batch))
    notes = asdict(recipe) | {
        "blocks": saved_blocks,
        "dataset": info.checksum or info.name,
        "dataset_content": dataset.identity,
        "train_samples": info.train_samples,
        "test_accuracy": "none" if test_accuracy is None else f"{test_accuracy:.4f}",
        "torch": torch.__version__,
    }
    content = weights_bytes(part, {key: str(value) for key, value in notes.items()})
    write_bytes(out, content, replace=replace)
    return test_accuracy


def _epoch(
    model: Model, replica: Replica, recipe: PretrainRecipe, dataset: Dataset, epoch: int
) -> float:
    augments = recipe.augment and dataset.info.is_image
    augmentation = Augmentation(crop=augments, flip=augments)
    stream = {"seed": recipe.seed, "client": ALL_CLIENTS, "round_index": 0, "epoch": epoch}
    samples, size = len(dataset.train_labels), recipe.batch_size
    batches = batch_indices(samples, size, min_batch=model.min_batch, **stream)
    total = 0.0
    for number, rows in enumerate(batches):
        chosen = torch.from_numpy(rows)
        images = augmentation.apply(dataset.train_images[chosen], batch=number, **stream)
        scores = model(model_inputs(images, dataset.info))
        loss = cross_entropy(scores, dataset.train_labels[chosen])
        train_on(loss, replica)
        total += float(loss.detach())
    return total / len(batches)


def _accuracy(model: Model, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return the share of right classes on batches of inputs and labels."""
    correct = total = 0
    with torch.no_grad():
        for inputs, labels in batches:
            correct += int((model(inputs).argmax(dim=1) == labels).sum())
            total += len(labels)
    return correct / total
