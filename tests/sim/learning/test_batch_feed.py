"""The feed gives each client its own samples, in the order of its round and epoch."""

import pytest
import torch
from shards import shards_of
from tiny_runs import Inside, digits

from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.batches import Normalisation, batch_indices
from cutlayer.sim.learning.chain import Batch


@pytest.mark.parametrize("augment", [False, True])
def test_a_batch_is_what_the_streams_say(augment: bool) -> None:
    run = Inside(f"data.augment={str(augment).lower()}", "training.local_epochs=2", "seed=3")
    feed, dataset = run.workspace.feed, digits(3)
    labels = dataset.train_labels
    seen = set()
    for client, size in enumerate((10, 20, 30)):
        shard = torch.from_numpy(shards_of(run.plan.shards, labels.numpy())[client])
        for index, epoch in ((0, 0), (0, 1), (1, 0)):
            orders = batch_indices(
                size, 8, seed=3, client=client, round_index=index, epoch=epoch, min_batch=1
            )
            for position, order in enumerate(orders):
                batch = Batch(epoch * len(orders) + position, epoch, position, len(order))
                images, batch_labels = feed.batch(client, index, batch)
                rows = shard[torch.from_numpy(order)]
                key = {"client": client, "round_index": index, "epoch": epoch, "batch": position}
                plain = dataset.train_images[rows]
                changed = Augmentation(crop=augment, flip=augment).apply(plain, seed=3, **key)
                assert torch.equal(batch_labels, labels[rows])
                assert torch.equal(images, Normalisation(dataset.info)(changed))
                assert torch.equal(changed, plain) is not augment
                seen.add((client, tuple(rows.tolist())))
    assert len(seen) == 3 * (2 + 3 + 4)  # no two rounds or epochs in the same order


def test_every_test_image_is_seen_once() -> None:
    run = Inside()
    batches = run.workspace.feed.test_batches
    dataset = digits(0)
    assert torch.equal(torch.cat([labels for _, labels in batches]), dataset.test_labels)
    images = torch.cat([images for images, _ in batches])
    assert torch.equal(images, Normalisation(dataset.info)(dataset.test_images))
