"""The task's metric, such as accuracy, of runs over virtual time, bytes and rounds."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

from cutlayer.sim.results.estimate import estimate
from cutlayer.sim.results.metrics import common_metric, times_to_targets
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.tasks.metric import ACCURACY, Metric
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit
from cutlayer.sim.views.style import needs_log

Evaluations = Mapping[int, tuple[float, float, float]]  # by round: time, bytes so far, the metric
Curve = dict[
    str, list[float]
]  # "time", "bytes", "round", "accuracy" (any metric), its "half" width
LEGEND_NOTE: Final = "A click on a method in the legend hides it, a double click shows it alone."


def accuracy_charts(runs: Sequence[SavedRun]) -> tuple[Chart, ...]:
    """Return the test metric over virtual time, bytes and rounds; none if nothing was trained.

    Several seeds give the mean value at the mean time of each evaluation that all of them made,
    with its 95 % t-interval as a band.
    """
    labels = [label for label in runs[0].methods if runs[0].methods[label]["curve"]]
    metric = common_metric([runs[0].methods[label] for label in labels])
    means = {
        label: mean_curve([evaluations(run, label, metric.name) for run in runs])
        for label in labels
    }
    curves = {label: curve for label, curve in means.items() if curve["time"]}
    if not curves:
        return ()
    unit, factor = common_unit([max(curve["time"][-1] for curve in curves.values())], TIMES)
    size, bytes_factor = common_unit([max(c["bytes"][-1] for c in curves.values())], BYTES)
    targets = sorted(
        {float(t) for label in curves for t in times_to_targets(runs[0].methods[label])}
    )
    percent = shown_factor(metric)
    return tuple(
        Chart(
            "accuracy",
            f"Test {metric.title}",
            "lines",
            [
                accuracy_series(label, curve, number, key, scale, title, metric)
                for number, (label, curve) in enumerate(curves.items())
            ],
            title,
            y_title(metric),
            x_log=key != "round" and needs_log(curve[key][-1] for curve in curves.values()),
            choice=choice,
            note=LEGEND_NOTE + seeds_note(len(runs)),
            levels=[
                (percent * target, f"{percent * target:g}{' %' * metric.is_share}")
                for target in targets
            ],
        )
        for choice, key, scale, title in (
            ("over virtual time", "time", factor, f"virtual time ({unit})"),
            ("over traffic", "bytes", bytes_factor, f"traffic, both directions ({size})"),
            ("over rounds", "round", 1.0, "rounds"),
        )
    )


def seeds_note(seeds: int) -> str:
    """Return what a chart says about its seeds."""
    return f" Means over {seeds} seeds with 95 % t-intervals." if seeds > 1 else ""


def shown_factor(metric: Metric) -> float:
    """Return what a metric is multiplied by in charts: 100 for a share."""
    return 100.0 if metric.is_share else 1.0


def goal(metric: Metric, target: float) -> str:
    """Return a target as headings show it: the percents of a share, or the metric and its value."""
    named = "" if metric == ACCURACY else f"{metric.title} "
    return f"{named}{100 * target:g}%" if metric.is_share else f"{named}{target:g}"


def y_title(metric: Metric) -> str:
    """Return the title of an axis of a metric."""
    return f"test {metric.title}{' (%)' * metric.is_share}"


def accuracy_series(
    label: str, curve: Curve, number: int, key: str, scale: float, title: str, metric: Metric
) -> Series:
    """Return the line of a method: its metric over another figure in units of `scale`.

    Shares are in percent.
    """
    percent = shown_factor(metric)
    return Series(
        label,
        [value / scale for value in curve[key]],
        [percent * value for value in curve["accuracy"]],
        number,
        texts=[
            f"{label}\n{title}: {value / scale:.4g}\n{metric.title} {metric.text(found)}"
            for value, found in zip(curve[key], curve["accuracy"], strict=True)
        ],
        half=[percent * half for half in curve["half"]] if any(curve["half"]) else None,
        bounds=(0, 100) if metric.is_share else (-inf, inf),
    )


def mean_curve(seeds: Sequence[Evaluations]) -> Curve:
    """Return the mean curve over the seeds, at the rounds that all of them evaluated."""
    evaluated = [of_seed for of_seed in seeds if of_seed]
    rounds = sorted(set.intersection(*map(set, evaluated))) if evaluated else []
    curve: Curve = {name: [] for name in ("round", "time", "bytes", "accuracy", "half")}
    for index in rounds:
        values = zip(*(of_seed[index] for of_seed in evaluated), strict=True)
        for name, of_seeds in zip(("time", "bytes", "accuracy"), values, strict=True):
            value = estimate(of_seeds)
            assert value is not None
            curve[name].append(value.mean)
            if name == "accuracy":
                curve["half"].append(value.half_width or 0.0)
        curve["round"].append(index + 1.0)
    return curve


def evaluations(run: SavedRun, label: str, column: str = "accuracy") -> Evaluations:
    """Return the known values of a figure by round: a column of rounds.csv, or a metric.

    Metrics besides accuracy are in accuracy.csv.
    """
    rows, sent, found = run.rounds(label), 0.0, {}
    if rows and column not in rows[0]:
        of_round = {
            row["round"]: row["value"]
            for row in run.table("accuracy")
            if (row["label"], row["metric"]) == (label, column)
        }
        rows = [row | {column: of_round.get(row["round"])} for row in rows]
    for row in rows:
        sent += float(row["wire_bytes_up"] or 0) + float(row["wire_bytes_down"] or 0)
        if row.get(column) is not None:
            values = (float(row["virtual_time_s"] or 0), sent, float(row[column] or 0))
            found[int(row["round"] or 0)] = values
    return found
