"""The tabs of a study: its axes, crossovers, best values, fronts and sensitivities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml

from scenarios.study.values import place
from sim.report.charts import Chart, Series, Source, Tab, Table, Words
from sim.report.of_run import scenario_words
from sim.saved import SavedStudy
from sim.saved.run import Row
from sim.views.quantities import BYTES, TIMES, Unit, common_unit, quantity, significant
from sim.views.studies import crossover_sentences, formatted, heading

ENERGY: tuple[Unit, ...] = (("J", 1.0), ("kJ", 1e3), ("MJ", 1e6))
MOST_CURVES = 12
PLAIN: tuple[Unit, ...] = (("", 1.0),)
MEASURES: tuple[tuple[str, str, tuple[Unit, ...]], ...] = (
    ("virtual_time_s", "virtual time", TIMES),
    ("round_time_mean_s", "time of a round", TIMES),
    ("wire_bytes_per_client_round", "wire bytes per client and round", BYTES),
    ("energy_j", "energy of the devices", ENERGY),
    ("accuracy_final", "final accuracy", PLAIN),
)


def study_source(study: SavedStudy) -> Source:
    """Return the tabs of a study."""
    rows = study.table("points")
    counted = study.summary["trainings"]
    subtitle = (
        f"{study.study.get('description', '')} {study.summary['points']} points,"
        f" {study.summary['cells']} runs of a method"
    )
    if study.summary["infeasible"]:
        subtitle += f", {study.summary['infeasible']} of which do not fit into memory"
    if counted["curves"]:
        subtitle += (
            f"; {counted['curves']} learning curves from {counted['needed']} trainings"
            f" ({counted['shared']} shared by equal learning digests)"
        )
    decisions: list[Any] = []
    crossovers = study.table("crossovers")
    if crossovers:
        rows_of = [[text] for text in crossover_sentences(crossovers, list(study.axes))]
        decisions.append(Table("crossovers", "Crossovers", ["found by bisection"], rows_of))
    best = study.table("best")
    if best:
        title = f"The best {best[0]['axis']} by {best[0]['by']}"
        decisions.append(_table("best", title, best, ("axis", "by")))
    front = study.table("pareto")
    tabs = [
        Tab("Study", [*_over_axes(study, rows), *decisions]),
        Tab("Accuracy", _curves(study)),
        Tab("Heat maps", _heat_maps(study, rows)),
        Tab(
            "Pareto",
            [*_front(rows, front), *([_table("pareto", "The front", front)] if front else [])],
        ),
        Tab("Sensitivity", _tornado(study.table("sensitivity"))),
        Tab("Points", [_points(study, rows)]),
        Tab("Scenario", [_asked(study)]),
        Tab("Provenance", [_provenance(study)]),
    ]
    return Source(study.name, subtitle.strip() + ".", [t for t in tabs if any(p for p in t.parts)])


def _asked(study: SavedStudy) -> Words:
    text = yaml.safe_dump(dict(study.study), sort_keys=False, allow_unicode=True)
    words = scenario_words(text)
    return Words("study", "The study as asked", words.lines, code=True)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _mean(values: Sequence[object]) -> float | None:
    known = [number for value in values if (number := _number(value)) is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _over_axes(study: SavedStudy, rows: Sequence[Row]) -> list[tuple[Chart, ...]]:
    """Return a line for each method over the first axis, one chart per measure and other values."""
    axis = _main_axis(study)
    steps = list(study.axes[axis])
    others = sorted({_others(row, study, axis) for row in rows}, key=str)
    places = [place(_plain(step)) for step in steps]
    kinds = {at[0] if at else None for at in places}
    numeric = len(kinds) == 1 and None not in kinds
    numbers = [at[1] for at in places if at]
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
            column_of.append(_mean(cells) if cells else None)
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
                f"{label}<br>{axis} = {step}<br>{name}: {significant(v / scale, 4)} {unit}"
                for step, v in zip(steps, values[label], strict=True)
                if v is not None
            ],
        )
        for number, label in enumerate(study.labels)
    ]
    where = ", ".join(combination)
    at = [
        (float(row["place"] or 0) / factor, str(row["better"]))
        for row in study.table("crossovers")
        if column == "virtual_time_s"
        and row["place"] is not None
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


def _curves(study: SavedStudy) -> list[tuple[Chart, ...]]:
    """Return accuracy over virtual time, a chart for each point (of many, for some of them)."""
    by_point: dict[int, dict[str, list[Row]]] = {}
    where: dict[int, str] = {}
    for row in study.table("points"):
        axes = [f"{name} = {row[name]}" for name in study.axes]
        where[int(row["point"] or 0)] = ", ".join(axes)
    first_seed = study.summary["seeds"][0]
    for row in study.table("curves"):
        if row["seed"] == first_seed:
            members = by_point.setdefault(int(row["point"] or 0), {})
            members.setdefault(str(row["label"]), []).append(row)
    points = sorted(by_point)
    if len(points) > MOST_CURVES:
        steps = np.linspace(0, len(points) - 1, MOST_CURVES).round().astype(int)
        points = [points[int(step)] for step in steps]
    charts = []
    for point in points:
        last = [float(rows[-1]["virtual_time_s"] or 0) for rows in by_point[point].values()]
        unit, scale = common_unit([max(last)], TIMES)
        series = [
            Series(
                label,
                [float(row["virtual_time_s"] or 0) / scale for row in rows],
                [row["accuracy"] for row in rows],
                list(study.labels).index(label),
            )
            for label, rows in by_point[point].items()
        ]
        charts.append(
            Chart(
                "accuracy",
                "Test accuracy over virtual time",
                "lines",
                series,
                f"virtual time ({unit})",
                "accuracy",
                choice=where[point],
                note="A click on a method in the legend hides it. First seed."
                + (
                    " Some of the points; curves.csv has all."
                    if len(by_point) > len(points)
                    else ""
                ),
            )
        )
    return [tuple(charts)] if charts else []


def _heat_maps(study: SavedStudy, rows: Sequence[Row]) -> list[tuple[Chart, ...]]:
    """Return a map of the first two axes for every measure and method; means over the rest."""
    if len(study.axes) < 2:
        return []
    one, other = list(study.axes)[-1], list(study.axes)[-2]
    xs, ys = list(study.axes[one]), list(study.axes[other])
    rest = [name for name in study.axes if name not in (one, other)]
    charts = []
    for column, name, units in MEASURES:
        for label in study.labels:
            combinations = sorted(
                {tuple(str(row[n]) for n in rest) for row in rows if row["label"] == label}
            )
            for combination in combinations:
                chart = _heat_map(
                    rows, (one, other), (xs, ys), rest, combination, label, column, name, units
                )
                if chart is not None:
                    charts.append(chart)
    return [tuple(charts)] if charts else []


def _heat_map(
    rows: Sequence[Row],
    axes: tuple[str, str],
    steps: tuple[list[str], list[str]],
    rest: Sequence[str],
    combination: tuple[str, ...],
    label: str,
    column: str,
    name: str,
    units: tuple[Unit, ...],
) -> Chart | None:
    at: dict[tuple[str, str], list[object]] = {}
    marked: set[tuple[str, str]] = set()
    for row in rows:
        if row["label"] == label and tuple(str(row[n]) for n in rest) == combination:
            key = str(row[axes[0]]), str(row[axes[1]])
            at.setdefault(key, []).append(row[column])
            if row["status"] == "infeasible":
                marked.add(key)
    cells = [[_mean(at.get((x, y), [None])) for x in steps[0]] for y in steps[1]]
    known = [v for line in cells for v in line if v is not None]
    if not known:
        return None
    unit, scale = common_unit(known, units)
    marks = [
        [
            significant(v / scale) if v is not None else "too big" if (x, y) in marked else ""
            for x, v in zip(steps[0], line, strict=True)
        ]
        for y, line in zip(steps[1], cells, strict=True)
    ]
    where = "".join(f", {text}" for text in combination)
    return Chart(
        "map",
        f"{name[0].upper()}{name[1:]} by {axes[1]} and {axes[0]}" + (f" ({unit})" if unit else ""),
        "heat",
        [Series(label, steps[0], steps[1])],
        axes[0],
        axes[1],
        choice=f"{label}, {name}{where}",
        cells=cells,
        marks=marks,
        note="'too big': does not fit into memory." if marked else "",
    )


def _front(rows: Sequence[Row], front: Sequence[Row]) -> list[tuple[Chart, ...]]:
    """Return time against bytes for every point and method; those on the front are larger marks."""
    chosen = {(row["point"], row["label"]) for row in front}
    labels = list(dict.fromkeys(str(row["label"]) for row in rows))
    times = [number for row in rows if (number := _number(row["virtual_time_s"]))]
    if not times:
        return []
    unit, scale = common_unit(times, TIMES)
    volumes = [number for row in rows if (number := _number(row["wire_bytes_per_client_round"]))]
    size, by = common_unit(volumes, BYTES)
    series = []
    for number, label in enumerate(labels):
        for on_front in (False, True):
            members = [
                row
                for row in rows
                if row["label"] == label
                and row["virtual_time_s"] is not None
                and ((row["point"], label) in chosen) == on_front
            ]
            if members:
                series.append(
                    Series(
                        f"{label}, on the front" if on_front else label,
                        [float(row["virtual_time_s"] or 0) / scale for row in members],
                        [float(row["wire_bytes_per_client_round"] or 0) / by for row in members],
                        number,
                        texts=[_about(row) for row in members],
                        bold=on_front,
                    )
                )
    return [
        (
            Chart(
                "pareto",
                "Time and bytes of every point",
                "points",
                series,
                f"virtual time ({unit})",
                f"wire bytes per client and round ({size})",
                x_log=True,
                y_log=True,
                note="The front is over all aims: also energy and accuracy, where they are known.",
            ),
        )
    ]


def _about(row: Row) -> str:
    told = ["label", "point"]
    skip = {"seed", "method", "status"}
    lines = [f"{name} = {row[name]}" for name in row if name in told]
    names = list(row)
    axes = names[names.index("point") + 1 : names.index("seed")]
    lines += [f"{name} = {row[name]}" for name in axes if name not in skip]
    time, accuracy = _number(row["virtual_time_s"]), _number(row["accuracy_final"])
    if time is not None:
        lines.append(f"virtual time {quantity(time, TIMES)}")
    if accuracy is not None:
        lines.append(f"accuracy {accuracy:.2%}")
    return "<br>".join(lines)


def _tornado(rows: Sequence[Row]) -> list[Any]:
    if not rows:
        return []
    charts = []
    for label in dict.fromkeys(str(row["label"]) for row in rows):
        own = [row for row in rows if row["label"] == label and row["base"]]
        if not own:
            continue
        base = float(own[0]["base"] or 1)
        factor = float(own[0]["factor"] or 2)
        series = []
        for number, (way, name) in enumerate(
            (("less", f"divided by {factor:g}"), ("more", f"times {factor:g}"))
        ):
            members = [row for row in own if row[way] is not None]
            changes = [float(row[way] or 0) / base - 1 for row in members]
            series.append(
                Series(
                    name,
                    changes,
                    [str(row["assumption"]) for row in members],
                    number * 5,
                    [0.0] * len(members),
                    [
                        f"{row['assumption']} {name}: {change:+.1%}"
                        for row, change in zip(members, changes, strict=True)
                    ],
                )
            )
        charts.append(
            Chart(
                "sensitivity",
                "Which assumption moves the result most",
                "range",
                series,
                f"change of the {own[0]['by']} (share of {significant(base, 4)})",
                choice=label,
                note="One assumption at a time, at the base scenario.",
            )
        )
    return [tuple(charts), _table("sensitivity", "The figures", rows)]


def _points(study: SavedStudy, rows: Sequence[Row]) -> Table:
    columns = [
        "point",
        *study.axes,
        "seed",
        "label",
        "status",
        "virtual_time_s",
        "wire_bytes_per_client_round",
        "energy_j",
        "accuracy_final",
        "curve",
        "note",
    ]
    return _table("points", "Every point", [{n: row[n] for n in columns} for row in rows])


def _table(name: str, title: str, rows: Sequence[Row], leave_out: Sequence[str] = ()) -> Table:
    columns = [c for c in rows[0] if c not in leave_out and any(r[c] is not None for r in rows)]
    texts = [[formatted(c, row[c], row) for c in columns] for row in rows]
    return Table(name, title, [heading(column) for column in columns], texts)


def _provenance(study: SavedStudy) -> Table:
    rows = []
    for key, value in study.versions.items():
        if isinstance(value, dict):
            rows += [[f"{key}: {inner}", str(at)] for inner, at in value.items()]
        elif isinstance(value, list):
            rows += [["coarse or guessed", str(figure)] for figure in value]
        elif value is not None:
            rows.append([key, str(value)])
    digests = {
        (str(row["label"]), str(row["learning_digest"]))
        for row in study.table("points")
        if row["learning_digest"] is not None
    }
    rows += [[f"learning digest of {label}", digest] for label, digest in sorted(digests)]
    note = (
        "Every time on this page is predicted by the simulator, none was measured on the devices."
    )
    return Table("provenance", "Where the figures come from", ["what", "value"], rows, note)
