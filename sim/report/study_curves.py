"""Accuracy over virtual time at the points of a study."""

import numpy as np

from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import TIMES, common_unit

MOST_CURVES = 12


def accuracy_charts(study: SavedStudy) -> list[tuple[Chart, ...]]:
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
