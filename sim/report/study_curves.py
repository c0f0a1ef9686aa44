"""The task's metric, such as accuracy, over virtual time at the points of a study."""

import numpy as np

from cutlayer.sim.results.columns import Value
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.tasks.metric import ACCURACY, Metric
from cutlayer.sim.views.accuracy import (
    LEGEND_NOTE,
    accuracy_series,
    mean_curve,
    seeds_note,
    y_title,
)
from cutlayer.sim.views.charts import Chart
from cutlayer.sim.views.quantities import TIMES, common_unit

MOST_CURVES = 12

Seeds = dict[Value, dict[int, tuple[float, float, float]]]  # evaluations by seed and round


def accuracy_charts(study: SavedStudy) -> list[tuple[Chart, ...]]:
    """Return the metric over virtual time, a chart for each point (of many, for some of them)."""
    where = {
        row["point"]: ", ".join(f"{name} = {row[name]}" for name in study.axes)
        for row in study.table("points")
    }
    metric = Metric.read(study.summary.get("metric"))
    evaluations: dict[Value, dict[str, Seeds]] = {point: {} for point in where}
    for row in study.table("curves"):
        seeds = evaluations[row["point"]].setdefault(str(row["label"]), {})
        column = "accuracy" if metric == ACCURACY else "value"
        time, sent, value = (
            float(row[name] or 0) for name in ("virtual_time_s", "wire_bytes", column)
        )
        seeds.setdefault(row["seed"], {})[int(row["round"] or 0)] = time, sent, value
    points = [point for point, of_method in evaluations.items() if of_method]
    if len(points) <= MOST_CURVES:
        drawn, note = points, ""
    else:
        steps = np.linspace(0, len(points) - 1, MOST_CURVES).round().astype(int)
        drawn, note = [points[i] for i in steps], " Some of the points; curves.csv has all."
    charts = []
    for point in drawn:
        curves = {
            label: curve
            for label, seeds in evaluations[point].items()
            if (curve := mean_curve(list(seeds.values())))["time"]
        }
        if not curves:
            continue
        unit, scale = common_unit([max(curve["time"][-1] for curve in curves.values())], TIMES)
        title = f"virtual time ({unit})"
        series = [
            accuracy_series(
                label, curve, list(study.labels).index(label), "time", scale, title, metric
            )
            for label, curve in curves.items()
        ]
        charts.append(
            Chart(
                "accuracy",
                f"Test {metric.title} over virtual time",
                "lines",
                series,
                title,
                y_title(metric),
                choice=where[point],
                note=LEGEND_NOTE + seeds_note(len(study.summary["seeds"])) + note,
            )
        )
    return [tuple(charts)] if charts else []
