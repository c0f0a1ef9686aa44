"""Readers of the official file layouts: labelled uint8 images, in numpy."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError

Split = Literal["train", "test"]


class Chunk(NamedTuple):
    """The samples of one file: images [n, channels, height, width] and labels [n]."""

    images: NDArray[Any]
    labels: NDArray[np.int64]
    path: Path | None


def checked_labels(path: Path, labels: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Return the labels as int64. Raises DataError if one is out of range."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise DataError(
            f"{path}: record {wrong[0]} has label {labels[wrong[0]]}, "
            f"expected 0 to {classes - 1}: the file is damaged or is of another data set"
        )
    return labels.astype(np.int64)
