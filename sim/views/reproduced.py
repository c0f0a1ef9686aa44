"""A reproduced table on the terminal, as CSV and as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cutlayer.sim.files.atomic import whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.papers.ecofed_map import Point
from cutlayer.sim.papers.table import Line, Table
from cutlayer.sim.views.columns import print_grid
from cutlayer.sim.views.quantities import significant

COLUMNS = ("quantity", "unit", "published", "kind", "simulated", "deviation", "asked", "holds")
MAP_COLUMNS = (
    "device",
    "link_mbit_per_s",
    "server_x",
    "classic_fl_makespan_x",
    "splitfed_makespan_x",
    "classic_fl_additive_x",
    "splitfed_additive_x",
)


def print_reproduced(table: Table, console: Console) -> None:
    """Print the rows, the fitted figures and the remarks."""
    console.print(plain(table.title, "bold", console.encoding))
    headings = ("quantity", "published", "kind", "simulated", "deviation", "tolerance")
    print_grid(console, headings, [_cells(line) for line in table.lines])
    for fitted in table.fitted:
        _say(console, f"Fitted: {fitted.name} = {fitted.value}, on {fitted.fitted_on}.")
    for note in dict.fromkeys(
        f"{line.quantity}: {line.note}." for line in table.lines if line.note
    ):
        _say(console, note)
    for remark in (*table.remarks, verdict(table)):
        _say(console, remark)


def verdict(table: Table) -> str:
    """Return how many figures are within their tolerance, and which are not."""
    asked = [line for line in table.lines if line.holds is not None]
    missed = [line for line in asked if not line.holds]
    if not asked:
        return "No figure of this table has a tolerance."
    if not missed:
        return f"All {len(asked)} figures with a tolerance are within it."
    names = ", ".join(f"{line.quantity} ({_deviation(line)})" for line in missed)
    return f"{len(missed)} of {len(asked)} figures with a tolerance are NOT within it: {names}."


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
                    _number(line.simulated),
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
            setting = (point.device, point.link_mbit, point.server_x)
            writer.add_values((*setting, *(_number(ratio) for ratio in ratios)))


def markdown(table: Table) -> str:
    """Return the table as Markdown."""
    lines = [
        f"# {table.title}",
        "",
        "| quantity | published | kind | simulated | deviation | tolerance |",
    ]
    lines.append("|---|---|---|---|---|---|")
    lines += [f"| {' | '.join(_cells(line))} |" for line in table.lines]
    lines.append("")
    lines += [f"- Fitted: {f.name} = {f.value}, on {f.fitted_on}." for f in table.fitted]
    lines += [f"- {line.quantity}: {line.note}." for line in table.lines if line.note]
    lines += [f"- {remark}" for remark in (*table.remarks, verdict(table))]
    sources = dict.fromkeys(line.source for line in table.lines)
    lines += ["", "Sources:", "", *(f"- {source}" for source in sources), ""]
    return "\n".join(lines)


def _cells(line: Line) -> tuple[str, ...]:
    asked = "" if line.within is None else f"{100 * line.within:g} %"
    if line.holds is False:
        asked += ", missed"
    return (
        line.quantity,
        _quantity(line.published, line.unit),
        line.kind,
        _quantity(line.simulated, line.unit),
        _deviation(line),
        asked,
    )


def _quantity(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{significant(value, 4)} {unit}"


def _deviation(line: Line) -> str:
    return "" if line.deviation is None else f"{100 * line.deviation:+.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _say(console: Console, sentence: str) -> None:
    console.print(plain(sentence, encoding=console.encoding), soft_wrap=False)
