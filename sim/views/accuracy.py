"""Accuracy of a run over virtual time, bytes and rounds."""

from collections.abc import Sequence

from cutlayer.sim.results.estimate import estimate
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit
from cutlayer.sim.views.style import needs_log


def accuracy_charts(runs: Sequence[SavedRun]) -> tuple[Chart, ...]:
    """Return test accuracy over virtual time, bytes and rounds; none if nothing was trained.

    Several seeds give the mean accuracy at the mean time of each evaluation that all of them made,
    with its 95 % t-interval as a band.
    """
    labels = [label for label in runs[0].methods if runs[0].methods[label]["curve"]]
    curves = {label: curve for label in labels if (curve := _curve(runs, label))["time"]}
    if not curves:
        return ()
    ends = [curve["time"][-1] for curve in curves.values()]
    unit, factor = common_unit([max(ends)], TIMES)
    size, bytes_factor = common_unit([max(c["bytes"][-1] for c in curves.values())], BYTES)
    targets = sorted(
        {float(t) for label in curves for t in runs[0].methods[label]["time_to_accuracy_s"]}
    )
    note = "A click on a method in the legend hides it, a double click shows it alone."
    if len(runs) > 1:
        note += f" Means over {len(runs)} seeds with 95 % t-intervals."
    return tuple(
        Chart(
            "accuracy",
            "Test accuracy",
            "lines",
            [
                Series(
                    label,
                    [v / scale for v in curve[key]],
                    [100 * a for a in curve["accuracy"]],
                    place,
                    texts=[
                        f"{label}\n{title}: {v / scale:.4g}\naccuracy {a:.2%}"
                        for v, a in zip(curve[key], curve["accuracy"], strict=True)
                    ],
                    half=[100 * h for h in curve["half"]] if any(curve["half"]) else None,
                )
                for place, (label, curve) in enumerate(curves.items())
            ],
            title,
            "test accuracy (%)",
            x_log=key != "round" and needs_log(curve[key][-1] for curve in curves.values()),
            choice=choice,
            note=note,
            levels=[(100 * target, f"{100 * target:g} %") for target in targets],
        )
        for choice, key, scale, title in (
            ("over virtual time", "time", factor, f"virtual time ({unit})"),
            ("over traffic", "bytes", bytes_factor, f"traffic, both directions ({size})"),
            ("over rounds", "round", 1.0, "rounds"),
        )
    )


def _curve(runs: Sequence[SavedRun], label: str) -> dict[str, list[float]]:
    """Return the mean curve over the seeds, at the rounds that all of them evaluated."""
    found = []
    for run in runs:
        sent, points = 0.0, {}
        for row in run.rounds(label):
            sent += float(row["wire_bytes_up"] or 0) + float(row["wire_bytes_down"] or 0)
            if row["accuracy"] is not None:
                values = (float(row["virtual_time_s"] or 0), sent, float(row["accuracy"]))
                points[int(row["round"] or 0)] = values
        if points:
            found.append(points)
    rounds = sorted(set.intersection(*(set(points) for points in found))) if found else []
    means = [
        [estimate(values) for values in zip(*(points[r] for points in found), strict=True)]
        for r in rounds
    ]
    columns = {
        name: [one.mean for row in means if (one := row[i])]
        for i, name in enumerate(("time", "bytes", "accuracy"))
    }
    half = [one.half_width or 0.0 for row in means if (one := row[2])]
    return {"round": [r + 1.0 for r in rounds], "half": half} | columns
