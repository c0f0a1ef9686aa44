"""The intervals of a run's times, from its draws, as a table on the terminal."""

from typing import Final

import numpy as np
from rich.console import Console

from cutlayer.sim.results.method import RunResult
from cutlayer.sim.uncertainty.statistics import columns_of, interval_of, undecided_pairs
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import TIMES, common_unit, significant

HOW_TO_GET: Final = (
    "How sure? --draws 200 draws the figures that are not known exactly and prints intervals, and which"
    " comparisons are undecided."
)


def print_intervals(result: RunResult, console: Console) -> None:
    """Print the interval of each method's round time and of its speedup, and which pairs are undecided.

    The speedup is over the method with the longest rounds.
    """
    summary, draws = result.uncertainty, columns_of(result.draws)
    level, count = summary["interval"], summary["draws"]
    stated = {
        label: result.methods[label].mean_of(lambda r: r.round_time_s) or 0.0 for label in draws
    }
    console.print()
    print_text(
        console,
        f"Intervals: {level:.0%} of {count} draws of the figures that are not known exactly",
        "bold",
    )
    unit, factor = common_unit(stated.values(), TIMES)
    slowest = max(stated, key=lambda label: stated[label])
    times, speedups, shares = [], [], []
    for label, drawn in draws.items():
        bounds = interval_of(drawn["round_time_s"], level) if "round_time_s" in drawn else None
        times.append(_with_bounds(stated[label], bounds, factor))
        if label == slowest or bounds is None:
            speedups.append("-")
            shares.append("-")
            continue
        ratios = draws[slowest]["round_time_s"] / drawn["round_time_s"]
        speedups.append(_with_bounds(stated[slowest] / stated[label], interval_of(ratios, level)))
        shares.append(f"{float(np.mean(ratios > 1)):.0%}")
    columns = [Column(f"round time ({unit})", times)]
    if len(draws) > 1:
        columns += [
            Column(f"speedup over {slowest}", speedups),
            Column(f"faster than {slowest} in", shares),
        ]
    print_columns(console, Column("method", list(draws)), columns)
    for first, second, share in undecided_pairs(summary["faster"]):
        print_text(
            console,
            f"Undecided: {first} is faster than {second} in {share:.0%} of the draws.",
        )
    for note in summary["notes"]:
        print_text(console, note, "dim")


def _with_bounds(
    stated: float, bounds: tuple[float, float, float] | None, factor: float = 1.0
) -> str:
    """Return a stated value with the interval of its draws."""
    text = significant(stated / factor)
    if bounds is None:
        return text
    low, _, high = bounds
    return f"{text} [{significant(low / factor)}, {significant(high / factor)}]"
