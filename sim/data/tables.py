"""Data sets from tables: columns of CSV, JSON Lines, Parquet and Arrow files as inputs and targets.

Labels are numbered in the order of their values: whole numbers by size, texts by alphabet. Where the
file names the classes of a numbered column, these numbers are kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.cells import (
    append_values,
    full_texts_in,
    images_in,
    joined,
    numbers_in,
    texts_in,
)
from cutlayer.sim.data.classes import WHOLE, classes_of, in_order, numbered
from cutlayer.sim.data.given_split import EMPTY
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.readers.arrow import ArrowFile
from cutlayer.sim.data.readers.files import Stamps, data_files, stamps
from cutlayer.sim.data.readers.pictures import check_shape
from cutlayer.sim.data.readers.rows import CsvFile, JsonLinesFile, RowFile
from cutlayer.sim.data.samples import Samples, declaration
from cutlayer.sim.data.texts import TextOptions, Texts, text_declaration
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
IF_TEXT: Final = "name the column among `categories`, or as `text`, if it is text"
IF_CLASS: Final = "choose task: classification if it is a class"


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are used, and for what.

    `features` are all other columns by default. Those among `categories` are texts, of which each value
    becomes a feature that is 0 or 1. `image` has images instead: names of files, relative to the table's
    folder, or their content; and `text` has texts, which `texts` says how to tokenise. `group` is the
    column of a natural partition.

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
    text: str | None = None
    texts: TextOptions | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the columns of the label; none if the target is the next token of a text."""
        if self.texts is not None and self.texts.predicts:
            return ()
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
    tokenizer = () if columns.texts is None else columns.texts.tokenizer.stamps()
    return _declaration(kind, train, test, columns, stamps(files), tokenizer)


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _declaration(
    kind: Format,
    train: Path,
    test: Path | None,
    columns: Columns,
    files: Stamps,
    tokenizer: Stamps,
) -> DatasetInfo:
    del files, tokenizer
    parts = [_Part.read(kind, path, columns) for path in (train, test) if path is not None]
    if any(part.class_names != parts[0].class_names for part in parts):
        raise DataError(f"{test}: names other classes than {train}")
    names = None
    if columns.labels and not columns.numbers:
        names = parts[0].class_names or classes_of(
            {label for part in parts for label in part.labels},
            f"{train}: column {columns.labels[0]!r}",
        )
    if columns.texts is not None:
        texts = [part.full_texts(names) for part in parts]
        return text_declaration(kind, train, *texts, options=columns.texts, class_names=names)
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
    """The columns of one split: numbers by column, and texts that become classes, features or tokens."""

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
    whole: Texts = field(default_factory=Texts)

    @classmethod
    def read(cls, kind: Format, path: Path, columns: Columns) -> "_Part":
        part = None
        for number, file in enumerate(data_files(path, ENDINGS[kind])):
            rows = _row_file(kind, file, columns.delimiter)
            features = _features(rows, columns)
            if part is None:
                named = [] if columns.numbers else columns.labels[:1]
                part = cls(path, features, next(map(rows.class_names, named), None))
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
                if name == columns.text:
                    self.whole.texts += full_texts_in(values, where, name)
                    self.whole.where += where
                elif name == columns.image:
                    pixels = images_in(values, where, file.path, columns.input_shape or IMAGE_SHAPE)
                    self.numbers.setdefault(name, []).append(pixels)
                elif name in columns.categories:
                    self.texts.setdefault(name, []).extend(texts_in(values, where, name))
                else:
                    append_values(
                        self.numbers, name, numbers_in(values, where, name, IF_TEXT), where
                    )
            for name in columns.labels:
                values = block.columns[name]
                if columns.numbers:
                    append_values(
                        self.targets, name, numbers_in(values, where, name, IF_CLASS), where
                    )
                else:
                    self.labels += texts_in(values, where, name)
            if columns.group is not None:
                self.groups += texts_in(block.columns[columns.group], where, columns.group)
            if columns.window is not None:
                recording = columns.window.group
                keys = [""] * len(where)
                if recording is not None:
                    keys = texts_in(block.columns[recording], where, recording)
                self.recordings += [(number, key) for key in keys]
        if self.class_names is not None:
            for label in self.labels:
                if not WHOLE.fullmatch(label) or not 0 <= int(label) < len(self.class_names):
                    raise DataError(
                        f"{file.path}: column {columns.labels[0]!r}: {label[:40]!r} is not one of the"
                        f" {len(self.class_names)} classes that the file names"
                    )

    def full_texts(self, names: Sequence[str] | None) -> Texts:
        """Return the texts, with labels that are `names`."""
        labels = self.labels
        if self.class_names is not None and names is not None:
            labels = [names[int(label)] for label in labels]
        return replace(self.whole, labels=labels, groups=self.groups)

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
            labels = joined([np.concatenate(blocks) for blocks in self.targets.values()])
        elif self.class_names is None:
            labels = numbered(self.labels, names)
        else:
            labels = np.array([int(label) for label in self.labels], np.int64)
        groups = in_order(set(self.groups))
        owners = numbered(self.groups, groups) if self.groups else EMPTY
        return Samples(groups, joined(inputs), labels, owners)


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
    if columns.text is not None:
        return (columns.text,)
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
