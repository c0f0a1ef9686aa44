"""Users' data sets, named "package.module:Object"."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.own_object import import_own_or, reason_of
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.readers import Chunk, Split
from cutlayer.sim.data.values import checked_values
from cutlayer.suggestion import suggestion


def find_own(name: str) -> Any:
    """Import a data set: a callable `(data_dir) -> Dataset` with an `info`. Raises DataError."""
    if ":" not in name:
        raise DataError(
            f"unknown data set {name!r}{suggestion(name, DATASETS)}"
            " (your own is named package.module:Object)"
        )
    own = import_own_or(DataError, f"data set {name!r} cannot be imported", name)
    if not callable(own) or not isinstance(getattr(own, "info", None), DatasetInfo):
        raise DataError(
            f"data set {name!r} must be a callable (data_dir) -> Dataset "
            f"with an attribute info: DatasetInfo"
        )
    return own


def own_reader(own: Any, name: str, root: Path | None) -> Callable[[Split], Iterator[Chunk]]:
    """Load a user's data set and return the reader of its splits. Raises DataError."""
    try:
        loaded = own(root)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"data set {name!r} cannot be loaded ({reason_of(error)})") from error
    info = replace(own.info, name=name)
    return lambda split: iter([_checked(info, loaded, split)])


def _checked(info: DatasetInfo, loaded: object, split: Split) -> Chunk:
    """Return a split of a loaded data set after checking it against `info`."""
    name, counts = info.name, info.train_counts if split == "train" else info.test_counts
    try:
        images = getattr(loaded, f"{split}_images").numpy()
        labels = getattr(loaded, f"{split}_labels").numpy()
    except AttributeError as error:
        raise DataError(f"data set {name!r} must return a Dataset of tensors: {error}") from error
    if images.dtype not in (np.uint8, np.float32) or labels.dtype != np.int64:
        raise DataError(
            f"data set {name!r}: {split} images must be uint8 or float32 and labels int64, "
            f"got {images.dtype} and {labels.dtype}"
        )
    declared = (sum(counts), *info.input_shape)
    if images.shape != declared or labels.shape != declared[:1]:
        raise DataError(
            f"data set {name!r}: its info declares {split} images of shape {declared}, "
            f"got {images.shape} with labels of shape {labels.shape}"
        )
    loaded_counts = [int((labels == label).sum()) for label in range(info.classes)]
    if loaded_counts != list(counts):
        raise DataError(
            f"data set {name!r}: its info declares {list(counts)} {split} samples per class, "
            f"got {loaded_counts}{_unknown_labels(labels, info.classes)}"
        )
    return Chunk(checked_values(info, images, split), labels, None)


def _unknown_labels(labels: NDArray[np.int64], classes: int) -> str:
    """Return a clause about labels out of range, if there are any."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if not wrong.size:
        return ""
    used = np.unique(labels)
    gaps = " (number them without gaps)" if len(used) == classes else ""
    return f", and label {labels[wrong[0]]} of sample {wrong[0]} is not one of 0 to {classes - 1}{gaps}"
