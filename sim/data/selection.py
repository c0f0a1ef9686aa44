"""Take the samples of a selection from files (the rules are in `cutlayer.sim.data.info`)."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError, DatasetInfo, split_counts
from cutlayer.sim.data.readers import Chunk, Split
from cutlayer.streams import generator

COPIED_SAMPLES = 4096  # at a time, to bound the extra memory

Images = NDArray[np.generic]
Labels = NDArray[np.int64]
Targets = NDArray[np.generic]


def first_of_each_class(labels: Labels, wanted: Sequence[int]) -> NDArray[np.int64]:
    """Return the indices, ascending, of the first `wanted[c]` labels of each class c (or fewer)."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(wanted))
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[rank < np.asarray(wanted)[labels[order]]])


def collect(
    chunks: Iterable[Chunk], info: DatasetInfo, declared: Sequence[int], split: Split
) -> tuple[Images, Targets]:
    """Take the samples and targets of a selection from files, reading only as many files as needed.

    `declared` are the counts of the whole split, which the files must not exceed. Raises DataError.
    """
    wanted = np.array(info.train_counts if split == "train" else info.test_counts)
    if not wanted.any():
        return no_samples(info)
    seen = np.zeros_like(wanted)
    images: Images | None = None
    taken: list[Targets] = []
    for chunk in chunks:
        in_chunk = np.bincount(chunk.labels, minlength=len(wanted))
        excess = np.flatnonzero(seen + in_chunk > np.asarray(declared))
        if excess.size:
            label = excess[0]
            raise DataError(
                f"{chunk.path}: found {seen[label] + in_chunk[label]:,} {split} samples of class "
                f"{label}, but {info.name} has {declared[label]:,}: is this another data set?"
            )
        chosen = first_of_each_class(chunk.labels, np.maximum(wanted - seen, 0))
        taken.append(chunk.own_targets[chosen])
        seen += in_chunk
        if images is None:
            images = _allocated(chunk.images, len(chosen), int(wanted.sum()), info)
        if images is not chunk.images:
            _copy_centred(images, sum(map(len, taken)) - len(chosen), chunk.images, chosen)
        del chunk  # otherwise two files are in memory while the next is read
        if (seen >= wanted).all():
            break
    short = np.flatnonzero(seen < wanted)
    if short.size:
        label = short[0]
        raise DataError(
            f"{info.name}: the files hold {seen.sum():,} {split} samples, {seen[label]:,} of "
            f"class {label}, where {wanted[label]:,} are needed: set {split}_samples to at most "
            f"{seen.min() * len(seen):,} or complete the files"
        )
    assert images is not None
    return images, np.concatenate(taken)


def no_samples(info: DatasetInfo) -> tuple[Images, Targets]:
    """Return the images and targets of an empty split."""
    kind = np.int64 if info.input_type == "token" else np.uint8
    targets = (0, *(info.input_shape if info.target_type == "token" else info.target_shape))
    as_type = np.float32 if info.target_type == "number" else np.int64
    return np.zeros((0, *info.input_shape), kind), np.zeros(targets, as_type)


def _allocated(first: Images, chosen: int, wanted: int, info: DatasetInfo) -> Images:
    """Return an array for all samples: that of the first file if it holds exactly these."""
    shape = (first.shape[1], *info.input_shape[1:]) if info.is_image else info.input_shape
    if chosen == len(first) == wanted and first.shape[1:] == shape and first.flags.writeable:
        return first
    return np.zeros((wanted, *shape), first.dtype)


def _copy_centred(images: Images, at: int, source: Images, chosen: NDArray[np.int64]) -> None:
    """Copy the chosen samples of a file, centred in a border of zeros if they are smaller."""
    border = zip(images.shape[2:], source.shape[2:], strict=True)
    middle = tuple(slice((room - n) // 2, (room - n) // 2 + n) for room, n in border)
    inside = images[(slice(at, at + len(chosen)), slice(None), *middle)]
    for start in range(0, len(chosen), COPIED_SAMPLES):
        some = slice(start, start + COPIED_SAMPLES)
        inside[some] = source[chosen[some]]


def divided(info: DatasetInfo, labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the training and test samples of a selection by `test_fraction`."""
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
    return train, test[first_of_each_class(labels[test], info.test_counts)]


def training_indices(info: DatasetInfo, labels: Labels) -> NDArray[np.int64]:
    """Return the indices of the samples that a selection takes from a training split."""
    if info.selection is not None and info.selection.test_fraction is not None:
        return divided(info, labels)[0]
    return first_of_each_class(labels, info.train_counts)
