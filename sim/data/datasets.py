"""Data sets by name: their declaration (`describe`) and their tensors (`load`).

A set is one of the catalogue, or a user's "package.module:Object": a callable
`(data_dir: Path | None) -> Dataset` with an attribute `info: DatasetInfo`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cutlayer.sim.data.catalogue import DATASETS, SHAPES
from cutlayer.sim.data.content_hash import content_hash
from cutlayer.sim.data.info import DataError, DatasetInfo, Selection
from cutlayer.sim.data.own_dataset import find_own, own_reader
from cutlayer.sim.data.readers import Chunk, Split, data_directory
from cutlayer.sim.data.readers.cifar import read_cifar
from cutlayer.sim.data.readers.digits import read_digits
from cutlayer.sim.data.readers.idx import read_mnist
from cutlayer.sim.data.selection import collect, divided

if TYPE_CHECKING:
    import torch

__all__ = ["DATASETS", "DataError", "Dataset", "DatasetInfo", "Selection", "describe", "load"]

READERS: dict[str, Callable[[Path | None, Split], Iterator[Chunk]]] = {
    "digits": read_digits,
    "cifar10": partial(read_cifar, "cifar10"),
    "cifar100": partial(read_cifar, "cifar100"),
    "mnist": partial(read_mnist, "mnist"),
    "fashion_mnist": partial(read_mnist, "fashion_mnist"),
}


@dataclass(frozen=True)
class Dataset:
    """The tensors of a data set, in file order.

    Images are [n, channels, height, width], uint8 or float32 in 0..1, not normalised; rows are
    [n, features]; tokens are int64 [n, length]. Labels are the targets: classes, int64 [n]; numbers,
    float32 [n, *target shape]; or tokens, int64 [n, length]. Do not write into images: the three
    channels of grey images may share memory.
    """

    info: DatasetInfo
    train_images: "torch.Tensor"
    train_labels: "torch.Tensor"
    test_images: "torch.Tensor"
    test_labels: "torch.Tensor"

    @property
    def train_classes(self) -> "torch.Tensor":
        """The class of each training sample, by which samples are partitioned; 0 without classes."""
        labels = self.train_labels
        return labels if self.info.has_classes else labels.new_zeros(len(labels)).long()

    @cached_property
    def identity(self) -> str:
        """Return the hash of the loaded content: BLAKE2b over shapes, types, images and labels."""
        tensors = (self.train_images, self.train_labels, self.test_images, self.test_labels)
        return content_hash(tensor.numpy() for tensor in tensors)


def describe(
    name: str | DatasetInfo,
    *,
    train_samples: int | None = None,
    test_samples: int | None = None,
    test_fraction: float | None = None,
    seed: int = 0,
    input_shape: tuple[int, ...] | None = None,
) -> DatasetInfo:
    """Return the declaration of a data set and a selection of its samples, without reading data.

    `name` may also be a declaration. `cutlayer.sim.data.info` explains the options. `input_shape` is
    3x32x32 by default; MNIST and Fashion-MNIST are also available as 1x28x28. Raises DataError.
    """
    whole = name if isinstance(name, DatasetInfo) else _whole(name, input_shape)
    return whole.select(Selection(train_samples, test_samples, test_fraction, seed))


def load(dataset: str | DatasetInfo, data_dir: Path | str | None = None) -> Dataset:
    """Load a declared data set from `data_dir`, by default the directory in CUTLAYER_DATA_DIR.

    The tensors have the declared counts and shape. Raises DataError if files are missing or damaged, or
    hold fewer samples than requested.
    """
    import torch

    info = describe(dataset) if isinstance(dataset, str) else dataset
    if info.selection is None:
        info = info.select(Selection())
    root = data_directory(data_dir)
    read: Callable[[Split], Iterator[Chunk]]
    if info.name in DATASETS:
        whole, read = DATASETS[info.name], partial(READERS[info.name], root)
    else:
        source: Any = info.source or find_own(info.name)
        read = own_reader(source, info.name, root)
        whole = source.info
    if info.selection is not None and info.selection.test_fraction is not None:
        whole_set = next(read("train"))
        images, targets = whole_set.images, whole_set.own_targets
        train, test = divided(info, whole_set.labels)
        arrays = images[train], targets[train], images[test], targets[test]
    else:
        arrays = (
            *collect(read("train"), info, whole.train_counts, "train"),
            *collect(read("test"), info, whole.test_counts, "test"),
        )
    train_images, train_labels, test_images, test_labels = map(torch.from_numpy, arrays)
    each = (-1, *info.input_shape)  # the channels of grey images share memory
    return Dataset(
        info, train_images.expand(each), train_labels, test_images.expand(each), test_labels
    )


def no_data(data_dir: Path | None) -> NoReturn:
    """Raise DataError: the source of a data set that is only declared."""
    del data_dir
    raise DataError("the data set is only declared: nothing can be trained on it")


def only_declared(
    input_shape: Sequence[int],
    classes: int,
    train_samples: int,
    test_samples: int = 0,
    vocabulary: int | None = None,
    *,
    predicts: bool = False,
) -> DatasetInfo:
    """Declare a set whose samples are spread evenly over the classes, for runs that train nothing.

    With a `vocabulary`, its inputs are tokens, and if it `predicts`, the targets are the next tokens.
    Raises DataError if these do not fit.
    """
    predicts = predicts and vocabulary is not None
    classes = 1 if predicts else classes
    channels = input_shape[0] if vocabulary is None else 0
    return DatasetInfo(
        name="declared",
        input_shape=tuple(input_shape),
        train_counts=_equal(train_samples, classes),
        test_counts=_equal(test_samples, classes),
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        class_names=() if predicts else tuple(map(str, range(classes))),
        source=no_data,
        input_type="number" if vocabulary is None else "token",
        target_type="token" if predicts else "class",
        vocabulary=vocabulary,
    )


def _equal(samples: int, classes: int) -> tuple[int, ...]:
    each, more = divmod(samples, classes)
    return tuple(each + (label < more) for label in range(classes))


def _whole(name: str, input_shape: tuple[int, ...] | None) -> DatasetInfo:
    if name not in DATASETS:
        info: DatasetInfo = replace(find_own(name).info, name=name, selection=None)
        shapes: tuple[tuple[int, ...], ...] = (info.input_shape,)
    else:
        info = DATASETS[name]
        shapes = SHAPES.get(name, (info.input_shape,))
    if input_shape is None:
        return info
    if input_shape not in shapes:
        raise DataError(
            f"data set {name}: input_shape must be {' or '.join(map(_times, shapes))}, "
            f"got {_times(input_shape)}"
        )
    mean, std = (values[: input_shape[0]] for values in (info.mean, info.std))
    return replace(info, input_shape=input_shape, mean=mean, std=std)


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
