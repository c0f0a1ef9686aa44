"""Read the tables of a result folder, with the column names of earlier versions."""

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cutlayer.sim.files.csv_text import read_rows
from cutlayer.sim.results.columns import Column, Row, Value
from cutlayer.sim.results.files import SavedError

if TYPE_CHECKING:
    import pandas as pd

LONGEST_NUMBER: Final = 400  # digits; Python refuses to convert much longer integers

# Columns that version 0.x wrote, by table, with their present names.
OLD_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "rounds": {"kind": "round_type", "clients_lost": "clients_dropped"},
    "events": {
        "kind": "phase",
        "label": "activity",
        "lost": "dropped",
        "kind_names": "phase_names",
        "label_names": "activity_names",
    },
    "crossovers": {"place": "value_si"},
}
_reported: set[Path] = set()  # folders whose old column names were reported

_Column = TypeVar("_Column")


def read_table(file: Path, columns: Sequence[Column]) -> list[Row]:
    """Return the rows of a CSV file: numbers as numbers, empty fields as None."""
    try:
        with file.open(newline="", encoding="utf-8") as text:
            rows = read_rows(text)
    except OSError as error:
        raise SavedError(f"{file} cannot be read: {error.strerror}") from None
    except (csv.Error, ValueError) as error:
        raise SavedError(f"{file} is damaged: {error}") from None
    texts = {column.name for column in columns if column.form == "text"}
    return [{name: _value(field, name in texts) for name, field in row.items()} for row in rows]


def frame(rows: Sequence[Row]) -> "pd.DataFrame":
    """Return rows as a pandas.DataFrame. Raises SavedError if pandas is not installed."""
    try:
        import pandas as pd
    except ImportError:
        raise SavedError("tables as frames need pandas: pip install 'cutlayer[pandas]'") from None

    return pd.DataFrame(list(rows))


def renamed(table: str, columns: dict[str, _Column], file: Path) -> dict[str, _Column]:
    """Return columns by their present names; old ones are reported in one line per folder."""
    old = {
        name: new
        for name, new in OLD_COLUMNS.get(table, {}).items()
        if name in columns and new not in columns  # an axis may have an old name
    }
    if not old:
        return columns
    if file.parent not in _reported:
        _reported.add(file.parent)
        shown = ", ".join(f"{name} is now {new}" for name, new in old.items())
        sys.stderr.write(
            f"{file}: column names of an earlier version are deprecated ({shown}); run it again\n"
        )
    return {old.get(name, name): column for name, column in columns.items()}


def _value(text: str, is_text: bool) -> Value:
    if text == "" or text is None:
        return None
    if is_text:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    whole = text.lstrip("-").isdecimal() and len(text) < LONGEST_NUMBER
    return int(text) if whole else number
