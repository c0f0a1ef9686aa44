"""The tables of a run's figures on its page: one row per method, means over the seeds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cutlayer.sim.results.estimate import estimate, estimate_of_all
from cutlayer.sim.results.metrics import common_metric, final_of, times_to_targets
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.uncertainty.statistics import Interval
from cutlayer.sim.views.charts import Table
from cutlayer.sim.views.quantities import BYTES, TIMES, Unit, common_unit, quantity, spread
from cutlayer.sim.views.rounds import compared_note
from cutlayer.sim.views.uncertainty import (
    bracketed,
    drawn_target,
    interval_note,
    intervals_of,
    speedups_of,
)
from cutlayer.sim.views.updates import asynchronous

Figures = Mapping[str, list[float | None]]  # by method, over the seeds


def results_table(runs: Sequence[SavedRun]) -> Table:
    """Return the figures of each method, and its ratios to the first one."""
    first = runs[0]
    labels = list(first.methods)
    base = labels[0] if labels else ""
    metric = common_metric([*first.methods.values()])

    def over(*path: str) -> dict[str, list[float | None]]:
        return {label: [_inner(run.methods[label], path) for run in runs] for label in labels}

    columns = {
        "Round time": _texts(
            over("round_time_s", "mean"), TIMES, drawn=intervals_of(runs[0], "round_time_s")
        ),
        "Total virtual time": _texts(
            over("virtual_time_s"), TIMES, drawn=intervals_of(runs[0], "virtual_time_s")
        ),
        "Traffic per client and round": _texts(over("wire_bytes", "per_client_round"), BYTES),
        f"Final {metric.title}": _texts(
            {label: [final_of(run.methods[label]) for run in runs] for label in labels},
            (("%", 0.01) if metric.is_share else ("", 1.0),),
            "not trained",
        ),
    }
    if len(labels) > 1:
        one = (("x", 1.0),)
        columns[f"Speedup over {base}"] = _texts(
            over("against", base, "time_x"), one, drawn=speedups_of(runs[0], base)
        )
        columns["Traffic reduction"] = _texts(over("against", base, "bytes_x"), one)
    columns |= {
        "Device idle share": _texts(over("idle_fraction", "clients"), (("%", 0.01),)),
        "Device energy": _texts(over("energy_j"), (("J", 1.0),), "not known"),
        "Additive round time": _texts(over("additive_round_time_s"), TIMES),
        "Rounds": {label: str(runs[0].methods[label]["rounds"]) for label in labels},
    }
    note = "Virtual time is the predicted time on the emulated devices and links."
    if windows := asynchronous(runs):
        columns |= {
            "Mean staleness": _texts(over("updates", "staleness", "mean"), (("", 1.0),)),
            "Largest staleness": _texts(over("updates", "staleness", "max"), (("", 1.0),)),
            "Versions per hour": _texts(over("updates", "versions_per_hour"), (("", 1.0),)),
        }
        note += f" A round of {' or '.join(windows)} is a window. {compared_note(first)}"
    if len(runs) > 1:
        note += f" Means over {len(runs)} seeds with 95 % t-intervals."
    note += interval_note(runs[0])
    rows = [[label, *(texts[label] for texts in columns.values())] for label in labels]
    return Table("results", "Results", ["Method", *columns], rows, note)


def _inner(entry: Mapping[str, Any], path: Iterable[str]) -> float | None:
    value: Any = entry
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _texts(
    figures: Figures,
    units: Sequence[Unit],
    missing: str = "-",
    drawn: Mapping[str, Interval] | None = None,
) -> dict[str, str]:
    """Return figures as texts in one unit: means over the seeds, and intervals over the draws."""
    estimates = {label: estimate(values) for label, values in figures.items()}
    means = [one.mean for one in estimates.values() if one is not None]
    name, factor = (
        common_unit([max(means, default=0.0)], tuple(units)) if len(units) > 1 else units[0]
    )
    return {
        label: missing
        if one is None
        else f"{spread(one, factor)} {name}".rstrip()
        + (f" {bracketed(drawn[label], factor)}" if drawn and label in drawn else "")
        for label, one in estimates.items()
    }


def target_tables(runs: Sequence[SavedRun]) -> list[Table]:
    """Return the virtual times to the targets, if any were set and anything trained."""
    labels = [label for label in runs[0].methods if runs[0].methods[label]["curve"]]
    targets = sorted(
        {t for label in labels for t in times_to_targets(runs[0].methods[label])}, key=float
    )
    if not targets:
        return []
    rows = []
    for label in labels:
        entries = [times_to_targets(run.methods[label]) for run in runs]
        estimates = [estimate_of_all(entry.get(target) for entry in entries) for target in targets]
        times = [
            "not reached"
            if one is None
            else quantity(one.mean, TIMES) + drawn_target(runs[0], label, target)
            for target, one in zip(targets, estimates, strict=True)
        ]
        rows.append([label, *times])
    metric = common_metric([runs[0].methods[label] for label in labels])
    columns = ["Method", *(f"To {metric.goal(float(t))}" for t in targets)]
    return [Table("time-to-accuracy", f"Time to {metric.title}", columns, rows)]
