"""CSV files that users write: rows with their lines, and one message for each mistake in the table.

The meaning of a cell is the caller's; messages have the form `file:line: what: rule (got value)`.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion

MAX_ROWS: Final = 10_000
LARGEST: Final = 1e9


class UserCsvError(UserError):
    """A CSV file of the user that cannot be read, or a row that makes no sense."""


@dataclass(frozen=True)
class UserRow:
    """A row: its line, where it stands (`file:line`), and its cells without spaces around them."""

    line: int
    where: str
    cells: dict[str, str]

    def whole(self, name: str, least: int = 1) -> int:
        """Return a cell as a whole number from `least` to 10^9."""
        return whole(self.cells[name], f"{self.where}: {name}", least)

    def positive(self, name: str) -> float:
        """Return a cell as a positive number below 10^9."""
        return positive(self.cells[name], f"{self.where}: {name}")

    def one_of(self, name: str, known: Sequence[str], what: str | None = None) -> str:
        """Return a cell that is one of the `known` names of a `what`."""
        value = self.cells[name]
        if value not in known:
            close = suggestion(value, known)
            raise UserCsvError(f"{self.where}: {name}: unknown {what or name} {value!r}{close}")
        return value


def user_rows(
    text: str, path: str, required: Sequence[str], optional: Sequence[str]
) -> Iterator[UserRow]:
    """Yield the rows of a CSV text; an optional column that is absent has empty cells.

    Raises UserCsvError for a column that is unknown, missing or written twice, for a row that is too
    long, for more than `MAX_ROWS` rows or none, and for text that is not CSV.
    """
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise UserCsvError(f"{path}:1: {error}") from None
    reader.fieldnames = columns
    known = (*required, *optional)
    for name in columns:
        if name not in known:
            raise UserCsvError(f"{path}:1: unknown column {name!r}{suggestion(name, known)}")
        if columns.count(name) > 1:
            raise UserCsvError(f"{path}:1: the column {name!r} is written twice")
    for name in required:
        if name not in columns:
            raise UserCsvError(f"{path}:1: the column {name!r} is missing")
    count = 0
    try:
        for cells in reader:
            where, count = f"{path}:{reader.line_num}", count + 1
            if None in cells:
                raise UserCsvError(f"{where}: has more cells than the header")
            if count > MAX_ROWS:
                raise UserCsvError(f"{path} has more than {MAX_ROWS:,} rows")
            given = {name: (cells.get(name) or "").strip() for name in known}
            yield UserRow(reader.line_num, where, given)
    except csv.Error as error:
        raise UserCsvError(f"{path}:{reader.reader.line_num}: {error}") from None
    if not count:
        raise UserCsvError(f"{path} has no rows")


def whole(text: str, where: str, least: int = 1) -> int:
    """Return a whole number from `least` to 10^9, or raise UserCsvError."""
    digits = text.isascii() and text.isdigit() and len(text) <= 10
    if not (digits and least <= int(text) <= LARGEST):
        raise UserCsvError(f"{where}: must be a whole number from {least} to 10^9 (got {text!r})")
    return int(text)


def positive(text: str, where: str) -> float:
    """Return a positive number below 10^9, or raise UserCsvError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < LARGEST:
        raise UserCsvError(f"{where}: must be a positive number below 10^9 (got {text!r})")
    return value
