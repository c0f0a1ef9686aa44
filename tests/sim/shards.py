"""The shards of a partition, client by client."""

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.partition import Held


def shards_of(held: Held, labels: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """The sample indices of each client into a data set with these labels."""
    return np.split(held.order(labels), np.cumsum(held.sizes)[:-1])
