"""Accuracy of a run over virtual time, bytes and rounds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutlayer.sim.report.charts import Chart, Series, Tab, Table
from cutlayer.sim.report.numbers import mean
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit, quantity


def accuracy_tabs(runs: Sequence[SavedRun]) -> list[Tab]:
    """Return the accuracy tab, or none where nothing was trained; means over the seeds."""
    labels = [label for label in runs[0].methods if runs[0].methods[label]["curve"]]
    if not labels:
        return []
    curves = {label: _curve(runs, label) for label in labels}
    longest = max(curve["time"][-1] for curve in curves.values())
    unit, factor = common_unit([longest], TIMES)
    most = max(curve["bytes"][-1] for curve in curves.values())
    size, bytes_factor = common_unit([most], BYTES)
    ways = (
        ("over virtual time", "time", factor, f"virtual time ({unit})"),
        ("over bytes", "bytes", bytes_factor, f"wire bytes, both directions ({size})"),
        ("over rounds", "round", 1.0, "rounds closed"),
    )
    charts = []
    for choice, key, scale, title in ways:
        series = [
            Series(
                label,
                [v / scale for v in curves[label][key]],
                curves[label]["accuracy"],
                place,
                texts=[
                    f"{label}\n{title}: {v / scale:.4g}\naccuracy {a:.2%}"
                    for v, a in zip(curves[label][key], curves[label]["accuracy"], strict=True)
                ],
            )
            for place, label in enumerate(labels)
        ]
        charts.append(
            Chart(
                "accuracy",
                "Test accuracy",
                "lines",
                series,
                title,
                "accuracy",
                choice=choice,
                note="A click on a method in the legend hides it, a double click leaves it alone."
                + (f" Means over {len(runs)} seeds." if len(runs) > 1 else ""),
            )
        )
    targets = sorted(
        {t for label in labels for t in runs[0].methods[label]["time_to_accuracy_s"]}, key=float
    )
    rows = []
    for label in labels:
        entries = [run.methods[label]["time_to_accuracy_s"] for run in runs]
        rows.append([label, *(_reached(mean([e.get(t) for e in entries])) for t in targets)])
    parts: list[Any] = [tuple(charts)]
    if targets:
        columns = ["method", *(f"to {float(t):.0%}" for t in targets)]
        parts.append(Table("time-to-accuracy", "Virtual time to an accuracy", columns, rows))
    return [Tab("Accuracy", parts)]


def _reached(seconds: float | None) -> str:
    return "not reached" if seconds is None else quantity(seconds, TIMES)


def _curve(runs: Sequence[SavedRun], label: str) -> dict[str, list[float]]:
    """Return the mean curve over the seeds, at the rounds that all evaluated."""
    found = []
    for run in runs:
        sent, points = 0.0, {}
        for row in run.rounds(label):
            sent += float(row["wire_bytes_up"] or 0) + float(row["wire_bytes_down"] or 0)
            if row["accuracy"] is not None:
                values = (float(row["virtual_time_s"] or 0), sent, float(row["accuracy"]))
                points[int(row["round"] or 0)] = values
        found.append(points)
    rounds = sorted(set.intersection(*(set(points) for points in found)))
    means = [np.mean([points[r] for points in found], axis=0) for r in rounds]
    return {
        "round": [r + 1.0 for r in rounds],
        "time": [float(m[0]) for m in means],
        "bytes": [float(m[1]) for m in means],
        "accuracy": [float(m[2]) for m in means],
    }
