"""Batch orders and augmentation of a client do not depend on other clients."""

import numpy as np
import pytest
import torch

from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.batches import batch_indices
from cutlayer.sim.data.datasets import load
from cutlayer.sim.data.partition import Partition, Sizes, partition
from cutlayer.sim.endpoints.fleet import PlannedBatches
from cutlayer.sim.learning.batch_feed import ALL_CLIENTS, Feed
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.recipe import Optimizer, Recipe, Schedule


@pytest.fixture(scope="module")
def digits():
    from cutlayer.sim.data.datasets import describe

    return load(describe("digits", train_samples=120, test_samples=20, test_fraction=0.2))


def recipe(seed: int = 0) -> Recipe:
    return Recipe(
        seed=seed,
        model="vgg5",
        input_shape=(3, 32, 32),
        classes=10,
        cut=1,
        data="digits",
        partition={},
        augment={},
        batch_size=10,
        local_epochs=2,
        min_batch=1,
        optimizer=Optimizer("sgd", 0.01),
        schedule=Schedule(),
        method="splitfed",
        options={},
    )


def feed_of(digits, sizes: list[int], seed: int = 0, crop: bool = False) -> Feed:
    shards = partition(digits.info.train_counts, len(sizes), Sizes(sizes), seed)
    assert isinstance(shards, Partition)
    return Feed(digits, shards, recipe(seed), Augmentation(crop=crop, flip=crop))


BATCHES = tuple(PlannedBatches(25, 10, 2, 1))


def order_of(feed: Feed, client: int, rounds: range) -> list[list[int]]:
    return [feed.samples(client, index, batch).tolist() for index in rounds for batch in BATCHES]


def test_another_client_does_not_change_a_clients_batch_order(digits):
    two, three = feed_of(digits, [25, 25]), feed_of(digits, [25, 25, 40])
    for client in (0, 1):
        assert order_of(two, client, range(3)) == order_of(three, client, range(3))
    assert order_of(two, 0, range(3)) != order_of(two, 1, range(3))


def test_the_order_of_the_clients_has_no_effect_on_batches(digits):
    feed, other = feed_of(digits, [25, 25]), feed_of(digits, [25, 25])
    forwards = [order_of(feed, client, range(2)) for client in (0, 1)]
    mixed: list[list[list[int]]] = [[], []]
    for index in (0, 1):
        for batch in BATCHES:
            for client in (1, 0):
                mixed[client].append(other.samples(client, index, batch).tolist())
    assert mixed == forwards


def test_every_round_and_epoch_has_a_new_order_of_the_whole_shard(digits):
    feed = feed_of(digits, [25, 25])
    epochs = set()
    for index in range(3):
        for epoch in (0, 1):
            drawn = [
                place
                for batch in BATCHES
                if batch.epoch == epoch
                for place in feed.samples(0, index, batch).tolist()
            ]
            assert sorted(drawn) == list(range(25))
            epochs.add(tuple(drawn))
    assert len(epochs) == 6
    first_epochs = [feed.samples(0, index, BATCHES[0]).tolist() for index in range(4)]
    assert len({tuple(places) for places in first_epochs}) == 4  # the orders, client by client


def test_augmentation_does_not_depend_on_other_clients(digits):
    two, three = (feed_of(digits, sizes, crop=True) for sizes in ([25, 25], [25, 25, 40]))
    batch = BATCHES[1]
    # Shards differ with the partition, so compare the augmentation of equal images.
    images = digits.train_images[:10]
    assert two.augmentation == three.augmentation
    same = [
        feed.augmentation.apply(images, seed=0, client=1, round_index=2, epoch=0, batch=1)
        for feed in (two, three)
    ]
    assert torch.equal(*same)
    other = two.augmentation.apply(images, seed=0, client=0, round_index=2, epoch=0, batch=1)
    assert not torch.equal(same[0], other)
    assert torch.equal(two.batch(1, 2, batch)[0], two.batch(1, 2, batch)[0])


def test_the_feed_uses_the_documented_stream(digits):
    feed = feed_of(digits, [25, 25], seed=5)
    for batch in BATCHES:
        expected = batch_indices(
            25, 10, seed=5, client=1, round_index=4, epoch=batch.epoch, min_batch=1
        )
        np.testing.assert_array_equal(feed.samples(1, 4, batch), expected[batch.position])


def test_pooled_batches_contain_every_sample_once(digits):
    feed = feed_of(digits, [25, 15])
    assert feed.shard_size(ALL_CLIENTS) == 40
    drawn = [
        place
        for batch in PlannedBatches(40, 10, 1, 1)
        for place in feed.samples(ALL_CLIENTS, 0, batch).tolist()
    ]
    assert sorted(drawn) == list(range(40))
    images, labels = feed.batch(ALL_CLIENTS, 0, Batch(0, 0, 0, 10))
    assert images.shape == (10, 3, 32, 32)
    assert labels.shape == (10,)
