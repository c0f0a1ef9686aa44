"""A run's folder: what was asked first, rows as rounds close, the status last.

scenario.yaml   the scenario as resolved          summary.json    the contract (status last)
rounds.csv      a row for each method and round   accuracy.csv    a row for each evaluation
events.npz      the kept intervals, in columns    trace.json      the same, for Perfetto
links.csv       a row for each link or medium     devices.csv     a row for each client's device
plots/          pictures
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import numpy as np
import yaml

from sim.atomic_files import OutputError, write_json
from sim.log import COLUMNS, SERVER, Kind, Label
from sim.results import MethodResult, RunResult
from sim.round_results import RoundResult

__all__ = ["OutputError", "RunFolder", "event_columns", "fresh_folder", "write_json", "write_seeds"]

ACCURACY_COLUMNS = ("label", "method", "round", "virtual_time_s", "metric", "value")


def fresh_folder(out: Path | None, name: str) -> Path:
    """Return the folder for a run, not made yet: `out`, or the next free runs/NAME, runs/NAME-2, ....

    Raises OutputError if `out` holds something already or cannot be looked at.
    """
    if out is None:
        number = 1
        target = Path("runs", name)
        while target.exists():
            number += 1
            target = Path("runs", f"{name}-{number}")
        return target
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise _unwritable(out, error) from None
    if taken:
        raise OutputError(f"--out {out} exists and is not empty; name a new folder")
    return out


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"folder {folder} cannot be written: {error.strerror}")


class RunFolder:
    """Writes one seed's run as it goes. Raises OutputError if its folder cannot be made."""

    def __init__(self, path: Path, result: RunResult) -> None:
        self.path = path
        self._writer: csv.DictWriter[str] | None = None
        try:
            self._begin(path, result)
        except OSError as error:
            raise _unwritable(path, error) from None

    def _begin(self, path: Path, result: RunResult) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "scenario.yaml").write_text(
            yaml.safe_dump(result.scenario, sort_keys=False, allow_unicode=True)
        )
        write_json(path / "versions.json", {"seed": result.seed} | result.versions)
        self._rounds: TextIO = (path / "rounds.csv").open("w", newline="")
        self._accuracy: TextIO = (path / "accuracy.csv").open("w", newline="")
        csv.writer(self._accuracy).writerow(ACCURACY_COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rounds.close()
        self._accuracy.close()

    def add(self, label: str, method: str, closed: RoundResult) -> None:
        """Write a round that has just closed."""
        row = closed.row(label, method)
        if self._writer is None:
            self._writer = csv.DictWriter(self._rounds, fieldnames=list(row))
            self._writer.writeheader()
        self._writer.writerow(row)
        self._rounds.flush()
        if closed.accuracy is not None:
            csv.writer(self._accuracy).writerow(
                [label, method, closed.index, closed.virtual_time_s, "accuracy", closed.accuracy]
            )
            self._accuracy.flush()

    def finish(self, result: RunResult) -> None:
        """Write the intervals and, last of all, the summary with its status."""
        for name, table in (("links", result.links_table()), ("devices", result.devices_table())):
            with (self.path / f"{name}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(table)
                writer.writerows(zip(*table.values(), strict=True))
        np.savez_compressed(self.path / "events.npz", **event_columns(result.methods))
        write_json(self.path / "summary.json", result.summary())


def event_columns(methods: Mapping[str, MethodResult]) -> dict[str, Any]:
    """Return the kept intervals of all methods as columns; times are virtual seconds of the run.

    `actor` and `peer` index into `actor_names`, `method` into `labels`, `kind` and `label` into
    `kind_names` and `label_names`. `cause` counts rows of the same round.
    """
    names: dict[str, int] = {"server": 0}
    parts: dict[str, list[Any]] = {key: [] for key in (*COLUMNS, "method", "round")}
    for number, result in enumerate(methods.values()):
        for kept in result.kept:
            intervals = kept.record.intervals
            places = [names.setdefault(name, len(names)) for name in kept.participants]
            table = np.array([*places, names["server"]], dtype=np.int32)
            for column in COLUMNS:
                values = getattr(intervals, column)
                if column in ("start", "end"):
                    values = values + kept.start_s
                elif column in ("actor", "peer"):
                    values = table[np.where(values == SERVER, len(places), values)]
                parts[column].append(values)
            parts["method"].append(np.full(len(intervals), number, dtype=np.int16))
            parts["round"].append(np.full(len(intervals), kept.index, dtype=np.int32))
    columns = {
        key: np.concatenate(values) if values else np.zeros(0) for key, values in parts.items()
    }
    return columns | {
        "actor_names": np.array(list(names)),
        "labels": np.array(list(methods)),
        "kind_names": np.array([kind.name.lower() for kind in Kind]),
        "label_names": np.array([label.name.lower() for label in Label]),
    }


def write_seeds(results: Sequence[RunResult], path: Path) -> None:
    """Write what several seeds of one scenario have in common: means and 95 % t-intervals."""
    from sim.views.estimate import by_label, estimate

    methods: dict[str, Any] = {}
    for label, runs in by_label(results).items():
        curves = [run.curve for run in runs]
        values: dict[str, Sequence[float | None]] = {
            "virtual_time_s": [run.virtual_time_s for run in runs],
            "wire_bytes": [float(run.wire_bytes) for run in runs],
            "final_accuracy": [curve[-1][1] if curve else None for curve in curves],
            "best_accuracy": [max(v for _, v in curve) if curve else None for curve in curves],
        }
        methods[label] = {}
        for name, column in values.items():
            found = estimate(column)
            methods[label][name] = (
                None
                if found is None
                else {
                    "mean": found.mean,
                    "half_width_95": found.half_width,
                    "seeds": found.count,
                }
            )
    status = "complete" if all(r.status == "complete" for r in results) else "stopped"
    content = {
        "schema": 1,
        "status": status,
        "scenario": results[0].scenario,
        "seeds": [result.seed for result in results],
        "methods": methods,
    }
    write_json(path, content)
