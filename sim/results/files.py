"""Files of a result folder, each checked against its checksum before it is read."""

import csv
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from cutlayer.errors import UserError
from cutlayer.sim.files.checksums import CHECKSUMS, ChecksumError, read_checksums
from cutlayer.sim.files.csv_text import read_rows
from cutlayer.sim.results.columns import Column, Row, Value
from cutlayer.sim.results.folder import read_marker

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


class SavedError(UserError):
    """A folder without results, with incomplete or with damaged ones."""


class ResultFiles:
    """Reads the files of a folder. Folders of earlier versions have no checksums and are not checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _checksums(self) -> dict[str, str]:
        file = self.folder / CHECKSUMS
        if not file.is_file():
            marker = read_marker(self.folder)
            if marker is not None and marker.kind in ("run", "study"):
                raise SavedError(
                    f"{file} is missing: {self.folder} is not a whole copy of a result folder"
                )
            return {}
        try:
            return read_checksums(self.folder)
        except ChecksumError as error:
            raise SavedError(str(error)) from None

    def checked(self, name: str) -> Path:
        """Return the path of a file after checking its content. Raises SavedError."""
        file = self.folder / name
        if not file.is_file():
            what = "is not a file" if file.exists() else "is missing"
            raise SavedError(f"{file} {what}: {self.folder} is not a whole copy of a result folder")
        expected = self._checksums.get(name)
        try:
            with file.open("rb") as content:
                digest = None if expected is None else hashlib.file_digest(content, "sha256")
        except OSError as error:
            raise SavedError(f"{file} cannot be read: {error.strerror}") from None
        if digest is not None and digest.hexdigest() != expected:
            raise SavedError(
                f"{file} has changed since it was written: it is damaged, or was edited (if the edit"
                f" was meant, delete its line in {self.folder / CHECKSUMS})"
            )
        return file

    def lists(self, name: str) -> bool:
        """Whether the checksums list a file. Raises SavedError."""
        return name in self._checksums

    def text(self, name: str) -> str:
        """Return a text file. Raises SavedError."""
        file = self.checked(name)
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise SavedError(f"{file} cannot be read: {error.strerror}") from None
        except ValueError:
            raise SavedError(f"{file} is damaged: it is not UTF-8 text") from None

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a mapping from a JSON or YAML file. Raises SavedError."""
        text = self.text(name)
        try:
            content = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
        except RecursionError:
            raise SavedError(f"{self.folder / name} is damaged: it is nested too deeply") from None
        except (ValueError, yaml.YAMLError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise SavedError(f"{self.folder / name} is damaged: {why}") from None
        if not isinstance(content, dict):
            raise SavedError(f"{self.folder / name} is damaged: it is not a mapping")
        return content

    def rows(self, table: str, columns: Sequence[Column]) -> list[Row]:
        """Return the rows of a table: numbers as numbers, empty fields as None. Raises SavedError."""
        file = self.checked(f"{table}.csv")
        try:
            with file.open(newline="", encoding="utf-8") as text:
                rows = read_rows(text)
        except OSError as error:
            raise SavedError(f"{file} cannot be read: {error.strerror}") from None
        except (csv.Error, ValueError) as error:
            raise SavedError(f"{file} is damaged: {error}") from None
        texts = {column.name for column in columns if column.form == "text"}
        values = [{name: _value(cell, name in texts) for name, cell in row.items()} for row in rows]
        return [renamed(table, row, file) for row in values]


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
