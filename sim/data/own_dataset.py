"""Users' data sets, named "package.module:Object": their import, and the checks of their values."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.own_object import import_own_or, reason_of
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.data.info import IGNORED, DataError, DatasetInfo
from cutlayer.sim.data.readers import Chunk, Split
from cutlayer.suggestion import suggestion

CHECKED_SAMPLES = 4096  # at a time, to bound the extra memory

INPUT_TYPES: Final[Mapping[str, tuple[np.dtype[Any], ...]]] = {
    "number": (np.dtype(np.uint8), np.dtype(np.float32)),
    "token": (np.dtype(np.int64),),
}
TARGET_TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "class": np.dtype(np.int64),
    "number": np.dtype(np.float32),
    "token": np.dtype(np.int64),
}


def find_own(name: str) -> Any:
    """Import a data set: a callable `(data_dir) -> Dataset` with an `info`. Raises DataError."""
    if ":" not in name:
        raise DataError(
            f"unknown data set {name!r}{suggestion(name, DATASETS)}"
            " (your own is named package.module:Object)"
        )
    own = import_own_or(DataError, f"data set {name!r} cannot be imported", name)
    of_torch = getattr(sys.modules.get("torch.utils.data"), "Dataset", ())
    if isinstance(own, of_torch) or (isinstance(own, type) and issubclass(own, of_torch)):
        raise DataError(f"data set {name!r} is a torch Dataset: write {{torch: {name!r}}}")
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
    inputs, target = INPUT_TYPES[info.input_type], TARGET_TYPES[info.target_type]
    if images.dtype not in inputs or labels.dtype != target:
        raise DataError(
            f"data set {name!r}: {split} images must be {' or '.join(map(str, inputs))} and labels "
            f"{target}, got {images.dtype} and {labels.dtype}"
        )
    declared = (sum(counts), *info.input_shape)
    declared_labels = (
        sum(counts),
        *(info.input_shape if info.target_type == "token" else info.target_shape),
    )
    if images.shape != declared or labels.shape != declared_labels:
        raise DataError(
            f"data set {name!r}: its info declares {split} images of shape {declared}, "
            f"got {images.shape} with labels of shape {labels.shape}"
            f"{'' if info.has_classes else f', expected {declared_labels}'}"
        )
    if info.input_type == "token":
        _check_tokens(info, images, f"{split} inputs")
    else:
        images = checked_values(info, images, split)
    if not info.has_classes:
        _check_targets(info, labels, split)
        return Chunk(images, np.zeros(len(labels), np.int64), None, labels)
    loaded_counts = [int((labels == label).sum()) for label in range(info.classes)]
    if loaded_counts != list(counts):
        raise DataError(
            f"data set {name!r}: its info declares {list(counts)} {split} samples per class, "
            f"got {loaded_counts}{_unknown_labels(labels, info.classes)}"
        )
    return Chunk(images, labels, None)


def _check_targets(info: DatasetInfo, targets: NDArray[Any], split: str) -> None:
    if info.target_type == "token":
        real = targets != IGNORED
        _check_tokens(info, targets[real], f"{split} labels")
        empty = np.flatnonzero(~real.any(axis=1))
        if empty.size:
            raise DataError(
                f"data set {info.name!r}: the label of {split} sample {empty[0]} is nothing but padding"
            )
        return
    wrong = np.flatnonzero(~np.isfinite(targets).all(axis=tuple(range(1, targets.ndim))))
    if wrong.size:
        raise DataError(
            f"data set {info.name!r}: the label of {split} sample {wrong[0]} holds NaN or infinity"
        )


def _check_tokens(info: DatasetInfo, tokens: NDArray[np.int64], what: str) -> None:
    assert info.vocabulary is not None
    if tokens.size and (tokens.min() < 0 or tokens.max() >= info.vocabulary):
        raise DataError(
            f"data set {info.name!r}: the {what} hold tokens from {tokens.min()} to {tokens.max()}, "
            f"and its vocabulary of {info.vocabulary} has 0 to {info.vocabulary - 1}"
        )


def _unknown_labels(labels: NDArray[np.int64], classes: int) -> str:
    """Return a clause about labels out of range, if there are any."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if not wrong.size:
        return ""
    used = np.unique(labels)
    gaps = " (number them without gaps)" if len(used) == classes else ""
    return f", and label {labels[wrong[0]]} of sample {wrong[0]} is not one of 0 to {classes - 1}{gaps}"


def checked_values(info: DatasetInfo, values: NDArray[Any], split: str) -> NDArray[Any]:
    """Return the inputs of a split, scaled from the declared `value_range` if there is one.

    Raises DataError for NaN, infinity, and values out of the declared range.
    """
    low, high = np.inf, -np.inf
    for start, part in _parts(values):
        if part.dtype.kind == "f":
            invalid = np.flatnonzero(~np.isfinite(part).all(axis=tuple(range(1, part.ndim))))
            if invalid.size:
                first = np.argwhere(~np.isfinite(part[invalid[0]]))[0].tolist()
                place = f"feature {first[0]}" if len(first) == 1 else f"position {tuple(first)}"
                where = f"{split} sample {start + invalid[0]}, {place}"
                raise DataError(
                    f"data set {info.name!r}: {where}: holds NaN or infinity: fill it in, or remove the "
                    "sample"
                )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if not len(values):
        return values
    finding = f"data set {info.name!r}: the {split} inputs hold values from {low:g} to {high:g}"
    if info.value_range is not None:
        smallest, largest = info.value_range
        if low < smallest or high > largest:
            raise DataError(
                f"{finding}, beyond the declared value_range of {smallest:g} to {largest:g}"
            )
        return _scaled(values, smallest, largest)
    if info.is_image and values.dtype != np.uint8 and (low < 0 or high > 1):
        raise DataError(
            f"{finding}, and float32 images have 0 to 1: declare a value_range to have them scaled"
        )
    if info.is_image and values.dtype == np.uint8 and high == 1:
        raise DataError(
            f"{finding}, and uint8 images have 0 to 255: declare value_range=(0, 1) if that is meant"
        )
    return values


def _scaled(values: NDArray[Any], smallest: float, largest: float) -> NDArray[np.float32]:
    scaled = np.empty(values.shape, np.float32)
    for start, part in _parts(values):
        scaled[start : start + len(part)] = (part - np.float64(smallest)) / (largest - smallest)
    return scaled


def _parts(values: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(0, len(values), CHECKED_SAMPLES):
        yield start, values[start : start + CHECKED_SAMPLES]
