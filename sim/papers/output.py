"""A reproduced table on the terminal, as CSV and as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cutlayer.sim.files.atomic import whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.sim.papers.ecofed_map import Point
from cutlayer.sim.validate.table import BYTES, Line, Table, deviation_text, quantity_text
from cutlayer.sim.views.columns import print_grid, print_text

COLUMNS = ("quantity", "unit", "published", "kind", "simulated", "deviation", "asked", "holds")
HEADINGS = ("quantity", "published", "kind", "simulated", "deviation", "tolerance")
MAP_COLUMNS = (
    "device",
    "up_mbit_per_s",
    "down_mbit_per_s",
    "server_x",
    "classic_fl_makespan_x",
    "splitfed_makespan_x",
    "classic_fl_additive_x",
    "splitfed_additive_x",
)


def print_reproduced(table: Table, console: Console) -> None:
    """Print the rows, the fitted figures and the remarks."""
    print_grid(console, HEADINGS, map(_cells, table.lines), table.title)
    for sentence in _sentences(table):
        print_text(console, sentence)


def verdict(table: Table) -> str:
    """Return how many figures are within their tolerance, and which are not."""
    checked = [line for line in table.lines if line.holds is not None]
    missed = [line for line in checked if not line.holds]
    if not checked:
        return "No figure of this table has a tolerance."
    if not missed:
        return f"All {len(checked)} figures with a tolerance are within it."
    names = ", ".join(f"{line.quantity} ({deviation_text(line)})" for line in missed)
    return f"{len(missed)} of {len(checked)} figures with a tolerance are NOT within it: {names}."


def write_csv(table: Table, path: Path) -> None:
    """Write the lines as CSV, with source and note."""
    with whole_text(path) as file:
        writer = CsvWriter(file, (*COLUMNS, "source", "note"))
        for line in table.lines:
            writer.add_values(
                (
                    line.quantity,
                    line.unit,
                    line.published,
                    line.kind,
                    line.simulated if line.unit == BYTES else _number(line.simulated),
                    _number(line.deviation),
                    line.within,
                    line.holds,
                    line.source,
                    line.note,
                )
            )


def write_map(points: Sequence[Point], path: Path) -> None:
    """Write the map's settings and ratios as CSV."""
    with whole_text(path) as file:
        writer = CsvWriter(file, MAP_COLUMNS)
        for point in points:
            ratios = (*point.makespan, *point.additive)
            setting = (point.device, point.up_mbit, point.down_mbit, point.server_x)
            writer.add_values((*setting, *(_number(ratio) for ratio in ratios)))


def markdown(table: Table) -> str:
    """Return the table as Markdown."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *map(_cells, table.lines)]
    sources = dict.fromkeys(line.source for line in table.lines)
    lines = [
        *(f"# {table.title}", ""),
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        *(f"- {sentence}" for sentence in _sentences(table)),
        *("", "Sources:", ""),
        *(f"- {source}" for source in sources),
        "",
    ]
    return "\n".join(lines)


def _sentences(table: Table) -> list[str]:
    fitted = [f"Fitted: {f.name} = {f.value}, on {f.fitted_on}." for f in table.fitted]
    notes = dict.fromkeys(f"{line.quantity}: {line.note}." for line in table.lines if line.note)
    return [*fitted, *notes, *table.remarks, verdict(table)]


def _cells(line: Line) -> tuple[str, ...]:
    tolerance = "" if line.within is None else f"{100 * line.within:g} %"
    if line.holds is False:
        tolerance += ", missed"
    return (
        line.quantity,
        quantity_text(line.published, line.unit),
        line.kind,
        quantity_text(line.simulated, line.unit),
        deviation_text(line),
        tolerance,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
