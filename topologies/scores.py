"""Scores of many devices from a file, to be drawn from: AI-Benchmark's list, or any like it.

JSON: a list of objects. CSV: a header and rows. One column holds the scores, more is faster.
"""

import csv
import json
import math
from pathlib import Path
from typing import Any, Final

from topologies.closest import closest

LONGEST: Final = 50_000_000  # characters of a file that is read


class ScoresError(ValueError):
    """A file without scores in the column that was named."""


def read_scores(path: Path, column: str) -> tuple[float, ...]:
    """Return the positive numbers in a column, in the file's order; rows without one are left out.

    Raises ScoresError, with one sentence, if the file cannot be read or the column has something else.
    """
    where = f"scores {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScoresError(f"{where}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScoresError(f"{where}: expected a text in UTF-8") from None
    if len(text) > LONGEST:
        raise ScoresError(f"{where}: expected at most {LONGEST:,} characters")
    rows = _json(text, where) if path.suffix.lower() == ".json" else _csv(text)
    if not rows:
        raise ScoresError(f"{where}: expected a header and rows, or a list of objects")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if column not in columns:
        raise ScoresError(
            f"{where}: there is no column {column!r}{closest(column, columns)}"
            f" (there are {', '.join(map(str, columns))})"
        )
    scores = tuple(
        _score(row[column], f"{where}: row {number}: {column}")
        for number, row in enumerate(rows, 1)
        if row.get(column) not in (None, "")
    )
    if not scores:
        raise ScoresError(f"{where}: the column {column!r} is empty")
    return scores


def _json(text: str, where: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ScoresError(f"{where}: no JSON ({error})") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ScoresError(f"{where}: expected a list of objects")
    return rows


def _csv(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(text.splitlines()))


def _score(value: Any, where: str) -> float:
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not 0 < score < math.inf:
        raise ScoresError(f"{where}: expected a positive number (got {str(value)[:40]!r})")
    return score
