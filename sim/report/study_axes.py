"""Measures of a study over one of its axes, a line for each method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from cutlayer.scenarios.study.values import unit_and_number
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.estimate import Estimate, estimate_of_all
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.tasks.metric import ACCURACY, Metric
from cutlayer.sim.views.accuracy import seeds_note
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import BYTES, TIMES, Unit, brackets, common_unit, spread
from cutlayer.sim.views.style import needs_log

Measure = tuple[str, str, tuple[Unit, ...]]  # column, name, units

MEASURES: tuple[Measure, ...] = (
    ("virtual_time_s", "virtual time", TIMES),
    ("round_time_mean_s", "time of a round", TIMES),
    ("wire_bytes_per_client_round", "traffic per client and round", BYTES),
    ("energy_j", "device energy", (("J", 1.0), ("kJ", 1e3), ("MJ", 1e6))),
    ("accuracy_final", "final accuracy", (("%", 0.01),)),
)


def measures_of(study: SavedStudy) -> tuple[Measure, ...]:
    """Return the measures of a study; the last one is its task's metric."""
    metric = Metric.read(study.summary.get("metric"))
    if metric == ACCURACY:
        return MEASURES
    units = (("%", 0.01),) if metric.is_share else (("", 1.0),)
    return (*MEASURES, ("metric_final", f"final {metric.title}", units))


DRAWN = {"virtual_time_s": "virtual_time", "round_time_mean_s": "round_time"}  # in points.csv


@dataclass(frozen=True)
class _Axis:
    """The axis to the right: its steps, their positions in units of `factor`, and its title."""

    name: str
    steps: Sequence[str]
    x: Sequence[Any]
    title: str
    log: bool
    factor: float


def over_axes(study: SavedStudy, rows: Sequence[Row]) -> list[tuple[Chart, ...]]:
    """Return a line for each method over the first axis, one chart per measure and other values."""
    decision = study.study.get("crossovers") or study.study.get("best") or {}
    named = str(decision.get("axis"))
    axis = _axis(study, named if named in study.axes else next(iter(study.axes)))
    others = [name for name in study.axes if name != axis.name]
    cells: dict[tuple[str, ...], dict[tuple[str, str], list[Row]]] = {}
    for row in rows:
        where = cells.setdefault(tuple(str(row[name]) for name in others), {})
        where.setdefault((str(row["label"]), str(row[axis.name])), []).append(row)
    charts = [
        chart
        for measure in measures_of(study)
        for combination in sorted(cells, key=str)
        if (chart := _line_chart(study, axis, combination, cells[combination], measure)) is not None
    ]
    return [tuple(charts)] if charts else []


def _axis(study: SavedStudy, name: str) -> _Axis:
    steps = list(study.axes[name])
    known = [unit_and_number(_plain(step)) for step in steps]
    units = {one[0] if one else None for one in known}
    numbers = [one[1] for one in known if one]
    if len(units) > 1 or None in units:
        return _Axis(name, steps, steps, name, log=False, factor=1.0)
    (kind,) = units
    unit, factor = "", 1.0
    if kind == "bit/s":
        unit, factor = "Mbit/s", 125_000.0
    elif kind in ("s", "B"):
        unit, factor = common_unit(numbers, TIMES if kind == "s" else BYTES)
    title = f"{name} ({unit})" if unit else name
    log = min(numbers) > 0 and needs_log(numbers)
    return _Axis(name, steps, [number / factor for number in numbers], title, log, factor)


def _line_chart(
    study: SavedStudy,
    axis: _Axis,
    combination: tuple[str, ...],
    cells: Mapping[tuple[str, str], Sequence[Row]],
    measure: Measure,
) -> Chart | None:
    column, name, units = measure
    values = {
        (label, step): estimate
        for (label, step), rows in cells.items()
        if (estimate := estimate_of_all(row[column] for row in rows)) is not None
    }
    if not values:
        return None
    means = [estimate.mean for estimate in values.values()]
    unit, scale = common_unit(means, units)
    y_log = min(means) > 0 and needs_log(means)
    # A logarithmic axis has no 0, where a wide band would end.
    bounds = (min(means) / scale / 10 if y_log else 0.0, 100.0 if unit == "%" else inf)
    series = []
    for number, label in enumerate(study.labels):
        line: list[tuple[str, Any, Estimate]] = [
            (step, x, values[label, step])
            for step, x in zip(axis.steps, axis.x, strict=True)
            if (label, step) in values
        ]
        half = [(estimate.half_width or 0.0) / scale for _, _, estimate in line]
        texts = [
            f"{label}\n{axis.name} = {step}\n{name}: {spread(estimate, scale, 4)} {unit}"
            for step, _, estimate in line
        ]
        x, y = [x for _, x, _ in line], [estimate.mean / scale for _, _, estimate in line]
        band = half if any(half) else None
        known = [_interval(cells[label, step], column) for step, _, _ in line]
        ends = [(low / scale, high / scale) for low, high in filter(None, known)]
        whole = ends if ends and len(ends) == len(line) else None
        if whole is not None:
            pairs = zip(texts, whole, strict=True)
            texts = [f"{text}\n{brackets(*end)} over the draws" for text, end in pairs]
        series.append(
            Series(label, x, y, number, texts=texts, half=band, ends=whole, bounds=bounds)
        )
    others = [other for other in study.axes if other != axis.name]
    rows_here = [
        row
        for row in study.table("crossovers")
        if column == "virtual_time_s"
        and row["value_si"] is not None
        and tuple(str(row[other]) for other in others) == combination
    ]
    crossovers = [
        (float(row["value_si"] or 0) / axis.factor, str(row["better"])) for row in rows_here
    ]
    spans = [
        (float(row["drawn_low"] or 0) / axis.factor, float(row["drawn_high"] or 0) / axis.factor)
        for row in rows_here
        if row.get("drawn_low") is not None
    ]
    note = "Dotted: where one method overtakes another." if crossovers else ""
    note += " Grey: the same over the draws." if spans else ""
    return Chart(
        f"over-{axis.name}",
        f"Over {axis.name}",
        "lines",
        series,
        axis.title,
        f"{name} ({unit})" if unit else name,
        x_log=axis.log,
        y_log=y_log,
        choice=", ".join((name, *map(" = ".join, zip(others, combination, strict=True)))),
        lines_at=crossovers,
        spans=spans,
        note=(note + seeds_note(len(study.summary["seeds"])) + _band_note(study, series)).strip(),
    )


def _band_note(study: SavedStudy, series: Sequence[Series]) -> str:
    known = study.uncertainty
    if known is None or not any(one.ends for one in series):
        return ""
    return f" Bands: {known['interval']:.0%} intervals over {known['draws']} draws."


def _interval(rows: Sequence[Row], column: str) -> tuple[float, float] | None:
    """Return the interval of a figure over the draws, which the first seed has."""
    name = DRAWN.get(column)
    for row in rows if name else ():
        low, high = row.get(f"{name}_low_s"), row.get(f"{name}_high_s")
        if isinstance(low, int | float) and isinstance(high, int | float):
            return float(low), float(high)
    return None


def _plain(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
