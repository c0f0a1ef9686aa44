"""The cells of a table's column as numbers, texts or images.

`where` says where each cell is, for messages. All functions raise DataError.
"""

from collections.abc import Collection, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.classes import WHOLE
from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers.pictures import decoded
from cutlayer.sim.data.readers.rows import MISSING

LARGEST: Final = float(np.finfo(np.float32).max)


def numbers_in(values: Any, where: Sequence[str], name: str, hint: str) -> NDArray[np.float32]:
    """Return a column of numbers, or of lists of numbers of one shape, as float32 [rows, ...].

    `hint` is for a value that is not a number.
    """
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is not None and np.isfinite(numbers).all() and (abs(numbers) <= LARGEST).all():
        return numbers.astype(np.float32)
    shape: tuple[int, ...] | None = None
    for value, at in zip(values, where, strict=True):
        place = f"{at}: column {name!r}"
        _check_present(value, place, MISSING)
        try:
            one = np.asarray(value, np.float64)
        except (TypeError, ValueError, OverflowError):
            kind = "a list of numbers" if isinstance(value, list) else "a number"
            rule = f"{str(value)[:40]!r} is not {kind}"
            raise DataError(f"{place}: {rule} ({hint})") from None
        if not np.isfinite(one).all():
            raise DataError(f"{place}: holds NaN or infinity")
        if (abs(one) > LARGEST).any():
            raise DataError(f"{place}: holds a number beyond 3.4e38, the largest of 32 bits")
        if shape is not None and one.shape != shape:
            raise DataError(f"{place}: has a value of shape {one.shape}, and those before {shape}")
        shape = one.shape
    raise AssertionError("a row is to blame")


def texts_in(values: Any, where: Sequence[str], name: str) -> list[str]:
    """Return a column of labels, which are texts, whole numbers or truth values, as text."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    texts = []
    for value, at in zip(values, where, strict=True):
        if type(value) is int:
            texts.append(str(value))
            continue
        place = f"{at}: column {name!r}"
        _check_present(value, place)
        if isinstance(value, float):
            value = int(value) if value.is_integer() else value
        elif isinstance(value, str):
            value = value.strip()
        elif not isinstance(value, bool | int):
            raise DataError(f"{place}: expected a text or a whole number, got {str(value)[:40]!r}")
        text = str(value)
        texts.append(str(int(text)) if WHOLE.fullmatch(text) else text)
    return texts


def full_texts_in(values: Any, where: Sequence[str], name: str) -> list[str]:
    """Return a column of texts as they are."""
    for value, at in zip(values, where, strict=True):
        place = f"{at}: column {name!r}"
        _check_present(value, place)
        if not isinstance(value, str):
            raise DataError(f"{place}: expected a text, got {str(value)[:40]!r}")
    return list(values)


def joined(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return a column as it is, and several as the values of rows."""
    if len(columns) == 1:
        return columns[0]
    return np.concatenate([one.reshape(len(one), -1) for one in columns], axis=1)


def append_values(
    columns: dict[str, list[NDArray[Any]]], name: str, values: NDArray[Any], where: Sequence[str]
) -> None:
    """Add a block of values to those of a column, which must have the same shape."""
    blocks = columns.setdefault(name, [])
    if blocks and values.shape[1:] != blocks[0].shape[1:]:
        raise DataError(
            f"{where[0]}: column {name!r}: has values of shape {values.shape[1:]}, and those before"
            f" {blocks[0].shape[1:]}"
        )
    blocks.append(values)


def _check_present(value: Any, place: str, missing: Collection[str] = ("",)) -> None:
    absent = value is None or (isinstance(value, str) and value.strip().lower() in missing)
    if absent or (isinstance(value, float) and not isfinite(value)):
        shown = "" if value is None or value == "" else f" ({str(value)[:20]})"
        raise DataError(f"{place}: has no value{shown}: fill it in, or remove the row")


def images_in(
    values: Any, where: Sequence[str], table: Path, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return a column of images of this shape: their content, or names of files beside the table."""
    images = np.empty((len(values), *shape), np.uint8)
    for index, (value, at) in enumerate(zip(values, where, strict=True)):
        if isinstance(value, dict):  # as the library `datasets` stores images
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str) and value.strip():
            file = table.parent / value.strip()
            images[index] = decoded(file, shape, f"{at}: {file}")
        elif isinstance(value, bytes):
            images[index] = decoded(value, shape, at)
        else:
            raise DataError(f"{at}: expected the name of an image, got {str(value)[:40]!r}")
    return images
