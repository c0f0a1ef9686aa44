"""Measures of a study over two of its axes."""

from collections.abc import Sequence

from cutlayer.sim.report.study_axes import MEASURES
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.estimate import mean_of_all
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import Unit, common_unit, significant


def heat_maps(study: SavedStudy, rows: Sequence[Row]) -> list[tuple[Chart, ...]]:
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
    cells = [[mean_of_all(at.get((x, y), [None])) for x in steps[0]] for y in steps[1]]
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
        note="'too big': it does not fit into memory." if marked else "",
    )
