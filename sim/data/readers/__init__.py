"""Readers of the official file layouts: labelled uint8 images, in numpy.

Data sets lie in one directory, in the folders that torchvision uses.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError

VARIABLE = "CUTLAYER_DATA_DIR"
Split = Literal["train", "test"]


class Chunk(NamedTuple):
    """The samples of one file: images [n, channels, height, width] and labels [n].

    Without classes, labels are 0 and `targets` has the targets [n, ...].
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    path: Path | None
    targets: NDArray[Any] | None = None

    @property
    def own_targets(self) -> NDArray[Any]:
        """The targets, which are the labels if there are classes."""
        return self.labels if self.targets is None else self.targets


def checked_labels(path: Path, labels: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Return the labels as int64. Raises DataError if one is out of range."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise DataError(
            f"{path}: record {wrong[0]} has label {labels[wrong[0]]}, "
            f"expected 0 to {classes - 1}: the file is damaged or is of another data set"
        )
    return labels.astype(np.int64)


def data_directory(explicit: Path | str | None) -> Path | None:
    """Return the given directory, else that of CUTLAYER_DATA_DIR, else None. Raises DataError."""
    named = explicit if explicit is not None else os.environ.get(VARIABLE) or None
    if named is None:
        return None
    path = Path(named).expanduser()
    if not path.is_dir():
        source = "the data directory" if explicit is not None else VARIABLE
        raise DataError(f"{source} names {path}, which is not a directory")
    return path


def find_folder(
    dataset: str, root: Path | None, folders: Sequence[str], files: Sequence[str]
) -> Path:
    """Return the first of `folders` in `root`, or `root`, with one of `files`. Raises DataError."""
    wanted = f"{files[0]} in one of {', '.join(f'{folder}/' for folder in folders)}"
    if root is None:
        raise DataError(
            f"data set {dataset} is read from disk ({wanted}): give the directory that holds it "
            f"with --data-dir or in the environment variable {VARIABLE}"
        )
    for folder in (*(root / name for name in folders), root):
        if any((folder / file).is_file() for file in files):
            return folder
    raise DataError(
        f"data set {dataset} was not found in {root}: looked for {wanted} or directly there; "
        f"set --data-dir or {VARIABLE} to the directory that holds it"
    )
