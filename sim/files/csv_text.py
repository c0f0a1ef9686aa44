"""CSV that a spreadsheet may open: the one writer of such files, and the reader of our own.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula,
and a formula can start programs. A text with such a beginning is written with an apostrophe before it,
which a spreadsheet takes for the mark of a text. Numbers are written as they are, and so is a text
that is a number, such as "-5", or a lone dash. `read_rows` takes the apostrophe away again.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

# With the apostrophes that a text begins with of its own, so that reading gives them back.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_MARKED: Final = re.compile(r"''*[=+\-@\t\r]")
# What spreadsheets take for a number or leave as it is: -5, +1.2e-3, -3.4 %, and the dash for nothing.
_HARMLESS: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?( ?%)?|-inf|-")


def cell(value: object) -> object:
    """Return what is written for a value: a formula-like text with an apostrophe before it."""
    if isinstance(value, str) and _FORMULA.match(value) and not _HARMLESS.fullmatch(value):
        return f"'{value}"
    return value


def text_of(cell: str) -> str:
    """Return the text that `cell` was written for."""
    return cell[1:] if _MARKED.match(cell) else cell


class CsvWriter:
    """Writes rows under a line of column names; a row without a column leaves it empty.

    The file is to be open as UTF-8 text with `newline=""`.
    """

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._writer = csv.writer(file)
        self.add_values(columns)

    def add(self, row: Mapping[str, object]) -> None:
        """Write a row by its columns' names. Raises KeyError for a name that is not a column."""
        if unknown := row.keys() - set(self._columns):
            raise KeyError(sorted(unknown))
        self.add_values([row.get(column) for column in self._columns])

    def add_values(self, values: Iterable[object]) -> None:
        """Write a row by its values, in the order of the columns."""
        self._writer.writerow([cell(value) for value in values])


def write_rows(file: TextIO, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows under the names of all their columns, as these first come; nothing without rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if columns:
        writer = CsvWriter(file, columns)
        for row in rows:
            writer.add(row)


def read_rows(file: TextIO) -> list[dict[str, str]]:
    """Return the rows of a file that was written here: its texts by column.

    Raises csv.Error for what is not CSV, ValueError for a row of another length than the first line.
    """
    lines = csv.reader(file)
    columns = [text_of(name) for name in next(lines, [])]
    return [
        {name: text_of(text) for name, text in zip(columns, line, strict=True)}
        for line in lines
        if line
    ]
