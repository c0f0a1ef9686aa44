"""Classes from labels as files have them: whole numbers, texts or truth values."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.partition import Ints

MAX_CLASSES: Final = 10_000
WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def in_order(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts by alphabet, or by size if all are whole numbers."""
    found = list(texts)
    return tuple(sorted(found, key=int if all(map(WHOLE.fullmatch, found)) else str))


def numbered(texts: Sequence[str], names: Sequence[str]) -> Ints:
    """Return the index of each text among the names."""
    number = {name: index for index, name in enumerate(names)}
    return np.array([number[text] for text in texts], np.int64)


def classes_of(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """Return the names of the classes that labels name, in order. Raises DataError."""
    names = in_order(texts)
    if all(map(_NUMBER.fullmatch, names)):
        fraction = next((name for name in names if not WHOLE.fullmatch(name)), None)
        if fraction is not None:
            raise DataError(
                f"{where}: has numbers such as {fraction}, not classes: choose task: regression"
            )
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"{where}: has {len(names):,} different labels, and at most {MAX_CLASSES:,} classes are"
            f" possible"
        )
    return names


def number_labels(splits: Sequence[NDArray[Any]], where: str) -> tuple[tuple[str, ...], list[Ints]]:
    """Return the names of the classes of arrays of labels, and the arrays of their numbers.

    Raises DataError.
    """
    texts = []
    for labels in splits:
        if labels.dtype.kind == "f":
            wrong = labels[~np.isfinite(labels) | (labels != np.floor(labels))]
            if len(wrong):
                raise DataError(
                    f"{where}: has labels such as {wrong[0]:g}, not classes: choose task: regression"
                )
            labels = labels.astype(np.int64)
        if labels.dtype.kind == "S":
            labels = np.char.decode(labels, "utf-8", "replace")
        values, inverse = np.unique(labels, return_inverse=True)
        texts.append(([str(value) for value in values.tolist()], inverse))
    names = classes_of({text for values, _ in texts for text in values}, where)
    return names, [numbered(values, names)[inverse] for values, inverse in texts]
