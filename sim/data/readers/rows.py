"""Rows of CSV and JSON Lines files, a block at a time.

A row is identified by the number of its (last) line in the file.
"""

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers.files import check_size, errors_of
from cutlayer.suggestion import suggestion
from cutlayer.topologies.text_file import unique_keys

BLOCK: Final = 4096  # rows that are in memory as Python objects
MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # cells without a value


class Block(NamedTuple):
    """The values of rows by column, and where the rows are: lines, or rows from 1."""

    columns: dict[str, Any]
    positions: Sequence[int]


class RowFile(Protocol):
    """A file with named columns."""

    @property
    def path(self) -> Path:
        """Return the file."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of its columns. Raises DataError."""

    def blocks(self, names: Collection[str]) -> Iterator[Block]:
        """Yield all rows with the columns of these names, which the file has. Raises DataError."""

    def at(self, position: int) -> str:
        """Return where a row is, for messages: `file:line`."""

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Return the names of the classes that a column numbers from 0, if the file has them."""


@dataclass(frozen=True)
class _TextFile:
    path: Path

    def at(self, position: int) -> str:
        """Return the file and the line."""
        return f"{self.path}:{position}"

    def class_names(self, column: str) -> None:
        """Return None: files of text do not number classes."""


@dataclass(frozen=True)
class CsvFile(_TextFile):
    """A CSV file whose first line has the names of the columns."""

    delimiter: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the header."""
        check_size(self.path)
        header = next(self._rows(), None)
        if header is None:
            raise DataError(f"{self.at(1)}: expected a header with the names of the columns")
        names = tuple(cell.strip() for cell in header[1])
        if repeated := [name for name in names if names.count(name) > 1]:
            raise DataError(f"{self.at(1)}: has the column {repeated[0][:100]!r} twice")
        return names

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        line = 1
        try:
            with errors_of(self.path), self.path.open(newline="", encoding="utf-8-sig") as text:
                rows = csv.reader(text, delimiter=self.delimiter)
                for row in rows:
                    line = rows.line_num
                    if row:
                        yield line, row
        except csv.Error as error:
            raise DataError(f"{self.at(line)}: {error}") from None

    def blocks(self, names: Collection[str]) -> Iterator[Block]:
        """Yield the rows, as text; empty lines are skipped."""
        width, indices = len(self.names), {name: self.names.index(name) for name in names}
        lines: list[int] = []
        cells: list[list[str]] = []
        rows = self._rows()
        next(rows)
        for line, row in rows:
            if len(row) != width:
                raise DataError(
                    f"{self.at(line)}: has {len(row)} cells, and the header has {width}"
                )
            lines.append(line)
            cells.append(row)
            if len(lines) == BLOCK:
                yield Block({name: [row[i] for row in cells] for name, i in indices.items()}, lines)
                lines, cells = [], []
        if lines:
            yield Block({name: [row[i] for row in cells] for name, i in indices.items()}, lines)


@dataclass(frozen=True)
class JsonLinesFile(_TextFile):
    """A file with a JSON object in each line; its first object has the names of all columns."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the keys of the first object."""
        check_size(self.path)
        first = next(self._objects(), None)
        if first is None:
            raise DataError(f"{self.path}: has no samples")
        return tuple(first[1])

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with errors_of(self.path), self.path.open(encoding="utf-8-sig") as text:
            for number, line in enumerate(text, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line, object_pairs_hook=unique_keys)
                except (ValueError, RecursionError) as error:
                    raise DataError(
                        f"{self.at(number)}: is not JSON ({str(error)[:100]})"
                    ) from None
                if not isinstance(value, dict):
                    raise DataError(f"{self.at(number)}: expected an object {{...}}")
                yield number, value

    def blocks(self, names: Collection[str]) -> Iterator[Block]:
        """Yield the rows, as values of JSON."""
        columns: dict[str, list[Any]] = {name: [] for name in names}
        lines: list[int] = []
        for number, value in self._objects():
            for name, column in columns.items():
                if name not in value:
                    rule = f"has no {name!r}{suggestion(name, value)}"
                    raise DataError(f"{self.at(number)}: {rule}")
                column.append(value[name])
            lines.append(number)
            if len(lines) == BLOCK:
                yield Block(columns, lines)
                columns, lines = {name: [] for name in names}, []
        if lines:
            yield Block(columns, lines)
