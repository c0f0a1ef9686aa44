"""The data feed: the training batches of a client in a round, and the test batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.batches import Normalisation, batch_indices, evaluation_batches
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.data.partition import Held
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.learning.state_key import ALL_CLIENTS

EVALUATION_BATCH = 100


class Feed:
    """Samples in the order, and with the augmentation, of the recipe's random streams."""

    def __init__(
        self, dataset: Dataset, partition: Held, recipe: Recipe, augmentation: Augmentation
    ) -> None:
        self.dataset = dataset
        self.recipe = recipe
        self.augmentation = augmentation
        self._held = torch.from_numpy(partition.order(dataset.train_classes.numpy()))
        self._ends = np.cumsum([0, *partition.sizes])
        self._normalised = Normalisation(dataset.info)
        self._epoch = _Epoch({}, 0)

    def shards(self) -> tuple[Tensor, tuple[int, ...]]:
        """Return the sample indices of all clients, one after the other, and the size of each shard."""
        return self._held, tuple(np.diff(self._ends).tolist())

    def shard_size(self, client: int) -> int:
        """Return the number of a client's samples."""
        return len(self._shard(client))

    def _shard(self, client: int) -> Tensor:
        """Return the indices of a client's samples; for `ALL_CLIENTS`, those of all clients."""
        if client == ALL_CLIENTS:
            return self._held
        return self._held[self._ends[client] : self._ends[client + 1]]

    def labels(self, client: int) -> Tensor:
        """Return the classes of a client's samples."""
        return self.dataset.train_classes[self._shard(client)]

    def _epoch_of(
        self, client: int, round_index: int, batch: Batch, batch_size: int | None
    ) -> "_Epoch":
        """Return the order of the epoch to which a batch belongs; the last one is kept."""
        size = batch_size or self.recipe.batch_size
        key = {"client": client, "round_index": round_index, "epoch": batch.epoch}
        stream = {"seed": self.recipe.seed} | key
        if self._epoch.stream != stream or self._epoch.size != size:
            shard = self._shard(client)
            order = batch_indices(len(shard), size, min_batch=self.recipe.min_batch, **stream)
            samples = [torch.from_numpy(positions) for positions in order]
            self._epoch = _Epoch(stream, size, samples, [shard[one] for one in samples])
        return self._epoch

    def samples(
        self, client: int, round_index: int, batch: Batch, batch_size: int | None = None
    ) -> Tensor:
        """Return the positions of a batch's samples in the client's shard, int64 [batch size].

        `batch_size` is the size of full batches, by default the recipe's.
        """
        return self._epoch_of(client, round_index, batch, batch_size).samples[batch.position]

    def batch(
        self, client: int, round_index: int, batch: Batch, batch_size: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return normalised inputs [n, *input shape] and labels [n] of a batch; see `samples`."""
        epoch = self._epoch_of(client, round_index, batch, batch_size)
        rows = epoch.rows[batch.position]
        images = self.dataset.train_images.index_select(0, rows)
        images = self.augmentation.apply(images, batch=batch.position, **epoch.stream)
        return _ordered(self._normalised(images)), self.dataset.train_labels.index_select(0, rows)

    @cached_property
    def test_batches(self) -> list[tuple[Tensor, Tensor]]:
        """Return the test batches, which are prepared once."""
        return list(test_batches(self.dataset, self.recipe.min_batch))


@dataclass(frozen=True)
class _Epoch:
    """The batches of an epoch: positions of their samples in the shard, and rows of the data set."""

    stream: dict[str, int]
    size: int
    samples: Sequence[Tensor] = ()
    rows: Sequence[Tensor] = ()


def test_batches(dataset: Dataset, min_batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all test inputs and labels in order, about `EVALUATION_BATCH` samples at a time."""
    images, labels = dataset.test_images, dataset.test_labels
    for part in evaluation_batches(len(labels), EVALUATION_BATCH, min_batch):
        yield model_inputs(images[part], dataset.info), labels[part]


def model_inputs(images: Tensor, info: DatasetInfo) -> Tensor:
    """Return normalised float32 inputs, images in channels-last order, which is faster on a CPU."""
    return _ordered(Normalisation(info)(images))


def _ordered(inputs: Tensor) -> Tensor:
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs
