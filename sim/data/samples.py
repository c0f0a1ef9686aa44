"""Data sets that are read into memory to be declared: their samples, and the natural partition."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.content_hash import content_hash
from cutlayer.sim.data.given_split import EMPTY, GivenPartition
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.own_dataset import checked_values
from cutlayer.sim.data.partition import Ints, PartitionError
from cutlayer.sim.data.selection import training_indices

MIN_DEVIATION: Final = 1e-6  # below it a feature is constant and not scaled
BYTE_VALUES: Final = 256


class Samples(NamedTuple):
    """Samples in the order of their files.

    `labels` are classes, int64 [n], numbers, float32 [n, ...], or the next tokens, int64 [n, length].
    `groups` are the users, or the values of the column that the partition names; `owners` has the index
    of each sample's group, and is empty without groups.
    """

    groups: tuple[str, ...]
    inputs: NDArray[Any]
    labels: NDArray[Any]
    owners: Ints = EMPTY

    @property
    def classes(self) -> Ints:
        """Return the class of each sample; 0 for samples whose targets are numbers or tokens."""
        is_class = self.labels.dtype.kind != "f" and self.labels.ndim == 1
        return self.labels if is_class else np.zeros(len(self.labels), np.int64)


@dataclass(frozen=True)
class TokenNotes:
    """What is said of the tokens of the training texts.

    `cut` counts the texts with more tokens than a sample has, `tokens` those of all samples without
    padding, and `unknown` those among them that are not in the vocabulary, if it has a token for them.
    `examples` are the beginnings of some texts, with their classes.
    """

    tokenizer: str
    vocabulary: int
    padding: int
    texts: int
    cut: int
    tokens: int
    unknown: int | None
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class InMemory:
    """The source of a data set that is in memory; calling it returns the samples as tensors."""

    info: DatasetInfo
    train: Samples
    test: Samples
    notes: TokenNotes | None = None

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


def declaration(
    kind: str,
    path: Path | str,
    train: Samples,
    test: Samples | None,
    *,
    class_names: Sequence[str] | None,
    input_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
    notes: TokenNotes | None = None,
) -> DatasetInfo:
    """Return the declaration of samples whose labels are below the number of class names.

    Without class names, the labels are numbers, or tokens if there are `notes`. These are of inputs that
    are tokens.

    Its identity is the hash of the samples. Means and standard deviations are those of the training
    samples. `input_shape` is that of the samples by default. Raises DataError.
    """
    parts = [train] if test is None else [train, test]
    shape = train.inputs.shape[1:] if input_shape is None else input_shape
    for part in parts:
        if np.prod(part.inputs.shape[1:], dtype=int) != np.prod(shape):
            raise DataError(
                f"{path}: samples of shape {part.inputs.shape[1:]} do not fit an input_shape of {shape}"
            )
    if test is not None and test.labels.shape[1:] != train.labels.shape[1:]:
        raise DataError(
            f"{path}: has test targets of shape {test.labels.shape[1:]}, and training targets of shape "
            f"{train.labels.shape[1:]}"
        )
    content = content_hash([array for part in parts for array in part[1:]])
    tested = test
    if tested is None:
        tested = Samples((), np.empty((0, *shape), train.inputs.dtype), train.labels[:0])
    classes = 1 if class_names is None else len(class_names)
    counts = [
        tuple(np.bincount(part.classes, minlength=classes).tolist()) for part in (train, tested)
    ]
    identity = f"{kind}:{content}:{value_range}"
    if notes is not None:
        identity += f":{notes.vocabulary}:{notes.padding}"
    of_samples: Literal["number", "token"] = "number" if notes is None else "token"
    is_number = class_names is None and notes is None
    info = DatasetInfo(
        name=f"{kind}:{path}",
        input_shape=tuple(shape),
        train_counts=counts[0],
        test_counts=counts[1],
        mean=(0.0,) * shape[0] if notes is None else (),
        std=(1.0,) * shape[0] if notes is None else (),
        class_names=tuple(class_names or ()),
        target_type="class" if class_names is not None else of_samples,
        target_shape=train.labels.shape[1:] if is_number else (),
        checksum=identity,
        has_test=test is not None,
        value_range=value_range,
        input_type=of_samples,
        vocabulary=None if notes is None else notes.vocabulary,
        padding=None if notes is None else notes.padding,
    )
    if notes is None:
        info = _standardised(info, _train_values(info, train))
    return replace(info, source=InMemory(info, train, tested, notes))


def of_its_training_samples(info: DatasetInfo) -> DatasetInfo:
    """Return a selection with the means and deviations of its own training samples.

    A set that is not in memory is returned as it is.
    """
    source = info.source
    if not isinstance(source, InMemory) or not info.mean:
        return info
    if info.train_samples in (0, len(source.train.labels)):
        return info
    chosen = training_indices(info, source.train.classes)
    selected = _standardised(info, _train_values(info, source.train)[chosen])
    mark = None if info.checksum is None else f"{info.checksum},standardised"
    return replace(selected, checksum=mark)


def target_scale(info: DatasetInfo) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the means and deviations of the numbers of the training targets; None if not in memory."""
    source = info.source
    if not isinstance(source, InMemory):
        return None
    chosen = source.train.labels[training_indices(info, source.train.classes)]
    targets = chosen.reshape(len(chosen), -1)
    mean, std = targets.mean(0, dtype=np.float64), targets.std(0, dtype=np.float64)
    std[std < MIN_DEVIATION * np.maximum(1.0, abs(mean))] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def _train_values(info: DatasetInfo, train: Samples) -> NDArray[Any]:
    return checked_values(info, train.inputs.reshape(-1, *info.input_shape), "train")


def _standardised(info: DatasetInfo, inputs: NDArray[Any]) -> DatasetInfo:
    """Return the declaration with the means and deviations of these training inputs."""
    if inputs.dtype == np.uint8 and info.is_image:
        mean, std = _of_bytes(inputs)
    else:
        rest = (0, *range(2, inputs.ndim))
        mean, std = inputs.mean(rest, dtype=np.float64), inputs.std(rest, dtype=np.float64)
    std[std < MIN_DEVIATION] = 1.0
    return replace(info, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def _of_bytes(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the deviation of each channel, of pixels in 0..1, without a copy in floats."""
    counts = np.stack(
        [
            np.bincount(images[:, channel].reshape(-1), minlength=BYTE_VALUES)
            for channel in range(images.shape[1])
        ]
    )
    share, values = counts / counts.sum(axis=1, keepdims=True), np.arange(BYTE_VALUES) / 255
    mean = share @ values
    return mean, np.sqrt((share * (values - mean[:, np.newaxis]) ** 2).sum(axis=1))


def partition_by_group(info: DatasetInfo, clients: int, rule: str) -> GivenPartition:
    """Return the partition in which client i holds the samples of group i. Raises PartitionError.

    Samples of groups beyond the number of clients belong to no client. `rule` is the partition's name in
    messages.
    """
    source = info.source
    if not isinstance(source, InMemory) or not source.train.groups:
        raise PartitionError(
            f"{rule}: the samples of {info.name} do not belong to users, as LEAF's do"
            if rule == "users"
            else f"{rule}: the samples of {info.name} have no columns (tables and texts do)"
        )
    groups = len(source.train.groups)
    if groups < clients:
        has = "users" if rule == "users" else "values in this column"
        raise PartitionError(f"{rule}: {info.name} has {groups} {has} for {clients} clients")
    owners = source.train.owners[training_indices(info, source.train.classes)]
    order = np.argsort(owners, kind="stable")
    edges = np.searchsorted(owners[order], np.arange(clients + 1))
    shards = [order[start:end] for start, end in pairwise(edges)]
    return GivenPartition.of(shards, groups)
