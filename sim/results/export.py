"""Export results as CSV, JSON, Parquet or TensorBoard event files."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cutlayer.errors import UserError
from cutlayer.sim.files.atomic import errors_named, whole_file, whole_text, write_text
from cutlayer.sim.files.csv_text import write_rows
from cutlayer.sim.files.plain_text import FileNames
from cutlayer.sim.log.intervals import COLUMNS, SERVER
from cutlayer.sim.loggers.tensorboard import add_scalars, summary_writer
from cutlayer.sim.results.columns import (
    DRAW_TABLES,
    NOT_IN_EVERY_RUN,
    RUN_TABLES,
    STUDY_TABLES,
    Row,
)
from cutlayer.sim.results.read import SavedRun, SavedStudy


class ExportError(UserError):
    """An export whose package is not installed."""


def export(saved: Sequence[SavedRun] | SavedStudy, form: str, folder: Path) -> list[Path]:
    """Write all tables of a run (for each seed) or of a study into `folder`; return the files.

    Raises ExportError if the package of an extra is missing.
    """
    if isinstance(saved, SavedStudy):
        return FORMATS[form](saved, folder)
    written = []
    for run in saved:
        target = folder if len(saved) == 1 else folder / f"seed-{run.seed}"
        written += FORMATS[form](run, target)
    return written


def tables_of(saved: SavedRun | SavedStudy) -> dict[str, list[Row]]:
    """Return all tables that have rows, by name; a run's kept intervals are the table `events`."""
    names = list(STUDY_TABLES if isinstance(saved, SavedStudy) else RUN_TABLES)
    if isinstance(saved, SavedRun):
        for table in ("utilisation", *NOT_IN_EVERY_RUN):  # earlier versions lack the first
            if not saved.has(table):
                names.remove(table)
        names += DRAW_TABLES if saved.uncertainty is not None else ()
    tables = {name: rows for name in names if (rows := saved.table(name))}
    if isinstance(saved, SavedRun) and (events := event_rows(saved)):
        tables["events"] = events
    return tables


def event_rows(run: SavedRun) -> list[Row]:
    """Return the kept intervals as rows, with names instead of numbers."""
    events = run.events
    numbers = {
        name: events[name].astype(COLUMNS.get(name, np.int64))
        for name in (*COLUMNS, "method", "round")
    }
    peers = events["actor_names"][numbers["peer"]].astype(object)
    peers[numbers["peer"] == SERVER] = None
    columns = {
        "label": events["labels"][numbers["method"]],
        "round": numbers["round"],
        "start": numbers["start"],
        "end": numbers["end"],
        "actor": events["actor_names"][numbers["actor"]],
        "peer": peers,
        "phase": events["phase_names"][numbers["phase"]],
        "activity": events["activity_names"][numbers["activity"]],
    }
    columns |= {name: numbers[name] for name in COLUMNS if name not in (*columns, "cause")}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _csv(saved: SavedRun | SavedStudy, folder: Path) -> list[Path]:
    written = []
    for name, rows in tables_of(saved).items():
        written.append(_file(folder, f"{name}.csv"))
        with whole_text(written[-1]) as text:
            write_rows(text, rows)
    return written


def _json(saved: SavedRun | SavedStudy, folder: Path) -> list[Path]:
    file = _file(folder, f"{FileNames().of(saved.name)}.json")
    content = {"summary": saved.summary, "versions": saved.versions, "tables": tables_of(saved)}
    write_text(file, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return [file]


def _parquet(saved: SavedRun | SavedStudy, folder: Path) -> list[Path]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise ExportError("Parquet needs pyarrow: pip install 'cutlayer[parquet]'") from None
    tables: Any = arrow
    writer: Any = parquet
    written = []
    for name, rows in tables_of(saved).items():
        written.append(_file(folder, f"{name}.parquet"))
        with whole_file(written[-1]) as part:
            writer.write_table(tables.Table.from_pylist(rows), part)
    return written


def _tensorboard(saved: SavedRun | SavedStudy, folder: Path) -> list[Path]:
    make = summary_writer()
    written = []
    for name, rows in _curves(saved).items():
        target = folder / name
        with errors_named(target), make(target) as writer:
            for row in rows:
                add_scalars(writer, row)
        written.append(target)
    return written


def _curves(saved: SavedRun | SavedStudy) -> dict[str, list[Row]]:
    names = FileNames()
    if isinstance(saved, SavedRun):
        return {names.of(label): saved.rounds(label) for label in saved.methods}
    folders = {label: names.of(label) for label in saved.labels}
    curves: dict[str, list[Row]] = {}
    for row in saved.table("curves"):
        name = f"point-{row['point']}/{folders[str(row['label'])]}/seed-{row['seed']}"
        curves.setdefault(name, []).append(row)
    return curves


def _file(folder: Path, name: str) -> Path:
    with errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / name


FORMATS: Final[Mapping[str, Callable[[SavedRun | SavedStudy, Path], list[Path]]]] = {
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "tensorboard": _tensorboard,
}
