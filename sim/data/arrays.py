"""Data sets from `.npz` files: an array of inputs and one of labels for each split."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.classes import number_labels
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.readers.arrays import npz_names, read_npz
from cutlayer.sim.data.readers.files import Stamps, errors_of, stamps
from cutlayer.sim.data.samples import Samples, declaration
from cutlayer.suggestion import suggestion

MAX_BYTES: Final = 16_000_000_000  # of the arrays of a file
KINDS: Final = "iufbUS"
CHANNELS: Final = (1, 3)


class ArrayNames(NamedTuple):
    """The names of the arrays of inputs and labels, for training and, in the same file, for testing."""

    inputs: str
    labels: str
    test_inputs: str | None = None
    test_labels: str | None = None


# The names that are looked for, in this order: those of Keras, of MedMNIST, and plain ones.
KNOWN_NAMES: Final = (
    ArrayNames("x_train", "y_train", "x_test", "y_test"),
    ArrayNames("X_train", "y_train", "X_test", "y_test"),
    ArrayNames("train_images", "train_labels", "test_images", "test_labels"),
    ArrayNames("x", "y"),
    ArrayNames("X", "y"),
    ArrayNames("inputs", "labels"),
    ArrayNames("images", "labels"),
    ArrayNames("data", "labels"),
)


@dataclass(frozen=True)
class ArrayOptions:
    """How the arrays of a file are used; `names` are looked for among `KNOWN_NAMES` by default."""

    names: ArrayNames | None = None
    input_shape: tuple[int, ...] | None = None
    value_range: tuple[float, float] | None = None
    numbers: bool = False  # the labels are numbers, not classes


def npz_declaration(train: Path, test: Path | None, options: ArrayOptions) -> DatasetInfo:
    """Read one or two `.npz` files and return their declaration. Raises DataError."""
    return _declaration(train, test, options, stamps([train, *([] if test is None else [test])]))


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _declaration(
    train: Path, test: Path | None, options: ArrayOptions, files: Stamps
) -> DatasetInfo:
    del files
    names = options.names or _known_names(train)
    splits = [_split(train, names.inputs, names.labels, options)]
    if test is not None:
        own = options.names or _known_names(test)
        if own.test_inputs is not None and own.test_labels is not None:
            splits.append(_split(test, own.test_inputs, own.test_labels, options))
        else:
            splits.append(_split(test, own.inputs, own.labels, options))
    elif names.test_inputs is not None and names.test_labels is not None:
        splits.append(_split(train, names.test_inputs, names.test_labels, options))
    class_names: tuple[str, ...] | None = None
    labels = [labels for _, labels in splits]
    if not options.numbers:
        class_names, labels = number_labels(labels, str(train))
    parts = [
        Samples((), _as_inputs(inputs, train, options), numbers)
        for (inputs, _), numbers in zip(splits, labels, strict=True)
    ]
    return declaration(
        "npz",
        train,
        parts[0],
        parts[1] if len(parts) > 1 else None,
        class_names=class_names,
        input_shape=options.input_shape,
        value_range=options.value_range,
    )


def _known_names(path: Path) -> ArrayNames:
    found = _named(path)
    for names in KNOWN_NAMES:
        if {names.inputs, names.labels} <= set(found):
            has_test = {names.test_inputs, names.test_labels} <= set(found)
            return names if has_test else ArrayNames(names.inputs, names.labels)
    raise DataError(
        f"{path}: has the arrays {', '.join(found) or 'none'}: name those of the inputs and labels"
    )


def _named(path: Path) -> list[str]:
    try:
        with errors_of(path):
            return npz_names(path)
    except DataError as error:
        raise _in_file(path, error) from None


def _in_file(path: Path, error: DataError) -> DataError:
    return error if str(error).startswith(str(path)) else DataError(f"{path}: {error}")


def _split(
    path: Path, inputs: str, labels: str, options: ArrayOptions
) -> tuple[NDArray[Any], NDArray[Any]]:
    found = _named(path)
    for name in (inputs, labels):
        if name not in found:
            raise DataError(f"{path}: has no array {name!r}{suggestion(name, found)}")
    try:
        with errors_of(path):
            arrays = read_npz(path, MAX_BYTES, names=(inputs, labels), kinds=KINDS)
    except DataError as error:
        raise _in_file(path, error) from None
    of_inputs, of_labels = arrays[inputs], arrays[labels]
    if of_labels.ndim == 2 and of_labels.shape[1] == 1:  # as MedMNIST has them
        of_labels = of_labels[:, 0]
    if of_labels.ndim < 1 or not len(of_labels) or (of_labels.ndim > 1 and not options.numbers):
        rule = f"expected one label for each sample, got shape {of_labels.shape}"
        raise DataError(f"{path}: {labels}: {rule}")
    if options.numbers:
        of_labels = _as_numbers(of_labels, f"{path}: {labels}")
    if of_inputs.ndim < 2 or len(of_inputs) != len(of_labels):
        rule = f"has shape {of_inputs.shape}, and there are {len(of_labels)} labels"
        raise DataError(f"{path}: {inputs}: {rule}")
    if of_inputs.dtype.kind in "US":
        raise DataError(f"{path}: {inputs}: holds texts where numbers were expected")
    return of_inputs, of_labels


def _as_numbers(targets: NDArray[Any], where: str) -> NDArray[np.float32]:
    if targets.dtype.kind in "US":
        raise DataError(f"{where}: holds texts: choose task: classification if they are classes")
    wide = targets.reshape(len(targets), -1).astype(np.float64)
    wrong = np.flatnonzero(~(abs(wide) <= np.finfo(np.float32).max).all(axis=1))
    if wrong.size:
        raise DataError(f"{where}: sample {wrong[0]} holds NaN, infinity or a number beyond 3.4e38")
    return np.require(targets, np.float32, ["C", "W"])


def _as_inputs(inputs: NDArray[Any], path: Path, options: ArrayOptions) -> NDArray[Any]:
    """Return rows of features, or images with their channels first, as uint8 or float32."""
    if options.input_shape is None:
        if inputs.ndim == 3:
            inputs = inputs[:, np.newaxis]
        elif inputs.ndim == 4 and inputs.shape[-1] in CHANNELS and inputs.shape[1] not in CHANNELS:
            inputs = inputs.transpose(0, 3, 1, 2)
        elif inputs.ndim not in (2, 4):
            raise DataError(
                f"{path}: samples of shape {inputs.shape[1:]} are neither rows nor images: "
                f"give input_shape"
            )
    images = len(options.input_shape or inputs.shape[1:]) == 3
    wanted = np.uint8 if inputs.dtype == np.uint8 and images else np.float32
    return np.require(inputs, wanted, ["C", "W"])  # torch warns of arrays that cannot be written
