"""A table of simulated figures alone, on the terminal, as CSV and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cutlayer.sim.files.atomic import whole_text, write_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.sim.views.columns import Column, print_columns, print_text


@dataclass(frozen=True)
class Grid:
    """Rows of texts under headings; the first column has names."""

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()

    def column(self, heading: str) -> dict[str, str]:
        """Return the cells of a column by the name of their row."""
        place = self.headings.index(heading)
        return {row[0]: row[place] for row in self.rows}


def print_rows(grid: Grid, console: Console) -> None:
    """Print the table, in several parts if the console is narrow, and the remarks."""
    first, *others = (
        Column(heading, [row[i] for row in grid.rows]) for i, heading in enumerate(grid.headings)
    )
    print_columns(console, first, others, grid.title)
    for sentence in grid.remarks:
        print_text(console, sentence)


def write_rows(grid: Grid, folder: Path) -> None:
    """Write the table as CSV and as Markdown."""
    with whole_text(folder / f"{grid.name}.csv") as file:
        writer = CsvWriter(file, grid.headings)
        for row in grid.rows:
            writer.add_values(row)
    write_text(folder / f"{grid.name}.md", markdown_rows(grid))


def markdown_rows(grid: Grid) -> str:
    """Return the table as Markdown."""
    rows: Sequence[Sequence[str]] = [grid.headings, ["---"] * len(grid.headings), *grid.rows]
    lines = [f"# {grid.title}", "", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join([*lines, *(f"- {sentence}" for sentence in grid.remarks), ""])
