"""The updates of an asynchronous run: a row for each, and indices of how equally clients contribute."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class UpdateRow(NamedTuple):
    """One update; times are virtual seconds of the run, None for events that did not occur.

    It was dispatched with the server's version `read_version` and folded into `version`; its `staleness`
    is the number of folds in between, its `weight` the share with which it was folded. It ended
    in `window`. `dropped` is 1 if its client dropped out.
    """

    update: int
    client: str
    window: int
    read_version: int
    version: int | None
    staleness: int | None
    weight: float | None
    dispatched_s: float
    downloaded_s: float | None
    uploaded_s: float | None
    folded_s: float | None
    computing_s: float
    queued_s: float
    dropped: int


def gini(counts: Sequence[int]) -> float | None:
    """Return the Gini index of the clients' updates: 0 if all have as many, near 1 if one has all."""
    values = np.sort(np.asarray(counts, dtype=float))
    if not values.sum():
        return None
    ranks = np.arange(1, len(values) + 1)
    return float((2 * ranks - len(values) - 1) @ values / (len(values) * values.sum()))


def jain(counts: Sequence[int]) -> float | None:
    """Return Jain's index of the clients' updates: 1 if all have as many, 1/n if one has all.

    Jain, Chiu and Hawe, DEC-TR-301, 1984.
    """
    values = np.asarray(counts, dtype=float)
    if not values.sum():
        return None
    return float(values.sum() ** 2 / (len(values) * np.square(values).sum()))
