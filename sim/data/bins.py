"""Bins of numbers, for histograms: equal widths, and edges that are round numbers."""

from itertools import count
from math import floor, log10
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.partition import Ints

MAX_BINS: Final = 10
_STEPS: Final = (1.0, 2.0, 5.0)


def binned(values: NDArray[np.floating]) -> tuple[Ints, tuple[str, ...]]:
    """Return the bin of each value, int64 [n], and the names of at most 10 bins, such as "20 to 30".

    A bin has its lower edge, not its upper one. Values that are all equal have one bin.
    """
    wide = values.astype(np.float64)
    low, high = float(wide.min()), float(wide.max())
    if low == high:
        return np.zeros(len(wide), np.int64), (f"{low:g}",)
    exponent = floor(log10((high - low) / MAX_BINS))
    widths = (step * 10.0**power for power in count(exponent) for step in _STEPS)
    width = next(w for w in widths if floor(high / w) - floor(low / w) < MAX_BINS)
    first, last = floor(low / width), floor(high / width)
    indices = np.clip(np.floor(wide / width).astype(np.int64) - first, 0, last - first)
    names = (f"{edge * width:g} to {(edge + 1) * width:g}" for edge in range(first, last + 1))
    return indices, tuple(names)
