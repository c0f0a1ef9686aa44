"""Which samples of the files in hand belong to a selection (the rules stand in `dataset_info`)."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sim.learning.dataset_info import DataError, DatasetInfo, split_counts
from sim.learning.readers import Chunk, Split
from sim.learning.streams import generator

Images = NDArray[np.generic]
Labels = NDArray[np.int64]


def first_of_each_class(labels: Labels, wanted: Sequence[int]) -> NDArray[np.int64]:
    """Return the places, ascending, of the first `wanted[c]` labels of each class c (or fewer)."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(wanted))
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[rank < np.asarray(wanted)[labels[order]]])


def collect(
    chunks: Iterable[Chunk], info: DatasetInfo, declared: Sequence[int], split: Split
) -> tuple[Images, Labels]:
    """Take the samples of a selection from files, reading no further than it needs.

    `declared` are the counts of the whole split, which no set of files can exceed.
    """
    wanted = np.array(info.train_counts if split == "train" else info.test_counts)
    if not wanted.any():
        empty = np.zeros((0, *info.input_shape), np.uint8)
        return empty, np.zeros(0, np.int64)
    found = np.zeros_like(wanted)
    taken: list[tuple[Images, Labels]] = []
    for images, labels, path in chunks:
        here = np.bincount(labels, minlength=len(wanted))
        excess = np.flatnonzero(found + here > np.asarray(declared))
        if excess.size:
            label = excess[0]
            raise DataError(
                f"{path}: found {found[label] + here[label]:,} {split} samples of class {label}, "
                f"but {info.name} has {declared[label]:,}: is this another data set?"
            )
        chosen = first_of_each_class(labels, np.maximum(wanted - found, 0))
        taken.append((images[chosen], labels[chosen]))
        found += here
        if (found >= wanted).all():
            break
    short = np.flatnonzero(found < wanted)
    if short.size:
        label = short[0]
        raise DataError(
            f"{info.name}: the files hold {found.sum():,} {split} samples, {found[label]:,} of "
            f"class {label}, where {wanted[label]:,} are wanted: set {split}_samples to at most "
            f"{found.min() * len(found):,} or complete the files"
        )
    return (
        np.concatenate([images for images, _ in taken]),
        np.concatenate([labels for _, labels in taken]),
    )


def divide(info: DatasetInfo, chunk: Chunk) -> tuple[Images, Labels, Images, Labels]:
    """Split one file into training and test samples by `test_fraction`, then take the selection."""
    images, labels, _ = chunk
    selection = info.selection
    assert selection is not None
    assert selection.test_fraction is not None
    counts = np.bincount(labels, minlength=info.classes).tolist()
    in_test = np.zeros(len(labels), bool)
    for label, n in enumerate(split_counts(info.name, counts, selection.test_fraction)):
        pool = np.flatnonzero(labels == label)
        in_test[generator(selection.seed, "test split", label).permutation(pool)[:n]] = True
    train, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    train = train[first_of_each_class(labels[train], info.train_counts)]
    test = test[first_of_each_class(labels[test], info.test_counts)]
    return images[train], labels[train], images[test], labels[test]
