"""Data sets in LEAF's format."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.readers.files import Stamps, stamps
from cutlayer.sim.data.readers.leaf import leaf_files, read_leaf
from cutlayer.sim.data.samples import Samples, declaration


def leaf_declaration(
    train: Path,
    test: Path | None,
    *,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
    value_range: tuple[float, float] | None = None,
) -> DatasetInfo:
    """Read LEAF's files and return their declaration. Raises DataError.

    `input_shape` is that of the file by default, and `classes` the largest label plus one.
    """
    files = [file for path in (train, test) if path is not None for file in leaf_files(path)]
    shape = None if input_shape is None else tuple(input_shape)
    return _declaration(train, test, shape, classes, value_range, stamps(files))


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _declaration(
    train: Path,
    test: Path | None,
    input_shape: tuple[int, ...] | None,
    classes: int | None,
    value_range: tuple[float, float] | None,
    files: Stamps,
) -> DatasetInfo:
    del files
    parts = [Samples(*read_leaf(leaf_files(path))) for path in (train, test) if path is not None]
    largest_label = max(int(part.labels.max()) for part in parts)
    classes = largest_label + 1 if classes is None else classes
    if largest_label >= classes:
        raise DataError(
            f"{train}: has class {largest_label}, and {classes} classes are declared (from 0)"
        )
    return declaration(
        "leaf",
        train,
        parts[0],
        parts[1] if test is not None else None,
        class_names=tuple(map(str, range(classes))),
        input_shape=input_shape,
        value_range=value_range,
    )
