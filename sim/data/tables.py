"""Data sets from tables: columns of CSV, JSON Lines, Parquet and Arrow files as inputs and targets.

Labels are numbered in the order of their values: whole numbers by size, texts by alphabet. Where the
file names the classes of a numbered column, these numbers are kept.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.classes import WHOLE, classes_of, in_order, numbered
from cutlayer.sim.data.given_split import EMPTY
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.readers.arrow import ArrowFile
from cutlayer.sim.data.readers.files import Stamps, data_files, stamps
from cutlayer.sim.data.readers.pictures import check_shape, decoded
from cutlayer.sim.data.readers.rows import MISSING, CsvFile, JsonLinesFile, RowFile
from cutlayer.sim.data.samples import Samples, declaration
from cutlayer.sim.data.windows import Window, window_inputs, window_rows, window_targets
from cutlayer.suggestion import suggestion

Format = Literal["csv", "jsonl", "parquet", "arrow"]
ENDINGS: Final[dict[Format, tuple[str, ...]]] = {
    "csv": (".csv", ".tsv"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "arrow": (".arrow",),
}
IMAGE_SHAPE: Final = (3, 32, 32)
LARGEST: Final = float(np.finfo(np.float32).max)
IF_TEXT: Final = "name the column among `categories` if it is text"
IF_CLASS: Final = "choose task: classification if it is a class"


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are used, and for what.

    `features` are all other columns by default. Those among `categories` are texts, of which each value
    becomes a feature that is 0 or 1. `image` has images instead: names of files, relative to the table's
    folder, or their content. `group` is the column of a natural partition.

    The `label` has classes, or with `numbers` one or more numbers; several columns become one target in
    this order. With `window`, a sample is a window of rows.
    """

    label: str | tuple[str, ...] = "label"
    features: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    image: str | None = None
    group: str | None = None
    input_shape: tuple[int, ...] | None = None
    value_range: tuple[float, float] | None = None
    delimiter: str | None = None
    numbers: bool = False
    window: Window | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the columns of the label."""
        return (self.label,) if isinstance(self.label, str) else self.label

    @property
    def used_otherwise(self) -> tuple[str, ...]:
        """Return the columns that are not features by default."""
        others = (self.group, None if self.window is None else self.window.group)
        return (*self.labels, *(name for name in others if name is not None))


def table_declaration(
    kind: Format, train: Path, test: Path | None, columns: Columns
) -> DatasetInfo:
    """Read the files, or folders of files, of a table and return its declaration. Raises DataError."""
    parts = [path for path in (train, test) if path is not None]
    files = [file for path in parts for file in data_files(path, ENDINGS[kind])]
    return _declaration(kind, train, test, columns, stamps(files))


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _declaration(
    kind: Format, train: Path, test: Path | None, columns: Columns, files: Stamps
) -> DatasetInfo:
    del files
    parts = [_Part.read(kind, path, columns) for path in (train, test) if path is not None]
    if any(part.class_names != parts[0].class_names for part in parts):
        raise DataError(f"{test}: names other classes than {train}")
    names = None
    if not columns.numbers:
        names = parts[0].class_names or classes_of(
            {label for part in parts for label in part.labels},
            f"{train}: column {columns.labels[0]!r}",
        )
    categories = {
        name: in_order({value for part in parts for value in part.texts[name]})
        for name in parts[0].texts
    }
    train_samples, *test_samples = [part.samples(names, categories) for part in parts]
    if columns.window is not None:
        sides = zip(parts, (train_samples, *test_samples), strict=True)
        train_samples, *test_samples = [
            _windows(part, samples, columns.window) for part, samples in sides
        ]
    shape = columns.input_shape
    return declaration(
        kind,
        train,
        train_samples,
        test_samples[0] if test_samples else None,
        class_names=names,
        input_shape=None if columns.image else shape,
        value_range=columns.value_range,
    )


@dataclass
class _Part:
    """The columns of one split: numbers by column, and texts that become classes or features."""

    path: Path
    features: tuple[str, ...]
    class_names: tuple[str, ...] | None
    numbers: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    targets: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    recordings: list[tuple[int, str]] = field(default_factory=list)
    rows: int = 0

    @classmethod
    def read(cls, kind: Format, path: Path, columns: Columns) -> "_Part":
        part = None
        for number, file in enumerate(data_files(path, ENDINGS[kind])):
            rows = _row_file(kind, file, columns.delimiter)
            features = _features(rows, columns)
            if part is None:
                names = None if columns.numbers else rows.class_names(columns.labels[0])
                part = cls(path, features, names)
            part._add(rows, columns, number)
        assert part is not None
        if not part.rows:
            raise DataError(f"{path}: has no samples")
        return part

    def _add(self, file: RowFile, columns: Columns, number: int) -> None:
        wanted = dict.fromkeys((*self.features, *columns.used_otherwise))
        for name in wanted:
            _check_column(file, name)
        for block in file.blocks(wanted):
            where = [file.at(position) for position in block.positions]
            self.rows += len(where)
            for name in self.features:
                values = block.columns[name]
                if name == columns.image:
                    pixels = _images(values, where, file.path, columns.input_shape or IMAGE_SHAPE)
                    self.numbers.setdefault(name, []).append(pixels)
                elif name in columns.categories:
                    self.texts.setdefault(name, []).extend(_texts(values, where, name))
                else:
                    _append(self.numbers, name, _numbers(values, where, name, IF_TEXT), where)
            for name in columns.labels:
                values = block.columns[name]
                if columns.numbers:
                    _append(self.targets, name, _numbers(values, where, name, IF_CLASS), where)
                else:
                    self.labels += _texts(values, where, name)
            if columns.group is not None:
                self.groups += _texts(block.columns[columns.group], where, columns.group)
            if columns.window is not None:
                recording = columns.window.group
                keys = [""] * len(where)
                if recording is not None:
                    keys = _texts(block.columns[recording], where, recording)
                self.recordings += [(number, key) for key in keys]
        if self.class_names is not None:
            for label in self.labels:
                if not WHOLE.fullmatch(label) or not 0 <= int(label) < len(self.class_names):
                    raise DataError(
                        f"{file.path}: column {columns.labels[0]!r}: {label[:40]!r} is not one of the"
                        f" {len(self.class_names)} classes that the file names"
                    )

    def samples(
        self, names: Sequence[str] | None, categories: dict[str, tuple[str, ...]]
    ) -> Samples:
        """Return the samples, with labels numbered as `names`, or their numbers without names."""
        inputs: list[NDArray[Any]] = []
        for name in self.features:
            if name in self.texts:
                values = numbered(self.texts[name], categories[name])
                inputs.append(np.eye(len(categories[name]), dtype=np.float32)[values])
            else:
                whole = np.concatenate(self.numbers.pop(name))
                inputs.append(whole if whole.ndim > 1 else whole[:, np.newaxis])
        labels: NDArray[Any]
        if names is None:
            labels = _joined([np.concatenate(blocks) for blocks in self.targets.values()])
        elif self.class_names is None:
            labels = numbered(self.labels, names)
        else:
            labels = np.array([int(label) for label in self.labels], np.int64)
        groups = in_order(set(self.groups))
        owners = numbered(self.groups, groups) if self.groups else EMPTY
        return Samples(groups, _joined(inputs), labels, owners)


def _joined(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return a column as it is, and several as the values of rows."""
    if len(columns) == 1:
        return columns[0]
    return np.concatenate([one.reshape(len(one), -1) for one in columns], axis=1)


def _append(
    columns: dict[str, list[NDArray[Any]]], name: str, values: NDArray[Any], where: Sequence[str]
) -> None:
    blocks = columns.setdefault(name, [])
    if blocks and values.shape[1:] != blocks[0].shape[1:]:
        raise DataError(
            f"{where[0]}: column {name!r}: has values of shape {values.shape[1:]}, and those before"
            f" {blocks[0].shape[1:]}"
        )
    blocks.append(values)


def _windows(part: _Part, rows: Samples, window: Window) -> Samples:
    """Return the windows of a split; no window has rows of two files or of two groups."""
    if rows.inputs.ndim != 2:
        raise DataError(f"{part.path}: a window needs columns with one number in each row")
    keys: list[Any] = list(part.recordings)
    if len(rows.owners):
        keys = list(zip(keys, rows.owners.tolist(), strict=True))
    taken = window_rows(keys, window, str(part.path))
    owners = rows.owners[taken[:, 0]] if len(rows.owners) else rows.owners
    targets = window_targets(rows.labels, taken, window.label)
    return Samples(rows.groups, window_inputs(rows.inputs, taken), targets, owners)


def _row_file(kind: Format, file: Path, delimiter: str | None) -> RowFile:
    if kind == "csv":
        return CsvFile(file, delimiter or ("\t" if file.suffix.lower() == ".tsv" else ","))
    return JsonLinesFile(file) if kind == "jsonl" else ArrowFile(file)


def _features(file: RowFile, columns: Columns) -> tuple[str, ...]:
    if columns.image is not None:
        check_shape(columns.input_shape or IMAGE_SHAPE)
        return (columns.image,)
    if columns.features is not None:
        for name in columns.labels:
            if name in columns.features:
                raise DataError(f"{file.path}: {name!r} is the label: take it off the features")
        others = [name for name in columns.categories if name not in columns.features]
        return (*columns.features, *others)
    for name in columns.categories:
        _check_column(file, name)
    used = columns.used_otherwise
    found = tuple(name for name in file.names if name not in used)
    if not found:
        beside = " and ".join(map(repr, dict.fromkeys(used)))
        raise DataError(f"{file.path}: has no columns beside {beside}")
    return found


def _check_column(file: RowFile, name: str) -> None:
    if name not in file.names:
        hint = suggestion(name, file.names)
        if (
            isinstance(file, CsvFile)
            and len(file.names) == 1
            and re.search(r"[;\t|]", file.names[0])
        ):
            hint = f"; its header is {file.names[0][:60]!r}: name the delimiter"
        raise DataError(f"{file.path}: has no column {name!r}{hint}")


def _numbers(values: Any, where: Sequence[str], name: str, hint: str) -> NDArray[np.float32]:
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


def _texts(values: Any, where: Sequence[str], name: str) -> list[str]:
    """Return a column of texts, whole numbers or truth values as text."""
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


def _check_present(value: Any, place: str, missing: Collection[str] = ("",)) -> None:
    absent = value is None or (isinstance(value, str) and value.strip().lower() in missing)
    if absent or (isinstance(value, float) and not isfinite(value)):
        shown = "" if value is None or value == "" else f" ({str(value)[:20]})"
        raise DataError(f"{place}: has no value{shown}: fill it in, or remove the row")


def _images(
    values: Any, where: Sequence[str], table: Path, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
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
