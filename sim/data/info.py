"""Declarations of data sets: shapes, counts per class and identity, without reading a file.

A selection of samples is a rule on counts, so that all sizes are known without data:

1. `test_fraction` (only without an official test split) takes n x test_fraction of the n samples of each
   class, rounded half up, drawn from a stream of (seed, class);
2. `train_samples` and `test_samples` take the first n/classes samples of each class in file order. The
   count of the whole set is also allowed, balanced or not.

The declared identity (`checksum`) of a set is its name, for the built-in digits with a hash of the
content, followed by shape and selection. For sets on the user's disk it stands for the official content:
a copy with different images has the same declared identity. `Dataset.identity` is the hash of the loaded
content. Results that are stored between runs must be keyed on both.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite, prod
from pathlib import Path
from typing import Any, Final, Literal, Self

from cutlayer.errors import UserError

IGNORED: Final = -100  # the target of padding, as torch's cross entropy has it
VALUE_BYTES: Final = {"number": 4, "token": 8, "class": 8}  # float32, int64, int64


class DataError(UserError):
    """A data set that is unknown, missing, damaged or too small."""


@dataclass(frozen=True)
class Selection:
    """The samples taken from a data set; `seed` only matters with `test_fraction`."""

    train_samples: int | None = None
    test_samples: int | None = None
    test_fraction: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class DatasetInfo:
    """A declared data set: images of shape (channels, height, width), or rows of (features,).

    Inputs are numbers, or tokens: int64 numbers below `vocabulary`, of shape (length,); `padding` is the
    token that fills short texts, if there is one. The target of a sample is its class (int64), numbers
    (float32 of `target_shape`), or a token for each of the input's (int64), `IGNORED` for padding. A set
    without classes counts all samples of a split in one entry, and has no `class_names`.

    `mean` and `std` are per channel, of pixels in 0..1, or per feature; tokens have none. Models get
    inputs that are standardised by them, unless `standardise` is false. `checksum` is the declared
    identity, or None if unknown. `has_test` is whether the set has an official test split. Values in
    `value_range` are scaled to 0..1; without it images are uint8 or float32 in 0..1, and rows may hold
    any values. `source` reads the set; it is None for sets that are read by name.
    """

    name: str
    input_shape: tuple[int, ...]
    train_counts: tuple[int, ...]
    test_counts: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    checksum: str | None = None
    has_test: bool = True
    selection: Selection | None = None
    value_range: tuple[float, float] | None = None
    source: Callable[[Path | None], Any] | None = field(default=None, compare=False, repr=False)
    input_type: Literal["number", "token"] = "number"
    target_type: Literal["class", "number", "token"] = "class"
    target_shape: tuple[int, ...] = ()
    vocabulary: int | None = None
    standardise: bool = True
    padding: int | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise DataError(f"data set {self.name}: {problem}")

    def _problems(self) -> Iterator[str]:
        if not self.input_shape or not all(type(n) is int and n > 0 for n in self.input_shape):
            yield (
                "input_shape must be positive whole numbers, such as (3, 32, 32) for images or "
                f"(13,) for rows, got {self.input_shape}"
            )
        low, high = self.value_range or (0, 1)
        if not (isfinite(low) and isfinite(high) and low < high):
            yield f"value_range must be a smaller and a larger number, got {self.value_range}"
        yield from self._type_problems()
        channels, classes = self.input_shape[0], len(self.train_counts)
        lengths = {"test_counts": len(self.test_counts)}
        if self.has_classes:
            lengths["class_names"] = len(self.class_names)
        for counted, length in lengths.items():
            if length != classes:
                yield f"{counted} has {length} entries, expected one per class ({classes})"
        if self.input_type == "token":
            if self.mean or self.std:
                yield f"tokens have no mean and std, got {self.mean} and {self.std}"
        elif len(self.mean) != channels or len(self.std) != channels or min(self.std) <= 0:
            yield (
                f"mean and std need one value per {'channel' if self.is_image else 'feature'} "
                f"({channels}) and std above 0, got {self.mean} and {self.std}"
            )
        if min(self.train_counts + self.test_counts, default=-1) < 0:
            yield "counts per class must be 0 or more"

    def _type_problems(self) -> Iterator[str]:
        tokens = "token" in (self.input_type, self.target_type)
        if tokens and (self.vocabulary is None or self.vocabulary < 1):
            yield f"tokens need a vocabulary, the number of different ones, got {self.vocabulary}"
        if self.padding is not None and not 0 <= self.padding < (self.vocabulary or 0):
            yield f"padding must be a token of the vocabulary, got {self.padding}"
        if self.input_type == "token" and len(self.input_shape) != 1:
            yield f"tokens have an input_shape of (length,), got {self.input_shape}"
        if not self.has_classes and len(self.train_counts) != 1:
            yield (f"a set without classes has one count of all samples, got {self.train_counts}")
        if self.target_type == "number":
            if not all(type(n) is int and n > 0 for n in self.target_shape):
                yield (
                    "target_shape must be positive whole numbers, such as (2,), or () for one "
                    f"number, got {self.target_shape}"
                )
        elif self.target_shape:
            yield f"target_shape is for targets that are numbers, got {self.target_shape}"

    @property
    def is_image(self) -> bool:
        """Return whether the inputs are images, which have three dimensions."""
        return len(self.input_shape) == 3

    @property
    def has_classes(self) -> bool:
        """Return whether the target of a sample is its class."""
        return self.target_type == "class"

    @property
    def classes(self) -> int:
        """Return the number of classes; 1 for a set without classes."""
        return len(self.train_counts)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of a model's output for a sample.

        It has a score for each class, a value for each number, or for each token a score for each of
        the vocabulary.
        """
        if self.target_type == "number":
            return (prod(self.target_shape),)
        if self.target_type == "token":
            assert self.vocabulary is not None
            return (*self.input_shape, self.vocabulary)
        return (self.classes,)

    @property
    def target_values(self) -> int:
        """Return the number of values in the target of a sample."""
        return prod(self.input_shape if self.target_type == "token" else self.target_shape)

    @property
    def target_bytes(self) -> int:
        """Return the bytes of the target of a sample."""
        return VALUE_BYTES[self.target_type] * self.target_values

    @property
    def train_samples(self) -> int:
        """Return the number of training samples."""
        return sum(self.train_counts)

    @property
    def test_samples(self) -> int:
        """Return the number of test samples."""
        return sum(self.test_counts)

    def as_it_is(self) -> Self:
        """Return the declaration of the set whose inputs are not standardised."""
        mark = None if self.checksum is None else f"{self.checksum},as it is"
        return replace(self, standardise=False, checksum=mark)

    def select(self, selection: Selection) -> Self:
        """Return the declaration of a selection of this set's samples. Raises DataError."""
        assert self.selection is None, "a selection of a selection has no declared identity"
        if selection.test_fraction is None:
            selection = replace(selection, seed=0)  # it has no effect
        train, test = self.train_counts, self.test_counts
        parts = [] if self.checksum is None else [self.checksum]
        parts.append("x".join(map(str, self.input_shape)))
        if selection.test_fraction is not None:
            if self.has_test:
                raise DataError(
                    f"{self.name}: test_fraction is for data sets without a test split, "
                    f"and this one has {self.test_samples} test samples of its own"
                )
            test = split_counts(self.name, train, selection.test_fraction, self.class_names)
            train = tuple(n - t for n, t in zip(train, test, strict=True))
            parts.append(f"test_fraction={selection.test_fraction!r},seed={selection.seed}")
        train = balanced_counts(self.name, "train_samples", train, selection.train_samples)
        test = balanced_counts(self.name, "test_samples", test, selection.test_samples)
        parts.append(f"train={sum(train)},test={sum(test)}")
        return replace(
            self,
            train_counts=train,
            test_counts=test,
            checksum=None if self.checksum is None else ":".join(parts),
            selection=selection,
        )


def split_counts(
    name: str, counts: Sequence[int], test_fraction: float, class_names: Sequence[str] = ()
) -> tuple[int, ...]:
    """Return the test samples per class: count x fraction, rounded half up as decimals."""
    if not 0 < test_fraction < 1:
        raise DataError(f"{name}: test_fraction must lie between 0 and 1, got {test_fraction}")
    fraction = Decimal(repr(float(test_fraction)))
    test = tuple(int((n * fraction).to_integral_value(ROUND_HALF_UP)) for n in counts)
    for label, (n, t) in enumerate(zip(counts, test, strict=True)):
        if not 0 < t < n:
            named = class_names[label] if class_names else label
            raise DataError(
                f"{name}: test_fraction {test_fraction} puts {t} of the {n} samples"
                f"{f' of class {named}' if len(counts) > 1 else ''} into the test split, and each "
                "split needs at least one"
            )
    return test


def balanced_counts(
    name: str, field: str, counts: Sequence[int], samples: int | None
) -> tuple[int, ...]:
    """Return the counts of a class-balanced subset: all, or samples/classes of each class."""
    total, classes = sum(counts), len(counts)
    if samples == 0 and field == "test_samples":
        return (0,) * classes
    if samples is None or samples == total > 0:
        return tuple(counts)
    if total == 0:
        raise DataError(f"{name}: {field} needs test_fraction, since there is no test split")
    each, remainder = divmod(samples, classes)
    largest = min(counts) * classes
    if samples < 1 or remainder or samples > largest:
        multiple = f"a multiple of the {classes} classes" if classes > 1 else "1 or more,"
        raise DataError(
            f"{name}: {field} must be {multiple} up to {largest}, or all {total}, got {samples}"
        )
    return (each,) * classes
