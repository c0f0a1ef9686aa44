"""Measures of a study over one of its axes, a line for each method."""

from collections.abc import Sequence
from typing import Any

from cutlayer.scenarios.study.values import unit_and_number
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.estimate import mean_of_all
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import BYTES, TIMES, Unit, common_unit, significant

ENERGY: tuple[Unit, ...] = (("J", 1.0), ("kJ", 1e3), ("MJ", 1e6))
PLAIN: tuple[Unit, ...] = (("", 1.0),)
MEASURES: tuple[tuple[str, str, tuple[Unit, ...]], ...] = (
    ("virtual_time_s", "virtual time", TIMES),
    ("round_time_mean_s", "time of a round", TIMES),
    ("wire_bytes_per_client_round", "traffic per client and round", BYTES),
    ("energy_j", "device energy", ENERGY),
    ("accuracy_final", "final accuracy", PLAIN),
)


def over_axes(study: SavedStudy, rows: Sequence[Row]) -> list[tuple[Chart, ...]]:
    """Return a line for each method over the first axis, one chart per measure and other values."""
    axis = _main_axis(study)
    steps = list(study.axes[axis])
    others = sorted({_others(row, study, axis) for row in rows}, key=str)
    known = [unit_and_number(_plain(step)) for step in steps]
    kinds = {one[0] if one else None for one in known}
    numeric = len(kinds) == 1 and None not in kinds
    numbers = [one[1] for one in known if one]
    unit, factor = "", 1.0
    if numeric and kinds == {"bit/s"}:
        unit, factor = "Mbit/s", 125_000.0
    elif numeric and kinds == {"s"}:
        unit, factor = common_unit(numbers, TIMES)
    elif numeric and kinds == {"B"}:
        unit, factor = common_unit(numbers, BYTES)
    log = numeric and min(numbers) > 0 and max(numbers) / min(numbers) > 20
    found = []
    for column, name, units in MEASURES:
        charts = []
        for combination in others:
            chart = _line_chart(
                study,
                rows,
                axis,
                combination,
                column,
                name,
                units,
                [number / factor for number in numbers] if numeric else steps,
                f"{axis} ({unit})" if unit else axis,
                log,
                factor,
            )
            if chart is not None:
                charts.append(chart)
        found += charts
    return [tuple(found)] if found else []


def _line_chart(
    study: SavedStudy,
    rows: Sequence[Row],
    axis: str,
    combination: tuple[str, ...],
    column: str,
    name: str,
    units: tuple[Unit, ...],
    x: Sequence[Any],
    x_title: str,
    x_log: bool,
    factor: float,
) -> Chart | None:
    steps = list(study.axes[axis])
    values: dict[str, list[float | None]] = {}
    for label in study.labels:
        column_of = []
        for step in steps:
            cells = [
                row[column]
                for row in rows
                if row["label"] == label
                and str(row[axis]) == step
                and _others(row, study, axis) == combination
            ]
            column_of.append(mean_of_all(cells))
        values[label] = column_of
    known = [v for column_of in values.values() for v in column_of if v is not None]
    if not known:
        return None
    unit, scale = common_unit(known, units)
    series = [
        Series(
            label,
            [at for at, v in zip(x, values[label], strict=True) if v is not None],
            [v / scale for v in values[label] if v is not None],
            number,
            texts=[
                f"{label}\n{axis} = {step}\n{name}: {significant(v / scale, 4)} {unit}"
                for step, v in zip(steps, values[label], strict=True)
                if v is not None
            ],
        )
        for number, label in enumerate(study.labels)
    ]
    where = ", ".join(combination)
    at = [
        (float(row["value_si"] or 0) / factor, str(row["better"]))
        for row in study.table("crossovers")
        if column == "virtual_time_s"
        and row["value_si"] is not None
        and tuple(str(row[n]) for n in study.axes if n != axis) == combination
    ]
    positive = min(known) > 0
    return Chart(
        f"over-{axis}",
        f"Over {axis}",
        "lines",
        series,
        x_title,
        f"{name} ({unit})" if unit else name,
        x_log=x_log,
        y_log=positive and max(known) / min(known) > 20,
        choice=name + (f", {where}" if where else ""),
        lines_at=at,
        note="Dotted: where one method overtakes another." if at else "",
    )


def _main_axis(study: SavedStudy) -> str:
    asked = study.study.get("crossovers") or study.study.get("best") or {}
    named = str(asked.get("axis"))
    return named if named in study.axes else next(iter(study.axes))


def _others(row: Row, study: SavedStudy, axis: str) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in study.axes if name != axis)


def _plain(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
