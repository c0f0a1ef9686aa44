"""The number of samples of each label that each client holds, and how uneven these are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.partition import Held, Partition


def label_counts(held: Held, labels: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Return the training samples by client and label, int64 [clients, classes]."""
    return _counted(held.sizes, labels[held.order(labels)], classes)


def dealt_counts(partition: Partition) -> NDArray[np.int64]:
    """Return the training samples by client and label of a partition, without the labels of samples."""
    ends = np.cumsum(partition.counts)
    labels = np.searchsorted(ends, partition.positions, side="right")
    return _counted(partition.sizes, labels, len(ends))


def _counted(sizes: Sequence[int], labels: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    owners = np.repeat(np.arange(len(sizes)), sizes)
    pairs = owners * classes + labels
    return np.bincount(pairs, minlength=len(sizes) * classes).reshape(len(sizes), classes)


def label_skew(counts: NDArray[np.int64]) -> float:
    """Return how far the clients' shares of labels are from those of all their samples, on average.

    It is the total variation distance, half the sum of absolute differences: 0 if all clients have the
    same mix, near 1 if no two clients have a label in common. Clients without samples do not count.
    """
    held = counts[counts.sum(axis=1) > 0]
    if not len(held):
        return 0.0
    mixes = held / held.sum(axis=1, keepdims=True)
    whole = held.sum(axis=0) / held.sum()
    return float(np.abs(mixes - whole).sum(axis=1).mean() / 2)
