"""The data feed: the training batches of a client in a round, and the test batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.batches import batch_indices, evaluation_batches, normalise
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.data.partition import Held
from cutlayer.sim.learning.chain import ALL_CLIENTS, Batch
from cutlayer.sim.learning.recipe import Recipe

EVALUATION_BATCH = 100


class Feed:
    """Samples in the order, and with the augmentation, of the recipe's random streams."""

    def __init__(
        self, dataset: Dataset, partition: Held, recipe: Recipe, augmentation: Augmentation
    ) -> None:
        self.dataset = dataset
        self.recipe = recipe
        self.augmentation = augmentation
        self._held = torch.from_numpy(partition.order(dataset.train_labels.numpy()))
        self._ends = np.cumsum([0, *partition.sizes])
        self._order: tuple[tuple[int, int, int], Sequence[Tensor]] = ((-2, -1, -1), ())
        self._test: list[tuple[Tensor, Tensor]] | None = None

    def shard_size(self, client: int) -> int:
        """Return the number of a client's samples."""
        return len(self._shard(client))

    def _shard(self, client: int) -> Tensor:
        """Return the indices of a client's samples; for `ALL_CLIENTS`, those of all clients."""
        if client == ALL_CLIENTS:
            return self._held
        return self._held[self._ends[client] : self._ends[client + 1]]

    def samples(self, client: int, round_index: int, batch: Batch) -> Tensor:
        """Return the positions of a batch's samples in the client's shard, int64 [batch size]."""
        key = (client, round_index, batch.epoch)
        if self._order[0] != key:
            recipe = self.recipe
            order = batch_indices(
                self.shard_size(client),
                recipe.batch_size,
                seed=recipe.seed,
                client=client,
                round_index=round_index,
                epoch=batch.epoch,
                min_batch=recipe.min_batch,
            )
            self._order = (key, [torch.from_numpy(indices) for indices in order])
        return self._order[1][batch.position]

    def batch(self, client: int, round_index: int, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return normalised inputs [n, *input shape] and labels [n] of a batch."""
        rows = self._shard(client)[self.samples(client, round_index, batch)]
        images = self.augmentation.apply(
            self.dataset.train_images[rows],
            seed=self.recipe.seed,
            client=client,
            round_index=round_index,
            epoch=batch.epoch,
            batch=batch.position,
        )
        return model_inputs(images, self.dataset.info), self.dataset.train_labels[rows]

    def test_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the test batches, which are prepared once."""
        if self._test is None:
            self._test = list(test_batches(self.dataset, self.recipe.min_batch))
        yield from self._test


def test_batches(dataset: Dataset, min_batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all test inputs and labels in order, about `EVALUATION_BATCH` samples at a time."""
    images, labels = dataset.test_images, dataset.test_labels
    for part in evaluation_batches(len(labels), EVALUATION_BATCH, min_batch):
        yield model_inputs(images[part], dataset.info), labels[part]


def model_inputs(images: Tensor, info: DatasetInfo) -> Tensor:
    """Return normalised float32 inputs, images in channels-last order, which is faster on a CPU."""
    inputs = normalise(images, info)
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs
