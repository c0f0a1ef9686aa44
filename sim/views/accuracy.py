"""Accuracy of runs over virtual time, bytes and rounds."""

from collections.abc import Mapping, Sequence
from typing import Final

from cutlayer.sim.results.estimate import estimate
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit
from cutlayer.sim.views.style import needs_log

Evaluations = Mapping[int, tuple[float, float, float]]  # by round: time, bytes so far, accuracy
Curve = dict[str, list[float]]  # "time", "bytes", "round", "accuracy" and its "half" width
Y_TITLE: Final = "test accuracy (%)"
LEGEND_NOTE: Final = "A click on a method in the legend hides it, a double click shows it alone."


def accuracy_charts(runs: Sequence[SavedRun]) -> tuple[Chart, ...]:
    """Return test accuracy over virtual time, bytes and rounds; none if nothing was trained.

    Several seeds give the mean accuracy at the mean time of each evaluation that all of them made,
    with its 95 % t-interval as a band.
    """
    labels = [label for label in runs[0].methods if runs[0].methods[label]["curve"]]
    means = {label: mean_curve([evaluations(run, label) for run in runs]) for label in labels}
    curves = {label: curve for label, curve in means.items() if curve["time"]}
    if not curves:
        return ()
    unit, factor = common_unit([max(curve["time"][-1] for curve in curves.values())], TIMES)
    size, bytes_factor = common_unit([max(c["bytes"][-1] for c in curves.values())], BYTES)
    targets = sorted(
        {float(t) for label in curves for t in runs[0].methods[label]["time_to_accuracy_s"]}
    )
    return tuple(
        Chart(
            "accuracy",
            "Test accuracy",
            "lines",
            [
                accuracy_series(label, curve, number, key, scale, title)
                for number, (label, curve) in enumerate(curves.items())
            ],
            title,
            Y_TITLE,
            x_log=key != "round" and needs_log(curve[key][-1] for curve in curves.values()),
            choice=choice,
            note=LEGEND_NOTE + seeds_note(len(runs)),
            levels=[(100 * target, f"{100 * target:g} %") for target in targets],
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


def accuracy_series(
    label: str, curve: Curve, number: int, key: str, scale: float, title: str
) -> Series:
    """Return the line of a method: its accuracy in percent over another figure in units of `scale`."""
    return Series(
        label,
        [value / scale for value in curve[key]],
        [100 * accuracy for accuracy in curve["accuracy"]],
        number,
        texts=[
            f"{label}\n{title}: {value / scale:.4g}\naccuracy {accuracy:.2%}"
            for value, accuracy in zip(curve[key], curve["accuracy"], strict=True)
        ],
        half=[100 * half for half in curve["half"]] if any(curve["half"]) else None,
        bounds=(0, 100),
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
    """Return the known values of a column of rounds.csv by round, by default the accuracies."""
    sent, found = 0.0, {}
    for row in run.rounds(label):
        sent += float(row["wire_bytes_up"] or 0) + float(row["wire_bytes_down"] or 0)
        if row.get(column) is not None:
            values = (float(row["virtual_time_s"] or 0), sent, float(row[column] or 0))
            found[int(row["round"] or 0)] = values
    return found
