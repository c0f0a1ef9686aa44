"""The result of a fit as tables and sentences: what moved, and the errors of the rows."""

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Final

from cutlayer.sim.calibrate.fitted_device import MIN_NETWORKS, SAME, Fitted
from cutlayer.sim.calibrate.kinds import missing_kinds
from cutlayer.sim.files.atomic import whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.topologies.figures import COSTS, figures_of
from cutlayer.topologies.units import format_duration

FIGURE_HEADINGS: Final = ("figure", "before", "after", "factor", "+/-")
ROW_HEADINGS: Final = ("timed iteration", "kind", "measured", "error before", "error after")
LEFT_OUT: Final = "error left out"
COLUMNS: Final = (
    *("line", "iteration", "kind", "measured_s", "before_s", "before_error"),
    *("after_s", "after_error", "left_out_s", "left_out_error"),
)
MAX_ROWS: Final = 40


def figure_rows(fitted: Fitted) -> Iterator[tuple[str, ...]]:
    """Yield the figures that moved as rows under FIGURE_HEADINGS."""
    before, after = figures_of(fitted.before), figures_of(fitted.profile)
    for name in fitted.moved:
        values = (_shown(name, figures[name]) for figures in (before, after))
        yield name, *values, f"x{fitted.factors[name]:.2f}", f"{fitted.known[name]:.0%}"


def not_told(fitted: Fitted) -> str:
    """Return a line that names the figures of which the rows say nothing; empty if there are none."""
    silent = [
        name
        for name, factor in fitted.factors.items()
        if name not in fitted.told and abs(factor - 1) < SAME
    ]
    if not silent:
        return ""
    return f"Not told by the rows, and left as they were: {', '.join(silent)}."


def row_headings(fitted: Fitted) -> tuple[str, ...]:
    """Return the headings of the table of rows."""
    return (*ROW_HEADINGS, LEFT_OUT) if fitted.left_out_s else ROW_HEADINGS


def timed_rows(fitted: Fitted) -> Iterator[tuple[str, ...]]:
    """Yield the first `MAX_ROWS` timed iterations as rows under `row_headings`."""
    for one in fitted.iterations[:MAX_ROWS]:
        seconds = [fitted.seconds_before(one), fitted.seconds(one)]
        if fitted.left_out_s:
            seconds.append(fitted.left_out_s[one.line])
        errors = [f"{each / one.row.seconds - 1:+.0%}" for each in seconds]
        measured = format_duration(one.row.seconds, 3)
        yield one.label, fitted.kinds[one.line], measured, *errors


def verdict(fitted: Fitted) -> Iterator[str]:
    """Yield sentences: how many rows are shown, mean errors, and a warning if all are of one kind."""
    count = len(fitted.iterations)
    if count > MAX_ROWS:
        yield f"The table has {MAX_ROWS} of {count} rows: --errors writes all to a file."
    before, after = (
        fmean(abs(seconds(one) / one.row.seconds - 1) for one in fitted.iterations)
        for seconds in (fitted.seconds_before, fitted.seconds)
    )
    known = f"Mean error of {count} row{'s' if count > 1 else ''}: {before:.1%} before the fit,"
    if fitted.left_out_s:
        left = [fitted.left_out_s[one.line] / one.row.seconds - 1 for one in fitted.iterations]
        error = fmean(map(abs, left))
        yield f"{known} {after:.1%} after it; {error:.1%} for networks left out of the fit."
    else:
        yield (
            f"{known} {after:.1%} after it. The error on other networks is known from"
            f" {MIN_NETWORKS} networks on; until then, {fitted.profile.form_error:.0%} is assumed."
        )
    if warning := missing_kinds(fitted.kinds.values()):
        yield f"Warning: {warning}"


def write_rows(path: Path, fitted: Fitted, *, replace: bool) -> None:
    """Write all timed iterations as CSV. Raises OutputError."""
    with whole_text(path, replace=replace) as file:
        writer = CsvWriter(file, COLUMNS)
        for one in fitted.iterations:
            measured = one.row.seconds
            cells = [str(one.line), one.label, fitted.kinds[one.line], f"{measured:.6g}"]
            predictions = fitted.seconds_before(one), fitted.seconds(one)
            for seconds in (*predictions, fitted.left_out_s.get(one.line)):
                if seconds is None:
                    cells += ["", ""]
                else:
                    cells += [f"{seconds:.6g}", f"{seconds / measured - 1:.6g}"]
            writer.add_values(cells)


def _shown(figure: str, value: float) -> str:
    if figure in COSTS:
        return format_duration(value, 3)
    if figure.startswith("rates."):
        return f"{value / 1e9:.3g} GFLOP/s"
    return f"{value / 1e9:.3g} GB/s"
