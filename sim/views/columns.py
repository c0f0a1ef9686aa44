"""Tables on a terminal: one that wraps its cells, and one whose columns go on in further tables below.

A cell or heading that is a string is shown as it is, on any console: no markup is looked for in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from cutlayer.sim.files.plain_text import plain

Cell = str | Text


@dataclass(frozen=True)
class Column:
    """A heading (of one or more lines) over its cells, those of numbers to the right."""

    heading: str
    cells: Sequence[Cell]
    numbers: bool = True


def text_columns(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[Column]:
    """Return columns of words, which wrap, from rows."""
    table = [list(row) for row in rows]
    return [
        Column(heading, [row[i] for row in table], numbers=False)
        for i, heading in enumerate(headings)
    ]


def print_columns(console: Console, names: Column, columns: Sequence[Column]) -> None:
    """Print the columns beside the names, in as many tables as the console's width asks for."""
    remaining = list(columns)
    while remaining:
        count = len(remaining)
        while (
            count > 1
            and _natural_width(console, _side_by_side(console, [names, *remaining[:count]]))
            > console.width
        ):
            count -= 1
        console.print()
        console.print(_side_by_side(console, [names, *remaining[:count]]))
        remaining = remaining[count:]


def print_grid(
    console: Console,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    *,
    lines: bool = True,
) -> None:
    """Print rows as one table, whose cells wrap where the console is too narrow.

    Without `lines` there are neither lines nor headings.
    """
    if title:
        console.print(plain(title, "italic", console.encoding))
    table = Table(box=box.HEAVY_HEAD if lines else None, show_header=lines)
    for heading in headings:
        table.add_column(plain(heading, encoding=console.encoding), overflow="fold")
    for row in rows:
        table.add_row(*(plain(cell, encoding=console.encoding) for cell in row))
    console.print(table)


def _side_by_side(console: Console, columns: Sequence[Column]) -> Table:
    def shown(cell: Cell) -> Text:
        return plain(cell, encoding=console.encoding) if isinstance(cell, str) else cell

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for position, column in enumerate(columns):
        heading = shown(column.heading)
        if position > 0 and column.numbers:
            table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
        else:
            table.add_column(heading, overflow="fold", vertical="bottom")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(shown(cell) for cell in row))
    return table


def _natural_width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum
