"""Data sets from a user's `torch.utils.data.Dataset`, named "package.module:Object"."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.own_object import import_own_or, reason_of
from cutlayer.sim.data.classes import number_labels
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.samples import Samples, declaration

SEED: Final = 0  # of the global generators while samples are read
_END: Final = object()


@dataclass(frozen=True, eq=False)
class _Own:
    """A user's object, compared by identity: it need not have a hash."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Own) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def torch_declaration(
    train: str, test: str | None, value_range: tuple[float, float] | None, *, numbers: bool = False
) -> DatasetInfo:
    """Read the datasets and return their declaration. Raises DataError.

    A name is that of a dataset, or of a function or class that returns one when it is called without
    arguments. Each sample is a pair of an input and a label, and is read once. A label is a class, or,
    with `numbers`, one or more numbers.
    """
    objects = [
        _Own(import_own_or(DataError, f"{name!r} cannot be imported", name))
        for name in (train, test)
        if name is not None
    ]
    return _declaration(train, test, value_range, numbers, *objects)


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _declaration(
    train: str,
    test: str | None,
    value_range: tuple[float, float] | None,
    numbers: bool,
    *objects: _Own,
) -> DatasetInfo:
    from cutlayer.models.draws import borrowed_generators, seed_generators

    names = [name for name in (train, test) if name is not None]
    read = []
    for name, own in zip(names, objects, strict=True):
        with borrowed_generators():
            seed_generators(SEED)
            read.append(_read(name, own.value, _number if numbers else _label))
    class_names: tuple[str, ...] | None = None
    labels = [labels for _, labels in read]
    if not numbers:
        class_names, labels = number_labels(labels, train)
    parts = [Samples((), inputs, own) for (inputs, _), own in zip(read, labels, strict=True)]
    return declaration(
        "torch",
        train,
        parts[0],
        parts[1] if len(parts) > 1 else None,
        class_names=class_names,
        value_range=value_range,
    )


def _read(
    name: str, own: Any, target: Callable[[Any, str], Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the inputs and labels of all samples."""
    try:
        if isinstance(own, type) or not hasattr(own, "__getitem__"):
            own = own()
    except Exception as error:
        raise DataError(f"{name!r} cannot be called ({reason_of(error)})") from error
    if not hasattr(own, "__getitem__") and not hasattr(own, "__iter__"):
        raise DataError(f"{name!r} must be a torch Dataset, got {type(own).__name__}")
    if not hasattr(own, "__len__") and not hasattr(own, "__iter__"):
        raise DataError(f"{name!r}: {type(own).__name__} has no __len__, its number of samples")
    inputs: list[NDArray[Any]] = []
    labels: list[Any] = []
    items = _items(own)
    for index in count():
        try:
            item = next(items, _END)
        except Exception as error:
            raise DataError(f"{name!r}: sample {index} fails ({reason_of(error)})") from error
        if item is _END:
            break
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"{name!r}: sample {index} is not a pair of an input and a label")
        inputs.append(_as_input(item[0], f"{name!r}: sample {index}"))
        if inputs[-1].shape != inputs[0].shape:
            raise DataError(
                f"{name!r}: sample {index} has shape {inputs[-1].shape}, those before {inputs[0].shape}"
            )
        labels.append(target(item[1], f"{name!r}: sample {index}"))
        if np.shape(labels[-1]) != np.shape(labels[0]):
            raise DataError(
                f"{name!r}: sample {index} has {np.size(labels[-1])} numbers as its label, those before"
                f" {np.size(labels[0])}"
            )
    if not inputs:
        raise DataError(f"{name!r}: has no samples")
    return np.stack(inputs), np.array(labels)


def _label(value: Any, where: str) -> Any:
    """Return the label of a sample whose target is a class."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic | np.ndarray) and value.size == 1:
        value = value.item()
    if not isinstance(value, int | float | str):
        rule = "has a label that is neither a number nor a text"
        got = type(value).__name__
        if isinstance(value, np.ndarray):
            got = f"{value.size} numbers: choose task: regression, or give the number of the class"
        raise DataError(f"{where} {rule} (got {got})")
    return value


def _number(value: Any, where: str) -> NDArray[np.float32]:
    """Return the target of a sample: a number, or several."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        rule = "has a label that is not a number"
        raise DataError(f"{where} {rule} (got {str(value)[:40]!r})") from None
    if not (abs(numbers) <= np.finfo(np.float32).max).all():
        raise DataError(f"{where}: its label holds NaN, infinity or a number beyond 3.4e38")
    return numbers.astype(np.float32)


def _items(dataset: Any) -> Any:
    """Return an iterator over the samples, by index where there is a length."""
    if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        return (dataset[index] for index in range(len(dataset)))
    return iter(dataset)


def _as_input(value: Any, where: str) -> NDArray[Any]:
    """Return an input as an array: a tensor's shape is kept; pictures get their channels first."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if value.dtype.is_floating_point:
            value = value.float()
        array = value.numpy()
    elif hasattr(value, "getbands"):  # a picture of Pillow
        array = np.asarray(value)
        array = array[np.newaxis] if array.ndim == 2 else array.transpose(2, 0, 1)
    else:
        array = np.asarray(value)
    if array.dtype.kind not in "iufb" or not array.ndim:
        raise DataError(f"{where}: the input is not an array of numbers")
    wanted = np.uint8 if array.dtype == np.uint8 and array.ndim == 3 else np.float32
    converted: NDArray[Any] = array.astype(wanted, copy=False)
    return converted
