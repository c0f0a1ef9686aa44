"""Measures of a study over two of its axes."""

from collections.abc import Mapping, Sequence

from cutlayer.sim.report.study_axes import Measure, measures_of
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.estimate import mean_of_all
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import common_unit, significant


def heat_maps(study: SavedStudy, rows: Sequence[Row]) -> list[tuple[Chart, ...]]:
    """Return a map of the last two axes for every measure and method, at each step of the others."""
    if len(study.axes) < 2:
        return []
    *others, y_axis, x_axis = study.axes
    cells: dict[tuple[str, ...], dict[tuple[str, str], list[Row]]] = {}
    for row in rows:
        grid = cells.setdefault((str(row["label"]), *(str(row[name]) for name in others)), {})
        grid.setdefault((str(row[x_axis]), str(row[y_axis])), []).append(row)
    maps = sorted(cells, key=lambda key: (list(study.labels).index(key[0]), key[1:]))
    charts = [
        chart
        for measure in measures_of(study)
        for key in maps
        if (chart := _heat_map(study, (x_axis, y_axis), key, cells[key], measure)) is not None
    ]
    return [tuple(charts)] if charts else []


def _heat_map(
    study: SavedStudy,
    axes: tuple[str, str],
    key: tuple[str, ...],
    grid: Mapping[tuple[str, str], Sequence[Row]],
    measure: Measure,
) -> Chart | None:
    column, name, units = measure
    xs, ys = (list(study.axes[axis]) for axis in axes)
    cells = [[mean_of_all(row[column] for row in grid.get((x, y), ())) for x in xs] for y in ys]
    known = [value for line in cells for value in line if value is not None]
    if not known:
        return None
    unit, scale = common_unit(known, units)
    too_big = {at for at, rows in grid.items() if any(r["status"] == "infeasible" for r in rows)}
    marks = [
        [
            "too big"
            if v is None and (x, y) in too_big
            else significant(v / scale)
            if v is not None
            else ""
            for x, v in zip(xs, line, strict=True)
        ]
        for y, line in zip(ys, cells, strict=True)
    ]
    label, *steps = key
    others = [f"{other} = {step}" for other, step in zip(study.axes, steps, strict=False)]
    return Chart(
        "map",
        f"{name[0].upper()}{name[1:]} by {axes[1]} and {axes[0]}" + (f" ({unit})" if unit else ""),
        "heat",
        [Series(label, xs, ys)],
        *axes,
        choice=", ".join((label, name, *others)),
        cells=cells,
        marks=marks,
        note="'too big': it does not fit into memory." if too_big else "",
    )
