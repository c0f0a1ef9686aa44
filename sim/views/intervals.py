"""The intervals of a run's times, from its draws, as a table on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from rich.console import Console

from cutlayer.sim.results.metrics import common_metric, times_to_targets
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.uncertainty.statistics import Interval
from cutlayer.sim.views.accuracy import goal
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import TIMES, Unit, common_unit, significant
from cutlayer.sim.views.uncertainty import (
    bracketed,
    intervals_of,
    measure_next,
    pair_sentences,
    speedups_of,
    times_of,
)

HOW_TO_GET: Final = "How sure are these times? Repeat the command with --draws 200 for intervals."


def print_intervals(run: SavedRun, console: Console) -> None:
    """Print the intervals of round times, of times to the target and of speedups; which pairs are open.

    The speedup is over the method with the longest rounds. Prints nothing for a run without draws.
    """
    if run.uncertainty is None:
        return
    draws, count = times_of(run), run.uncertainty["draws"]
    stated = {label: run.methods[label]["round_time_s"]["mean"] for label in draws}
    rounds = intervals_of(run, "round_time_s")
    columns = [_column("round time", stated, rounds, TIMES)]
    if (target := run.uncertainty.get("target")) is not None:
        entries = {label: run.methods[label] for label in draws}
        metric = common_metric([*entries.values()])
        reached = {label: times_to_targets(of).get(str(target)) for label, of in entries.items()}
        times = intervals_of(run, "target_s")
        columns.append(_column(f"time to {goal(metric, target)}", reached, times, TIMES))
    if len(rounds) > 1:
        slowest = max(rounds, key=lambda label: stated[label])
        speedups = speedups_of(run, slowest)
        ratios = {label: stated[slowest] / stated[label] for label in speedups}
        columns.append(_column(f"speedup over {slowest}", ratios, speedups, labels=list(draws)))
        longest = draws[slowest]["round_time_s"]
        faster = {label: np.mean(longest > draws[label]["round_time_s"]) for label in speedups}
        shares = [f"{faster[label]:.0%}" if label in faster else "-" for label in draws]
        columns.append(Column("faster in", shares))
    console.print()
    level = run.uncertainty["interval"]
    title = f"Intervals: {level:.0%} of {count} draws of the figures that are not known exactly"
    print_text(console, title, "bold")
    print_columns(console, Column("method", list(draws)), columns)
    for line in (*pair_sentences(run), *measure_next(run), *run.uncertainty.get("notes", [])):
        print_text(console, line)


def _column(
    heading: str,
    stated: Mapping[str, float | None],
    intervals: Mapping[str, Interval],
    units: tuple[Unit, ...] = (("", 1.0),),
    labels: Sequence[str] | None = None,
) -> Column:
    """Return a column of stated values with their intervals, a cell for each of the methods `labels`."""
    unit, factor = common_unit(stated.values(), units)

    def cell(label: str) -> str:
        value = stated.get(label)
        if value is None:
            return "-"
        ends = f" {bracketed(intervals[label], factor)}" if label in intervals else ""
        return f"{significant(value / factor)}{ends}"

    heading = f"{heading} ({unit})" if unit else heading
    return Column(heading, [cell(label) for label in labels or stated])
