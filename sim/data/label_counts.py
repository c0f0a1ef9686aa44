"""The number of samples of each label that each client holds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.partition import Held


def label_counts(held: Held, labels: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Return the training samples by client and label, int64 [clients, classes]."""
    sizes: Sequence[int] = held.sizes
    owners = np.repeat(np.arange(len(sizes)), sizes)
    pairs = owners * classes + labels[held.order(labels)]
    return np.bincount(pairs, minlength=len(sizes) * classes).reshape(len(sizes), classes)
