"""CSV files that are safe to open in a spreadsheet: their writer, and their reader.

A spreadsheet evaluates a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a
formula, and a formula can start programs. Such a text is written with a leading apostrophe, which marks
text in spreadsheets. Numbers, texts that are numbers, such as "-5", and a single dash are written
unchanged. `read_rows` removes the apostrophe.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

# A text's own leading apostrophes are matched too, so that reading restores them.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_MARKED: Final = re.compile(r"''*[=+\-@\t\r]")
# Not evaluated by spreadsheets: -5, +1.2e-3, -3.4 %, and a dash for no value.
_HARMLESS: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?( ?%)?|-inf|-")


def cell(value: object) -> object:
    """Return a value as it is written: a text that looks like a formula gets an apostrophe."""
    if isinstance(value, str) and _FORMULA.match(value) and not _HARMLESS.fullmatch(value):
        return f"'{value}"
    return value


def text_of(cell: str) -> str:
    """Return the text that was written as `cell`."""
    return cell[1:] if _MARKED.match(cell) else cell


class CsvWriter:
    """Writes a header and rows; a column that a row lacks is left empty.

    Open the file as UTF-8 text with `newline=""`.
    """

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._writer = csv.writer(file)
        self.add_values(columns)

    def add(self, row: Mapping[str, object]) -> None:
        """Write a row given by column names. Raises KeyError for an unknown column."""
        if unknown := row.keys() - set(self._columns):
            raise KeyError(sorted(unknown))
        self.add_values([row.get(column) for column in self._columns])

    def add_values(self, values: Iterable[object]) -> None:
        """Write a row given as values in the order of the columns."""
        self._writer.writerow([cell(value) for value in values])


def write_rows(file: TextIO, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows under a header of all their columns in order of appearance; nothing without rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if columns:
        writer = CsvWriter(file, columns)
        for row in rows:
            writer.add(row)


def read_rows(file: TextIO) -> list[dict[str, str]]:
    """Return the rows of a file written by `CsvWriter` as texts by column.

    Raises csv.Error if it is not CSV, ValueError if a row is longer or shorter than the header.
    """
    lines = csv.reader(file)
    columns = [text_of(name) for name in next(lines, [])]
    return [
        {name: text_of(text) for name, text in zip(columns, line, strict=True)}
        for line in lines
        if line
    ]
