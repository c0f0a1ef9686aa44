"""A comparison on the terminal and as CSV."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from cutlayer.sim.files.atomic import whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.sim.results.columns import Row
from cutlayer.sim.validate.comparison import TRAFFIC, Comparison, level_text
from cutlayer.sim.validate.table import Line, deviation_text, quantity_text
from cutlayer.sim.views.columns import print_grid, print_text

COLUMNS: Final = (
    *("row_type", "line", "method", "round", "round_type", "what", "client", "kind", "unit"),
    *("measured", "count", "spread", "predicted", "low", "high", "inside", "error"),
    *("rows", "mean_absolute_error", "median_absolute_error", "mean_error", "kendall_tau"),
)
_YES_NO: Final = {None: "-", True: "yes", False: "no"}


def print_comparison(comparison: Comparison, title: str, console: Console) -> None:
    """Print the rows, the errors by part, the speedups and the verdict."""
    rows = comparison.compared
    columns: dict[str, Sequence[str]] = {
        "row": [one.line.quantity for one in rows],
        "measured": [quantity_text(one.line.published, one.line.unit) for one in rows],
        "predicted": [quantity_text(one.line.simulated, one.line.unit) for one in rows],
        "error": [deviation_text(one.line) for one in rows],
    }
    if any(one.row.count > 1 for one in rows):
        columns["repeats"] = [str(one.row.count) for one in rows]
    if any(one.noise is not None for one in rows):
        columns["standard error"] = [_percent(one.noise) for one in rows]
    interval = f"{level_text(comparison.level)} interval".strip()
    columns[interval] = [_interval(one.line) for one in rows]
    columns["inside"] = [_YES_NO[one.line.inside] for one in rows]
    columns["kind"] = [one.line.kind for one in rows]
    print_grid(console, list(columns), zip(*columns.values(), strict=True), title)
    console.print()
    scores = [
        (
            score.what.replace("_", " "),
            str(score.rows),
            f"{100 * score.mean_absolute:.1f} %",
            f"{100 * score.median_absolute:.1f} %",
            f"{100 * score.mean:+.1f} %",
            "-" if score.tau is None else f"{score.tau:.2f}",
        )
        for score in comparison.scores()
    ]
    if scores:
        parts = ("part", "rows", "mean error", "median error", "bias", "Kendall's tau")
        print_grid(console, parts, scores, "Absolute errors by part, without fitted rows")
        console.print()
    pairs = [
        (
            line.quantity,
            *_figures(line),
            deviation_text(line),
            *((_interval(line), _YES_NO[line.inside]) if comparison.level else ()),
            line.kind,
        )
        for line in comparison.speedups
    ]
    if pairs:
        of_draws = (interval, "inside") if comparison.level else ()
        headings = ("methods", "measured", "predicted", "error", *of_draws, "kind")
        print_grid(console, headings, pairs, "Speedups")
        console.print()
    for sentence in comparison.verdict():
        print_text(console, sentence)


def write_comparison(comparison: Comparison, path: Path, *, replace: bool) -> None:
    """Write the rows, the errors by part and the speedups as CSV."""
    with whole_text(path, replace=replace) as file:
        writer = CsvWriter(file, COLUMNS)
        for row in _rows(comparison):
            writer.add(row)


def _rows(comparison: Comparison) -> Iterator[Row]:
    for one in comparison.compared:
        row, line = one.row, one.line
        in_time = line.unit == "s"
        yield _line_row("time" if in_time else TRAFFIC, line) | {
            "line": row.line,
            "method": row.method,
            "round": row.round,
            "round_type": row.round_type,
            "what": row.what,
            "client": row.client,
            "count": row.count,
            "spread": row.spread_s if in_time else None,
        }
    for score in comparison.scores():
        yield {
            "row_type": "errors",
            "what": score.what,
            "rows": score.rows,
            "mean_absolute_error": _number(score.mean_absolute),
            "median_absolute_error": _number(score.median_absolute),
            "mean_error": _number(score.mean),
            "kendall_tau": _number(score.tau),
        }
    for line in comparison.speedups:
        yield _line_row("speedup", line) | {"method": line.quantity}


def _line_row(row_type: str, line: Line) -> Row:
    low, high = line.interval or (None, None)
    return {
        "row_type": row_type,
        "kind": line.kind,
        "unit": line.unit,
        "measured": _number(line.published),
        "predicted": _number(line.simulated),
        "low": _number(low),
        "high": _number(high),
        "inside": None if line.inside is None else str(line.inside),
        "error": _number(line.deviation),
    }


def _figures(line: Line) -> tuple[str, str]:
    return quantity_text(line.published, line.unit), quantity_text(line.simulated, line.unit)


def _interval(line: Line) -> str:
    if line.interval is None:
        return "-"
    low, high = (quantity_text(value, line.unit) for value in line.interval)
    return f"{low} to {high}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"
