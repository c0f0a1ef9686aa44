"""Write a run's folder: the scenario first, rows as rounds close, the status last.

cutlayer.json   the marker of the folder          scenario.yaml   the scenario as resolved
rounds.csv      a row per method and round        accuracy.csv    a row per evaluation and metric
events.npz      the kept intervals, in columns    trace.json      the same, for Perfetto
links.csv       a row per link or medium          devices.csv     a row per client's device
utilisation.csv how busy links are over time       draws.csv, factors.csv, if asked for
updates.csv     a row per update of an asynchronous method, if there is one
decisions.csv   the decisions of a controller, if there is one
classes.csv     accuracy per class, and clients.csv per client, if something was trained
models/         trained models, if asked for
plots/          figures                           versions.json   versions behind the numbers
checksums.sha256                                  summary.json    the summary with the status

Rows are appended and flushed as rounds close. At the end every file is written again, whole or not at
all, then the checksums of all files, then the summary. If there is a summary, all files are whole.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import yaml

from cutlayer.sim.files.atomic import (
    OutputError,
    errors_named,
    json_text,
    whole_file,
    whole_text,
    write_json,
    write_text,
)
from cutlayer.sim.files.checksums import CHECKSUMS, read_checksums, write_checksums
from cutlayer.sim.files.csv_text import CsvWriter, write_rows
from cutlayer.sim.log.intervals import COLUMNS, Activity, Phase
from cutlayer.sim.process.interrupts import held_back, let_in
from cutlayer.sim.results.columns import (
    DRAW_TABLES,
    NOT_IN_EVERY_RUN,
    RUN_TABLES,
    Row,
    method_row,
)
from cutlayer.sim.results.estimate import by_label, estimate
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.tasks.metric import ACCURACY

SUMMARY: Final = "summary.json"
MODELS: Final = "models/*.safetensors"
DATA: Final = (
    *("scenario.yaml", "versions.json", "events.npz"),
    *(f"{table}.csv" for table in RUN_TABLES if table not in NOT_IN_EVERY_RUN),
)

Views = Callable[[RunResult, Path], Sequence[Path]]


def no_views(_: RunResult, __: Path) -> Sequence[Path]:
    """Add no files."""
    return ()


class RunFolder:
    """Writes one seed's run into a claimed folder as it goes. Raises OutputError."""

    def __init__(self, path: Path, result: RunResult) -> None:
        self.path = path
        for file in (SUMMARY, CHECKSUMS):  # of an earlier run into a folder that is continued
            with errors_named(path / file):
                (path / file).unlink(missing_ok=True)
        write_text(
            path / "scenario.yaml",
            yaml.safe_dump(result.scenario, sort_keys=False, allow_unicode=True),
        )
        write_json(path / "versions.json", {"seed": result.seed} | result.versions)
        self._rounds = _GrowingTable(path, "rounds")
        self._accuracy = _GrowingTable(path, "accuracy")
        self._further: list[str] = []  # files that not every run has

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for table in (self._rounds, self._accuracy):
            try:
                table.text.close()
            except OSError as unwritten:
                if error is None:
                    raise OutputError(f"{table.file} cannot be written: {unwritten}") from None

    def add(self, label: str, method: str, closed: RoundResult) -> None:
        """Write a closed round. Raises OutputError, also if the folder was removed."""
        if not self.path.is_dir():
            raise OutputError(f"{self.path} was removed while the run wrote to it")
        self._rounds.add(method_row(label, method, "rounds", closed))
        for figure in closed.evaluated:
            self._accuracy.add(method_row(label, method, "accuracy", (closed, *figure)))

    def finish(self, result: RunResult, views: Views = no_views) -> None:
        """Write the tables, the intervals, the files of `views`, and last the summary with the status.

        Ctrl-C leaves out the files that `views` has not written yet.
        """
        with held_back():
            self._write_data(result)
            pictures: Sequence[Path] = ()
            try:
                with let_in():
                    pictures = views(result, self.path)
            except KeyboardInterrupt:
                result.status = "stopped"
            models = sorted(self.path.glob(MODELS))
            names = [
                *DATA,
                *self._further,
                *(file.relative_to(self.path).as_posix() for file in models),
                *(path.relative_to(self.path).as_posix() for path in pictures),
            ]
            _write_summary(self.path, result, names)

    def _write_data(self, result: RunResult) -> None:
        """Write all tables, including those that grew as rounds closed, and the intervals."""
        tables = {table: result.rows_of(table) for table in ("rounds", "links", "devices")}
        further = {table: result.rows_of(table) for table in NOT_IN_EVERY_RUN}
        tables |= {table: rows for table, rows in further.items() if rows}
        self._further = [f"{table}.csv" for table in further if table in tables]
        tables["utilisation"] = result.rows_of("utilisation")
        for table, rows in tables.items():
            with whole_text(self.path / f"{table}.csv") as file:
                write_rows(file, rows)
        with whole_text(self.path / "accuracy.csv") as file:  # with a header even if it has no rows
            writer = CsvWriter(file, _columns("accuracy"))
            for row in result.rows_of("accuracy"):
                writer.add(row)
        with whole_file(self.path / "events.npz") as part, part.open("wb") as file:
            np.savez_compressed(file, **event_columns(result.methods))


def write_draws(folder: Path, result: RunResult) -> None:
    """Add the draws to the folder of a finished run and write its summary again. Raises OutputError."""
    with held_back():
        for table in DRAW_TABLES:
            with whole_text(folder / f"{table}.csv") as file:
                write_rows(file, result.rows_of(table))
        listed = [name for name in read_checksums(folder) if name != SUMMARY]
        names = dict.fromkeys([*listed, *(f"{table}.csv" for table in DRAW_TABLES)])
        with errors_named(folder / SUMMARY):
            (folder / SUMMARY).unlink(missing_ok=True)  # if there is a summary, all files are whole
        _write_summary(folder, result, names)


def _write_summary(folder: Path, result: RunResult, files: Iterable[str]) -> None:
    """Write the checksums of the files, and last the summary."""
    summary = json_text(result.summary())
    write_checksums(folder, files, {SUMMARY: summary.encode()})
    write_text(folder / SUMMARY, summary)


class _GrowingTable:
    """A table that grows as rounds close; its header is flushed with its first row."""

    def __init__(self, folder: Path, table: str) -> None:
        self.file = folder / f"{table}.csv"
        with errors_named(self.file):
            self.file.unlink(missing_ok=True)  # of an earlier run into a folder that is continued
            self.text = self.file.open("x", encoding="utf-8", newline="")
            self._writer = CsvWriter(self.text, _columns(table))

    def add(self, row: Row) -> None:
        with errors_named(self.file):
            self._writer.add(row)
            self.text.flush()


def _columns(table: str) -> list[str]:
    return [column.name for column in RUN_TABLES[table]]


def event_columns(methods: Mapping[str, MethodResult]) -> dict[str, Any]:
    """Return the kept intervals of all methods as columns; times are virtual seconds of the run.

    `actor` and `peer` index into `actor_names`, `method` into `labels`, `phase` and `activity` into
    `phase_names` and `activity_names`. `cause` counts rows of the same round.
    """
    names: dict[str, int] = {"server": 0}
    parts: dict[str, list[Any]] = {key: [] for key in (*COLUMNS, "method", "round")}
    for number, result in enumerate(methods.values()):
        for kept in result.kept:
            intervals = kept.record.intervals
            places = [names.setdefault(name, len(names)) for name in kept.participants]
            # Nodes have negative numbers, which count from the end: -1 is the server.
            edges = [names.setdefault(name, len(names)) for name in reversed(kept.edges)]
            table = np.array([*places, *edges, names["server"]], dtype=np.int32)
            for column in COLUMNS:
                values = getattr(intervals, column)
                if column in ("start", "end"):
                    values = values + kept.start_s
                elif column in ("actor", "peer"):
                    values = table[values]
                parts[column].append(values)
            parts["method"].append(np.full(len(intervals), number, dtype=np.int16))
            parts["round"].append(np.full(len(intervals), kept.index, dtype=np.int32))
    columns = {
        key: np.concatenate(values) if values else np.zeros(0) for key, values in parts.items()
    }
    return columns | {
        "actor_names": np.array(list(names)),
        "labels": np.array(list(methods)),
        "phase_names": np.array([phase.name.lower() for phase in Phase]),
        "activity_names": np.array([activity.name.lower() for activity in Activity]),
    }


def write_seeds(results: Sequence[RunResult], path: Path) -> None:
    """Write means and 95 % t-intervals over several seeds of one scenario."""
    figures = ["virtual_time_s", "wire_bytes", "final_accuracy", "best_accuracy"]
    if any(method.metric != ACCURACY for run in results for method in run.methods.values()):
        figures += ["final", "best"]
    methods = {
        label: {name: _over_seeds([getattr(run, name) for run in runs]) for name in figures}
        for label, runs in by_label(results).items()
    }
    statuses = [result.status for result in results]
    content = {
        "schema": 1,
        "status": next((s for s in ("stopped", "stalled") if s in statuses), "complete"),
        "scenario": results[0].scenario,
        "seeds": [result.seed for result in results],
        "methods": methods,
    }
    write_json(path, content)


def _over_seeds(values: Sequence[float | None]) -> dict[str, float | None] | None:
    found = estimate(values)
    if found is None:
        return None
    return {"mean": found.mean, "half_width_95": found.half_width, "seeds": found.count}
