import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.data.batches import (
    Normalisation,
    batch_indices,
    batch_sizes,
    evaluation_batches,
)
from cutlayer.sim.data.datasets import DATASETS, describe, load

KEY = {"seed": 0, "client": 3, "round_index": 5, "epoch": 1}
WORK = st.tuples(st.integers(0, 300), st.integers(1, 40), st.integers(1, 3)).filter(
    lambda work: work[2] <= work[1]
)


@pytest.mark.parametrize(
    ("work", "sizes"),
    [
        ((500, 10, 2), (10,) * 50),
        ((25, 10, 2), (10, 10, 5)),
        ((21, 10, 2), (10, 10)),
        ((21, 10, 1), (10, 10, 1)),
        ((3, 10, 2), (3,)),
        ((1, 10, 2), ()),
        ((0, 10, 1), ()),
    ],
)
def test_sizes_by_hand(work: tuple[int, int, int], sizes: tuple[int, ...]) -> None:
    assert batch_sizes(*work) == sizes


@given(WORK)
def test_batches_have_the_sizes_computed_without_data(work: tuple[int, int, int]) -> None:
    shard, size, least = work
    batches = batch_indices(shard, size, min_batch=least, **KEY)
    assert tuple(len(batch) for batch in batches) == batch_sizes(shard, size, least)
    taken = np.concatenate([np.zeros(0, int), *batches])
    assert len(set(taken.tolist())) == len(taken)
    assert set(taken.tolist()) <= set(range(shard))
    assert shard - len(taken) < least


def test_each_client_round_and_epoch_has_its_own_order() -> None:
    def order(**change: int) -> list[int]:
        return np.concatenate(batch_indices(100, 10, **KEY | change)).tolist()

    assert order() == order()
    orders = [order(), *(order(**{name: value + 1}) for name, value in KEY.items())]
    assert len({tuple(each) for each in orders}) == len(orders)


def test_every_sample_is_equally_likely_in_every_position() -> None:
    """Theory: a sample's mean position over n epochs has deviation sqrt((m^2 - 1) / 12 n)."""
    m, n = 20, 400
    places = np.array(
        [
            np.argsort(
                np.concatenate(batch_indices(m, 6, seed=0, client=0, round_index=r, epoch=0))
            )
            for r in range(n)
        ]
    )
    deviation = np.sqrt((m * m - 1) / 12 / n)
    assert np.abs(places.mean(axis=0) - (m - 1) / 2).max() < 4 * deviation


@given(WORK)
def test_evaluation_covers_every_sample_once_in_order(work: tuple[int, int, int]) -> None:
    samples, size, least = work
    if samples < least:
        with pytest.raises(ValueError, match="evaluation needs at least"):
            evaluation_batches(samples, size, least)
        return
    batches = evaluation_batches(samples, size, least)
    assert np.concatenate([np.arange(samples)[b] for b in batches]).tolist() == [*range(samples)]
    sizes = [b.stop - b.start for b in batches]
    assert all(least <= n < size + least for n in sizes)
    assert all(n == size for n in sizes[:-1])


def test_a_too_small_last_evaluation_batch_joins_the_previous_one() -> None:
    assert evaluation_batches(21, 10, 2) == [slice(0, 10), slice(10, 21)]
    assert evaluation_batches(22, 10, 2) == [slice(0, 10), slice(10, 20), slice(20, 22)]


def test_a_batch_size_below_the_smallest_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 2, got 1"):
        batch_sizes(10, 1, 2)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        batch_sizes(10, 0, 1)


def test_normalised_digits_have_mean_0_and_deviation_1() -> None:
    dataset = load(describe("digits"))
    images = Normalisation(dataset.info)(dataset.train_images)
    assert images.dtype == torch.float32
    assert images.mean().abs() < 1e-3
    assert (images.std() - 1).abs() < 1e-3


def test_normalisation_treats_bytes_and_fractions_alike() -> None:
    info = DATASETS["cifar10"]
    pixels = torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8)
    for images in (pixels, pixels.double() / 255):
        before = images.clone()
        actual = Normalisation(info)(images)
        for channel in range(3):
            expected = (pixels[:, channel].double() / 255 - info.mean[channel]) / info.std[channel]
            assert torch.allclose(actual[:, channel].double(), expected, atol=1e-6)
        assert torch.equal(images, before)
