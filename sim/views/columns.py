"""Columns on a terminal: those that do not fit beside the first one go to a further table below."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Column:
    """A heading (of one or more lines) over its cells, those of numbers to the right."""

    heading: str
    cells: Sequence[Text]
    numbers: bool = True


def print_columns(console: Console, names: Column, columns: Sequence[Column]) -> None:
    """Print the columns beside the names, in as many tables as the console's width asks for."""
    remaining = list(columns)
    while remaining:
        count = len(remaining)
        while count > 1 and _natural_width(console, _table([names, *remaining[:count]])) > (
            console.width
        ):
            count -= 1
        console.print()
        console.print(_table([names, *remaining[:count]]))
        remaining = remaining[count:]


def _table(columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for position, column in enumerate(columns):
        if position == 0:
            table.add_column(Text(column.heading), overflow="fold", vertical="bottom")
        elif column.numbers:
            table.add_column(Text(column.heading), justify="right", no_wrap=True, vertical="bottom")
        else:
            table.add_column(Text(column.heading), overflow="fold", vertical="bottom")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table


def _natural_width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum
