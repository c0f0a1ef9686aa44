"""Scores of many devices from a file, such as AI-Benchmark's list, from which speeds are drawn.

JSON has a list of objects, CSV a header and rows. One column has the scores; a higher one is faster.
A file has at most 16 MiB and a million rows.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion
from cutlayer.topologies.column_units import names_a_duration
from cutlayer.topologies.text_file import TextFileError, number_of, parse_json, read_text

MAX_BYTES: Final = 16 * 2**20
MAX_ROWS: Final = 1_000_000
HIGHEST: Final = 1e300
WIDEST: Final = 1e6
"""The largest ratio of the fastest to the slowest device of a file."""

Row = tuple[int, Any]  # the number of a row, or of a line in CSV, and its score


class ScoresError(UserError):
    """A file that cannot be read, or has no scores in the named column."""


def read_scores(path: Path, column: str) -> tuple[float, ...]:
    """Return the positive numbers in a column, in the file's order; empty cells are left out.

    Raises ScoresError with one sentence.
    """
    where = f"scores {path}"
    column = column.strip()
    if names_a_duration(column):
        raise ScoresError(
            f"{where}: {column!r} is a time, of which less is faster: expected scores or rates"
        )
    try:
        text = read_text(path, MAX_BYTES)
    except TextFileError as error:
        raise ScoresError(f"{where} {error}") from None
    json_text = path.suffix.lower() == ".json"
    rows = _json(text, column, where) if json_text else _csv(text, column, where)
    noun = "row" if json_text else "line"
    scores = [
        _score(value, f"{where}: {noun} {number}: {column}")
        for number, value in rows
        if value not in (None, "")
    ]
    if not scores:
        raise ScoresError(f"{where}: the column {column!r} is empty")
    if max(scores) / min(scores) > WIDEST:
        raise ScoresError(
            f"{where}: the scores in {column!r} reach from {min(scores):g} to {max(scores):g}:"
            f" expected a factor of at most {WIDEST:,.0f} between them"
        )
    return tuple(scores)


def _json(text: str, column: str, where: str) -> Iterator[Row]:
    try:
        rows = parse_json(text)
    except TextFileError as error:
        raise ScoresError(f"{where}: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ScoresError(f"{where}: expected a list of objects")
    if not rows:
        raise ScoresError(f"{where}: expected a list of objects, got an empty one")
    _check_count(len(rows), where)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    _check_column(column, columns, where)
    return ((number, row.get(column)) for number, row in enumerate(rows, 1))


def _csv(text: str, column: str, where: str) -> Iterator[Row]:
    _check_count(text.count("\n"), where)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = ([cell.strip() for cell in cells] for cells in reader)
    rows = (cells for cells in rows if any(cells))
    try:
        header = next(rows, None)
        if header is None:
            raise ScoresError(f"{where}: expected a header and rows, got nothing")
        _check_column(column, header, where)
        index = header.index(column)
        for cells in rows:
            if len(cells) != len(header):
                raise ScoresError(
                    f"{where}: line {reader.line_num}: expected {len(header)} cells as in the"
                    f" header, got {len(cells)}"
                )
            yield reader.line_num, cells[index]
    except csv.Error as error:
        raise ScoresError(f"{where}: line {reader.line_num}: is not valid CSV ({error})") from None


def _check_count(rows: int, where: str) -> None:
    if rows > MAX_ROWS:
        raise ScoresError(f"{where}: has {rows:,} rows: at most {MAX_ROWS:,} are read")


def _check_column(column: str, columns: list[str], where: str) -> None:
    count = columns.count(column)
    if count > 1:
        raise ScoresError(f"{where}: has {count} columns named {column!r}")
    if count == 0:
        raise ScoresError(f"{where}: there is no column {column!r}{suggestion(column, columns)}")


def _score(value: Any, where: str) -> float:
    score = number_of(value)
    if not 0 < score < HIGHEST:
        raise ScoresError(f"{where}: expected a positive number (got {str(value)[:40]!r})")
    return score
