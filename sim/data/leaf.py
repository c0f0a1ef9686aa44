"""Data sets in LEAF's format, and their natural partition: one client for each user."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from cutlayer.sim.data.content_hash import content_hash
from cutlayer.sim.data.given_split import EMPTY, GivenPartition
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.own_dataset import checked_values
from cutlayer.sim.data.partition import PartitionError
from cutlayer.sim.data.readers.leaf import LeafSamples, leaf_files, read_leaf
from cutlayer.sim.data.selection import training_indices

MIN_DEVIATION: Final = 1e-6  # below it a feature is constant and not scaled


@dataclass(frozen=True, eq=False)
class LeafSource:
    """The samples of a LEAF data set; calling it returns them as tensors."""

    info: DatasetInfo
    train: LeafSamples
    test: LeafSamples

    def __call__(self, data_dir: Path | None) -> Any:
        """Return the data set, as a user's own data set does."""
        from torch import from_numpy

        from cutlayer.sim.data.datasets import Dataset

        del data_dir
        each = (-1, *self.info.input_shape)
        return Dataset(
            self.info,
            from_numpy(self.train.inputs.reshape(each)),
            from_numpy(self.train.labels),
            from_numpy(self.test.inputs.reshape(each)),
            from_numpy(self.test.labels),
        )


def leaf_declaration(
    train: Path,
    test: Path | None,
    *,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
    value_range: tuple[float, float] | None = None,
) -> DatasetInfo:
    """Read LEAF's files and return their declaration. Raises DataError.

    `input_shape` is that of the file by default, and `classes` the largest label plus one. Means and
    standard deviations are those of the training samples.
    """
    files = [leaf_files(path) for path in (train, test) if path is not None]
    stamps = tuple((str(file), file.stat().st_mtime_ns) for part in files for file in part)
    shape = None if input_shape is None else tuple(input_shape)
    return _declaration(train, test, shape, classes, value_range, stamps)


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _declaration(
    train: Path,
    test: Path | None,
    input_shape: tuple[int, ...] | None,
    classes: int | None,
    value_range: tuple[float, float] | None,
    stamps: tuple[tuple[str, int], ...],
) -> DatasetInfo:
    del stamps
    parts = [read_leaf(leaf_files(path)) for path in (train, test) if path is not None]
    shape = parts[0].inputs.shape[1:] if input_shape is None else input_shape
    for part in parts:
        if np.prod(part.inputs.shape[1:], dtype=int) != np.prod(shape):
            raise DataError(
                f"{train}: samples of shape {part.inputs.shape[1:]} do not fit an input_shape of {shape}"
            )
    largest_label = max(int(part.labels.max()) for part in parts)
    classes = largest_label + 1 if classes is None else classes
    if largest_label >= classes:
        raise DataError(
            f"{train}: has class {largest_label}, and {classes} classes are declared (from 0)"
        )
    content = content_hash([array for part in parts for array in part[1:]])
    nothing = LeafSamples((), np.empty((0, *shape), np.float32), EMPTY, EMPTY)
    trained, tested = (*parts, nothing)[:2]
    counts = [
        tuple(np.bincount(part.labels, minlength=classes).tolist()) for part in (trained, tested)
    ]
    info = DatasetInfo(
        name=f"leaf:{train}",
        input_shape=tuple(shape),
        train_counts=counts[0],
        test_counts=counts[1],
        mean=(0.0,) * shape[0],
        std=(1.0,) * shape[0],
        class_names=tuple(map(str, range(classes))),
        checksum=f"leaf:{content}:{value_range}",
        has_test=test is not None,
        value_range=value_range,
    )
    info = _standardised(info, trained)
    return replace(info, source=LeafSource(info, trained, tested))


def _standardised(info: DatasetInfo, trained: LeafSamples) -> DatasetInfo:
    """Return the declaration with the means and deviations of the scaled training samples."""
    inputs = checked_values(info, trained.inputs.reshape(-1, *info.input_shape), "train")
    rest = (0, *range(2, inputs.ndim))
    mean, std = inputs.mean(rest, dtype=np.float64), inputs.std(rest, dtype=np.float64)
    std[std < MIN_DEVIATION] = 1.0
    return replace(info, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def partition_by_user(info: DatasetInfo, clients: int) -> GivenPartition:
    """Return the partition in which client i holds the samples of user i. Raises PartitionError.

    Samples of users beyond the number of clients belong to no client.
    """
    source = info.source
    if not isinstance(source, LeafSource):
        raise PartitionError(
            f"users: the samples of {info.name} do not belong to users, as LEAF's do"
        )
    users = len(source.train.users)
    if users < clients:
        raise PartitionError(f"users: {info.name} has {users} users for {clients} clients")
    owners = source.train.owners[training_indices(info, source.train.labels)]
    order = np.argsort(owners, kind="stable")
    edges = np.searchsorted(owners[order], np.arange(clients + 1))
    shards = [order[start:end] for start, end in pairwise(edges)]
    return GivenPartition.of(shards, users)
