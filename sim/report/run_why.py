"""Where the time of a run's rounds went: critical paths, stragglers, barriers."""

from collections.abc import Sequence
from typing import Any

from cutlayer.sim.log.intervals import PHASES
from cutlayer.sim.report.charts import Chart, Series, Table
from cutlayer.sim.report.numbers import number
from cutlayer.sim.results.critical_path import NAMES, attribution
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.quantities import TIMES, common_unit, significant

MOST_ROUNDS = 60  # drawn one by one


def why_parts(runs: Sequence[SavedRun]) -> list[Any]:
    """Return the critical paths, in the mean and round by round, and who was waited for."""
    run = runs[0]
    found = [attribution(label, run.rounds(label)) for label in run.methods]
    found = [about for about in found if about.rounds]
    if not found:
        return []
    unit, factor = common_unit([about.total_s / about.rounds for about in found], TIMES)
    series = []
    ends = {about.label: 0.0 for about in found}
    for place, phase in enumerate(PHASES):
        values = [about.phases_s[phase] / about.rounds / factor for about in found]
        if not any(values):
            continue
        starts = [ends[about.label] for about in found]
        texts = [
            f"{about.label}: {NAMES[phase]} {significant(value)} {unit}"
            f" ({about.phases_s[phase] / about.total_s:.1%})"
            for about, value in zip(found, values, strict=True)
        ]
        labels = [about.label for about in found]
        series.append(Series(NAMES[phase], values, labels, 0, starts, texts, phase=place))
        for about, value in zip(found, values, strict=True):
            ends[about.label] += value
    chart = Chart(
        "critical-path",
        "The critical path of a round",
        "stack",
        series,
        f"virtual time ({unit})",
        choice="all methods, mean of the rounds",
        note="The phases add up to the round's time: what would have to be faster for it to be shorter.",
    )
    rows = []
    for about in found:
        last = ", ".join(f"{name} ({count})" for name, count in about.stragglers[:3])
        share = about.barrier_s / about.total_s if about.total_s else 0.0
        largest = NAMES[about.largest]
        part = about.phases_s[about.largest] / about.total_s if about.total_s else 0.0
        rows.append([about.label, f"{largest} ({part:.0%})", f"{share:.0%}", last])
    columns = ["method", "largest part", "waited at the barrier", "last to finish (rounds)"]
    note = (
        "Waited at the barrier: for this share of a round a client, in the mean, had nothing to do."
    )
    by_round = [_round_by_round(run, about.label) for about in found]
    return [(chart, *by_round), Table("stragglers", "Stragglers and barriers", columns, rows, note)]


def _round_by_round(run: SavedRun, label: str) -> Chart:
    """Return the critical path of every round of a method, the first of them if there are many."""
    rows = run.rounds(label)[:MOST_ROUNDS]
    unit, factor = common_unit([number(row["round_time_s"]) for row in rows], TIMES)
    names = [f"round {row['round']} ({row['round_type']})" for row in rows]
    ends = [0.0] * len(rows)
    series = []
    for place, phase in enumerate(PHASES):
        values = [(number(row[f"critical_{phase}_s"]) or 0.0) / factor for row in rows]
        if any(values):
            texts = [
                f"{name}: {NAMES[phase]} {significant(value)} {unit}\nlast: {row['straggler']}"
                for name, value, row in zip(names, values, rows, strict=True)
            ]
            series.append(Series(NAMES[phase], values, names, 0, list(ends), texts, phase=place))
            ends = [end + value for end, value in zip(ends, values, strict=True)]
    return Chart(
        "critical-path",
        "The critical path of a round",
        "stack",
        series,
        f"virtual time ({unit})",
        choice=f"{label}, round by round",
    )
