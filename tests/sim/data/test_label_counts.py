"""Counts by client and label, and the skew of the labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.data.label_counts import dealt_counts, label_counts, label_skew
from cutlayer.sim.data.partition import Dirichlet, Iid, Shards, partition


@settings(max_examples=20)
@given(
    counts=st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(lambda c: sum(c) >= 12),
    seed=st.integers(0, 1000),
)
def test_counts_without_labels_are_those_with_labels(counts: list[int], seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    for rule in (Iid(), Shards(2), Dirichlet(0.3, min_samples=0)):
        dealt = partition(counts, 3, rule, seed)
        expected = label_counts(dealt, labels, len(counts))
        assert dealt_counts(dealt).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("counts", "skew"),
    [
        ([[5, 5], [1, 1]], 0.0),
        ([[4, 0], [0, 4]], 0.5),  # each is 1/2 away from the mix of both
        ([[4, 0], [0, 4], [0, 0]], 0.5),  # who has nothing does not count
        (np.eye(50, dtype=int).tolist(), 0.98),
        ([[0, 0]], 0.0),
        ([[3, 1], [1, 3]], 0.25),
    ],
)
def test_label_skew_is_the_mean_distance_of_the_mixes(counts: list, skew: float) -> None:
    assert label_skew(np.array(counts)) == pytest.approx(skew)
