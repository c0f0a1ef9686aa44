"""The data feed: the images of a client's batch in a round, and the test batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.batches import batch_indices, evaluation_batches, normalise
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.data.partition import Held
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.recipe import Recipe

POOLED = -1  # the client index of everybody's shards together
EVALUATION_BATCH = 100


class Feed:
    """Real samples, in the order and with the augmentation that the recipe's streams give."""

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
        """Return a client's sample indices; of all clients together for `POOLED`."""
        if client == POOLED:
            return self._held
        return self._held[self._ends[client] : self._ends[client + 1]]

    def samples(self, client: int, round_index: int, batch: Batch) -> Tensor:
        """Return the places of a batch's samples in the client's shard, int64 [batch size]."""
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
        return self._ready(images), self.dataset.train_labels[rows]

    def test_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the test images in order, `EVALUATION_BATCH` at a time; every sample counts once."""
        if self._test is None:
            images, labels = self.dataset.test_images, self.dataset.test_labels
            slices = evaluation_batches(len(labels), EVALUATION_BATCH, self.recipe.min_batch)
            self._test = [(self._ready(images[part]), labels[part]) for part in slices]
        yield from self._test

    def _ready(self, images: Tensor) -> Tensor:
        ready = normalise(images, self.dataset.info)
        if ready.dim() != 4:
            return ready
        return ready.contiguous(memory_format=torch.channels_last)
