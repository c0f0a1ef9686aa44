"""The intervals of a run's times, from its draws, as a table on the terminal."""

from typing import Final

import numpy as np
from rich.console import Console

from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import TIMES, common_unit, significant
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
    """Print the interval of each method's round time and of its speedup, and which pairs are undecided.

    The speedup is over the method with the longest rounds. Prints nothing for a run without draws.
    """
    if run.uncertainty is None:
        return
    draws, level = times_of(run), run.uncertainty["interval"]
    stated = {label: run.methods[label]["round_time_s"]["mean"] for label in draws}
    unit, factor = common_unit(stated.values(), TIMES)
    times = intervals_of(run, "round_time_s")
    slowest = max(times or stated, key=lambda label: stated[label])
    speedups = speedups_of(run, slowest) if times else {}
    columns = [
        Column(
            f"round time ({unit})",
            [
                f"{significant(stated[label] / factor)} {bracketed(times[label], factor)}"
                if label in times
                else significant(stated[label] / factor)
                for label in draws
            ],
        )
    ]
    if len(draws) > 1:
        ratios = {label: stated[slowest] / stated[label] for label in speedups if label in times}
        columns.append(
            Column(
                f"speedup over {slowest}",
                [
                    f"{significant(ratios[label])} {bracketed(speedups[label])}"
                    if label in ratios
                    else "-"
                    for label in draws
                ],
            )
        )
        shares = [
            f"{np.mean(draws[slowest]['round_time_s'] > draws[label]['round_time_s']):.0%}"
            if label in ratios
            else "-"
            for label in draws
        ]
        columns.append(Column("faster in", shares))
    console.print()
    count = run.uncertainty["draws"]
    title = f"Intervals: {level:.0%} of {count} draws of the figures that are not known exactly"
    print_text(console, title, "bold")
    print_columns(console, Column("method", list(draws)), columns)
    for line in (*pair_sentences(run), *measure_next(run), *run.uncertainty.get("notes", [])):
        print_text(console, line)
