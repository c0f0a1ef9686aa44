"""Read the folder of a run or a study as tables.

from cutlayer.sim.results.read import read_run

saved = read_run("runs/quickstart")
saved.rounds("ecofed")[0]["round_time_s"]
saved.frame("rounds")                       # a pandas.DataFrame
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.columns import DRAW_TABLES, RUN_TABLES, STUDY_TABLES, Column, Row
from cutlayer.sim.results.contract import (
    ContractError,
    check_rows,
    check_study_rows,
    check_study_summary,
    check_summary,
)
from cutlayer.sim.results.events_contract import check_events
from cutlayer.sim.results.files import LONGEST_NUMBER, ResultFiles, SavedError, renamed
from cutlayer.sim.results.folder import RESUME, in_use, read_marker
from cutlayer.sim.results.run_tables import frame

if TYPE_CHECKING:
    import pandas as pd

# Errors of numpy, zipfile and zlib for a damaged .npz.
_UNREADABLE: Final = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, MemoryError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


@dataclass(frozen=True)
class SavedRun:
    """One seed's run folder. `summary` is the contract of summary.json, `versions` of versions.json."""

    path: Path
    summary: Mapping[str, Any]
    versions: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.summary["scenario"]["name"])

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.summary["seed"])

    @property
    def methods(self) -> dict[str, Mapping[str, Any]]:
        """The entries of summary.json, by label."""
        return dict(self.summary["methods"])

    @property
    def uncertainty(self) -> Mapping[str, Any] | None:
        """The intervals of summary.json; None if the run was timed at its stated figures only."""
        found: Mapping[str, Any] | None = self.summary.get("uncertainty")
        return found

    @property
    def scenario_text(self) -> str:
        """The scenario as resolved, in YAML."""
        return ResultFiles(self.path).text("scenario.yaml")

    def has(self, name: str) -> bool:
        """Whether the folder has a table; folders of earlier versions lack some."""
        return (self.path / f"{name}.csv").is_file() or ResultFiles(self.path).lists(f"{name}.csv")

    def rounds(self, label: str) -> list[Row]:
        """Return the rows of rounds.csv of a method."""
        return [row for row in self.table("rounds") if row["label"] == label]

    def noun(self, label: str) -> str:
        """Return the noun of a method's rows in rounds.csv: "round", or "window" if it has no rounds."""
        return "round" if self.methods[label].get("updates") is None else WINDOW

    def updates(self, label: str) -> list[Row]:
        """Return the rows of updates.csv of a method; none of a method with rounds."""
        if self.noun(label) == "round" or not self.has("updates"):
            return []
        return [row for row in self.table("updates") if row["label"] == label]

    def table(self, name: str) -> list[Row]:
        """Return the rows of a table, such as rounds or draws; empty fields are None.

        A run with `uncertainty` also has the tables draws and factors. Raises SavedError if the table is
        missing, damaged or edited.
        """
        if name not in self._tables:
            file, columns = self.path / f"{name}.csv", {**RUN_TABLES, **DRAW_TABLES}[name]
            rows = ResultFiles(self.path).rows(name, columns)
            with _damage_named(file):
                check_rows(rows, columns)
            self._tables[name] = rows
        return [dict(row) for row in self._tables[name]]

    @cached_property
    def _tables(self) -> dict[str, list[Row]]:
        return {}

    def frame(self, name: str) -> "pd.DataFrame":
        """Return a table as a pandas.DataFrame; needs `pip install 'cutlayer[pandas]'`."""
        return frame(self.table(name))

    @cached_property
    def events(self) -> dict[str, NDArray[Any]]:
        """The kept intervals in columns, see `cutlayer.sim.results.write.event_columns`.

        Raises SavedError if they are missing, damaged or edited.
        """
        file = ResultFiles(self.path).checked("events.npz")
        try:
            with file.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except _UNREADABLE as error:
            raise SavedError(f"{file} is damaged: {error or type(error).__name__}") from None
        found = renamed("events", found, file)
        with _damage_named(file):
            check_events(found)
            if unknown := set(map(str, found["labels"])) ^ set(self.methods):
                raise ContractError(f"its methods are not those of summary.json ({min(unknown)!r})")
        return found

    def kept_rounds(self, label: str) -> list[int]:
        """Return the rounds of a method whose intervals are kept."""
        number = list(self.events["labels"]).index(label)
        return sorted({int(r) for r in self.events["round"][self.events["method"] == number]})

    def intervals(self, label: str, round_index: int) -> dict[str, NDArray[Any]]:
        """Return the intervals of one kept round; `cause` counts its rows."""
        events = self.events
        number = list(events["labels"]).index(label)
        rows = (events["method"] == number) & (events["round"] == round_index)
        return {name: column[rows] for name, column in events.items() if len(column) == len(rows)}


@dataclass(frozen=True)
class SavedStudy:
    """A study's folder: its tables and its decisions."""

    path: Path
    summary: Mapping[str, Any]
    versions: Mapping[str, Any]
    study: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.summary["study"])

    @property
    def uncertainty(self) -> Mapping[str, Any] | None:
        """The number of draws of each point and the level of their intervals; None without draws."""
        found: Mapping[str, Any] | None = self.summary.get("uncertainty")
        return found

    @property
    def axes(self) -> Mapping[str, Sequence[str]]:
        """The labels of the steps of every axis."""
        return dict(self.summary["axes"])

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the methods."""
        return list(self.summary["labels"])

    def table(self, name: str) -> list[Row]:
        """Return the rows of points, curves, crossovers, best, pareto or sensitivity.

        There are none if the study was not asked for them. Raises SavedError if a table is missing,
        damaged or edited into nonsense.
        """
        file, files = self.path / f"{name}.csv", ResultFiles(self.path)
        if not file.is_file() and not files.lists(file.name):
            return []
        axes = [Column(axis, form="text") for axis in self.axes]
        rows = files.rows(name, [*STUDY_TABLES[name], *axes])
        with _damage_named(file):
            check_study_rows(name, rows, self.summary)
        return rows

    def frame(self, name: str) -> "pd.DataFrame":
        """Return a table as a pandas.DataFrame; needs `pip install 'cutlayer[pandas]'`."""
        return frame(self.table(name))


def read_run(path: str | Path) -> SavedRun:
    """Read the folder of one seed's run. Raises SavedError if it is not one or not finished."""
    found = read(path)
    if not isinstance(found, list):
        raise SavedError(f"{path} holds a study, not a run; its full points are runs")
    if len(found) != 1:
        raise SavedError(f"{path} holds {len(found)} seeds; name one of its folders seed-N")
    return found[0]


def read_study(path: str | Path) -> SavedStudy:
    """Read the folder of a study. Raises SavedError if it is not one or not finished."""
    found = read(path)
    if not isinstance(found, SavedStudy):
        raise SavedError(f"{path} holds a run, not a study")
    return found


def read(path: str | Path) -> list[SavedRun] | SavedStudy:
    """Read a folder: a study, or the runs in it, one for each seed. Raises SavedError."""
    folder = Path(path)
    try:
        if folder.is_dir():
            return _read(folder)
    except OSError as error:
        raise SavedError(f"{str(folder)[:200]} cannot be read: {error.strerror}") from None
    raise SavedError(f"{folder} is not a folder: name one that `cutlayer run` or `sweep` wrote")


def _read(folder: Path) -> list[SavedRun] | SavedStudy:
    marker = read_marker(folder)
    if (folder / "study.yaml").is_file() or (marker is not None and marker.kind == "study"):
        return _read_study(folder)
    seeds = sorted(folder.glob("seed-*/summary.json"), key=lambda file: _number(file.parent.name))
    files = [folder / "summary.json"] if (folder / "summary.json").is_file() else seeds
    if not files:
        if in_use(folder):
            raise SavedError(f"{folder} has no summary.json yet: a command is still writing to it")
        if (folder / RESUME).is_file():
            raise SavedError(
                f"{folder} has no summary.json: it was cut off; `cutlayer resume {folder}` continues it"
            )
        raise SavedError(f"{folder} has no summary.json: it is not a run, or the run was cut off")
    return [_read_run(file.parent) for file in files]


def _read_run(folder: Path) -> SavedRun:
    files = ResultFiles(folder)
    summary = files.mapping("summary.json")
    if summary.get("schema") != 1 or "methods" not in summary:
        raise SavedError(
            f"{folder / 'summary.json'} is not a summary of a run that this version can read"
        )
    with _damage_named(folder / "summary.json"):
        check_summary(summary)
    return SavedRun(folder, summary, files.mapping("versions.json"))


def _read_study(folder: Path) -> SavedStudy:
    files = ResultFiles(folder)
    if not (folder / "summary.json").is_file():
        how = f"cutlayer resume {folder}" if (folder / RESUME).is_file() else "cutlayer sweep"
        raise SavedError(f"{folder} holds an unfinished study: run `{how}` again to continue")
    summary = files.mapping("summary.json")
    with _damage_named(folder / "summary.json"):
        check_study_summary(summary)
    versions, study = (files.mapping(name) for name in ("versions.json", "study.yaml"))
    return SavedStudy(folder, summary, versions, study)


@contextmanager
def _damage_named(file: Path) -> Iterator[None]:
    """Raise a ContractError of the block as a SavedError that names the file."""
    try:
        yield
    except ContractError as error:
        raise SavedError(f"{file} is damaged: {error}") from None


def _number(name: str) -> int:
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() and len(digits) < LONGEST_NUMBER else 0
