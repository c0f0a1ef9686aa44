"""The result of a study: a result for every cell, counts of trainings, decisions, and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cutlayer.scenarios.study import LoadedStudy, Point
from cutlayer.sim.results.columns import (
    ASYNC_COLUMNS,
    DIGESTS,
    METRIC_COLUMNS,
    RESULT_COLUMNS,
    Column,
    Row,
    by_column,
)
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.studies.cells import Cell
from cutlayer.sim.tasks.metric import ACCURACY, Metric
from cutlayer.sim.uncertainty.statistics import FIGURES, Array, interval_of


@dataclass
class Trainings:
    """Counts of trainings and learning curves.

    `needed` distinct trainings give `curves` curves; `shared` curves come from the training of another
    point or method. `alone` cells could only be trained by themselves.
    """

    needed: int = 0
    curves: int = 0
    alone: int = 0

    @property
    def shared(self) -> int:
        """Curves that needed no training of their own."""
        return self.curves - self.needed


@dataclass
class CellResult:
    """One row of a study: a cell's result, or why it has none."""

    point: Point
    cell: Cell
    result: MethodResult | None = None
    infeasible: str | None = None
    curve: str | None = None  # "own", "shared", "alone"; None if nothing was trained
    draws: Mapping[str, Array] | None = None  # columns of draws.csv, one value per draw

    @property
    def status(self) -> str:
        """`infeasible`, `stalled` or `complete`."""
        if self.result is None:
            return "infeasible"
        return "stalled" if self.result.stalled else "complete"

    @property
    def best_target(self) -> float | None:
        """The target that is hardest to reach."""
        metric = ACCURACY if self.result is None else self.result.metric
        return metric.best(self.cell.targets)


@dataclass
class StudyResult:
    """A study's results, in the order of its points, seeds and methods."""

    study: LoadedStudy
    versions: Mapping[str, Any]
    cells: list[CellResult] = field(default_factory=list)
    trainings: Trainings = field(default_factory=Trainings)
    decisions: dict[str, list[Row]] = field(default_factory=dict)
    path: Path | None = None
    new: dict[str, int] = field(default_factory=dict)  # counts of what was not stored before

    @property
    def metric(self) -> Metric:
        """The first metric of the task."""
        results = (found.result for found in self.cells)
        return next((result.metric for result in results if result is not None), ACCURACY)

    @property
    def labels(self) -> list[str]:
        """The methods' labels, in order of appearance."""
        return list(dict.fromkeys(found.cell.label for found in self.cells))

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return list(dict.fromkeys(found.cell.seed for found in self.cells))

    def at(self, point: int, label: str, seed: int | None = None) -> MethodResult | None:
        """Return the result of a method at a point, by default of the first seed."""
        wanted = self.seeds[0] if seed is None else seed
        for found in self.by_point[point, label]:
            if found.cell.seed == wanted:
                return found.result
        raise KeyError((point, label, wanted))

    @cached_property
    def by_point(self) -> Mapping[tuple[int, str], list[CellResult]]:
        """The rows by point number and label, one per seed; read it only when all rows are there."""
        rows: dict[tuple[int, str], list[CellResult]] = {}
        for found in self.cells:
            rows.setdefault((found.point.number, found.cell.label), []).append(found)
        return rows

    def table(self) -> dict[str, list[Any]]:
        """Return points.csv as columns; `pandas.DataFrame(study.table())` takes it."""
        return by_column(point_rows(self))


def point_rows(study: StudyResult) -> list[Row]:
    """Return the rows of points.csv; figures that were not measured are None."""
    targets = sorted({t for found in study.cells for t in found.cell.targets})
    results = [found.result for found in study.cells]
    waits = all(result is None or result.update_summary is None for result in results)
    columns = RESULT_COLUMNS if waits else (*RESULT_COLUMNS, *ASYNC_COLUMNS)
    if study.metric != ACCURACY:
        columns = (*columns, *METRIC_COLUMNS)
    rows = [_point_row(found, targets, columns) for found in study.cells]
    section = study.study.base.scenario.uncertainty
    if section is not None:
        for row, found in zip(rows, study.cells, strict=True):
            row |= _interval_columns(found, section.interval)
    return rows


def _interval_columns(found: CellResult, level: float) -> Row:
    """Return the ends of the intervals over the draws; None without draws or if one has no time."""
    row: Row = {}
    for figure in FIGURES:
        values = None if found.draws is None else found.draws.get(figure)
        interval = None if values is None else interval_of(values, level)
        low, _, high = (None, None, None) if interval is None else interval
        name = figure.removesuffix("_s")
        row |= {f"{name}_low_s": low, f"{name}_high_s": high}
    return row


def curve_rows(study: StudyResult) -> list[Row]:
    """Return the rows of curves.csv: every evaluation of every cell."""
    rows: list[Row] = []
    for found in study.cells:
        key: Row = {"point": found.point.number, "seed": found.cell.seed, "label": found.cell.label}
        wire_bytes = 0
        for closed in found.result.rounds if found.result else ():
            wire_bytes += closed.wire_up + closed.wire_down
            value = closed.value(study.metric.name)
            if value is not None:
                row: Row = {**key, "round": closed.index, "virtual_time_s": closed.virtual_time_s}
                row |= {"wire_bytes": wire_bytes, "accuracy": closed.accuracy}
                if study.metric != ACCURACY:
                    row |= {"metric": study.metric.name, "value": value}
                rows.append(row)
    return rows


def _point_row(found: CellResult, targets: Sequence[float], columns: Sequence[Column]) -> Row:
    result = found.result
    row: Row = {
        "point": found.point.number,
        **found.point.labels,
        "seed": found.cell.seed,
        "label": found.cell.label,
        "method": found.cell.method,
        "status": found.status,
        **{c.name: None if result is None else c.value(result) for c in columns},
    }
    for target in targets:
        row[f"time_to_{target}_s"] = None if result is None else result.time_to(target)
        row[f"bytes_to_{target}"] = None if result is None else result.bytes_to(target)
    for name in DIGESTS:
        row[name] = None if result is None else getattr(result, name)
    row["curve"] = found.curve
    row["note"] = found.infeasible if result is None else result.ended
    return row
