"""Windows over rows in the order of time, such as those of sensors: a sample has several rows."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.partition import Ints

WindowLabel = Literal["majority", "last", "mean"]
_CLASSES_AT_ONCE: Final = 16  # bounds the memory of the comparison of labels


@dataclass(frozen=True)
class Window:
    """How rows become windows: `length` rows, a new one every `step` rows.

    No window has rows of two values of the column `group`. The target of a window is that of most of its
    rows (`majority`, for classes), of its `last` row, or the `mean` (for numbers).
    """

    length: int
    step: int
    group: str | None = None
    label: WindowLabel = "last"


def window_rows(keys: Sequence[Hashable], window: Window, where: str) -> Ints:
    """Return the rows of each window, int64 [windows, length].

    `keys` identify the recording of each row; rows of a recording need not be next to each other.
    Recordings are in the order of their first rows. The rows after the last whole window of a recording
    are not used. Raises DataError if no recording is long enough.
    """
    rows_of: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    windows = []
    for rows in rows_of.values():
        starts = np.arange(0, len(rows) - window.length + 1, window.step)
        if len(starts):
            windows.append(np.array(rows)[starts[:, np.newaxis] + np.arange(window.length)])
    if not windows:
        longest = max(map(len, rows_of.values()))
        raise DataError(
            f"{where}: has no window of {window.length:,} rows: the longest of its"
            f" {len(rows_of):,} recordings has {longest:,}"
        )
    return np.concatenate(windows)


def window_inputs(features: NDArray[Any], rows: Ints) -> NDArray[Any]:
    """Return the inputs [windows, features, length] of rows [n, features], as Conv1d takes them."""
    return np.ascontiguousarray(features[rows].transpose(0, 2, 1))


def window_targets(targets: NDArray[Any], rows: Ints, label: WindowLabel) -> NDArray[Any]:
    """Return the target of each window. Of equally frequent classes, the first in order is taken."""
    if label == "last":
        return targets[rows[:, -1]]
    if label == "mean":
        means: NDArray[Any] = targets[rows].mean(axis=1, dtype=np.float64)
        return means.astype(np.float32)
    held = targets[rows]
    best, most = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for start in range(0, int(targets.max()) + 1, _CLASSES_AT_ONCE):
        some = np.arange(start, start + _CLASSES_AT_ONCE)
        counts = (held[:, :, np.newaxis] == some).sum(axis=1)
        largest = counts.max(axis=1)
        better = largest > most
        best[better], most[better] = start + counts.argmax(axis=1)[better], largest[better]
    return best
