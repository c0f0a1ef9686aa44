"""Tables on a terminal of any width: words are never broken, and columns that do not fit go below.

A cell or heading that is a string is shown unchanged, on any console: it is never parsed as markup.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cutlayer.sim.files.plain_text import plain, visible

Cell = str | Text

GAP: Final = 2  # letters between columns
HEADING_LINES: Final = 3
NARROW: Final = 24  # the least width of a column of longer texts
_NUMBER: Final = re.compile(r"[-+]?[\d.,]+( ?[%\w/]+)?|-?|not known|unknown")


@dataclass(frozen=True)
class Column:
    """A heading over its cells. Numbers are flush right and never wrapped; words wrap at spaces."""

    heading: str
    cells: Sequence[Cell]
    numbers: bool = True


def print_text(console: Console, text: str, style: str = "") -> None:
    """Print a text, wrapped at spaces; it is never parsed as markup."""
    console.print(plain(text, style, console.encoding), soft_wrap=False)


def print_columns(
    console: Console, first: Column | Sequence[Column], columns: Sequence[Column], title: str = ""
) -> None:
    """Print the columns next to the first ones, in several tables if the console is too narrow."""
    keys = [first] if isinstance(first, Column) else list(first)
    keys[0] = replace(keys[0], numbers=False)
    if title:
        print_text(console, title, "bold")
    widths = [_least(column, console) + GAP for column in columns]
    width = console.width - sum(_least(column, console) + GAP for column in keys)
    tables = _split(widths, width) or [[]]
    for narrower in range(width - 1, max(widths, default=width) - 1, -1):
        if len(split := _split(widths, narrower)) > len(tables):
            break
        tables = split  # tables that are about equally wide
    for table in tables:
        if table is not tables[0]:
            console.print()
        _print(console, [*keys, *(columns[i] for i in table)], headings=True)


def _split(widths: Sequence[int], width: int) -> list[list[int]]:
    """Return the columns of each table, at least one, so that their widths fit into `width`."""
    tables: list[list[int]] = []
    used = 0
    for i, own in enumerate(widths):
        if not tables or used + own > width:
            tables, used = [*tables, []], 0
        tables[-1].append(i)
        used += own
    return tables


def print_grid(
    console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]], title: str = ""
) -> None:
    """Print rows of texts; columns whose cells are all numbers are flush right."""
    cells = [list(row) for row in rows]
    first, *others = (
        Column(heading, column, i > 0 and all(_NUMBER.fullmatch(cell) for cell in column))
        for i, heading in enumerate(headings)
        for column in [[row[i] for row in cells]]
    )
    print_columns(console, first, others, title)


def print_list(console: Console, rows: Iterable[tuple[str, str]], title: str) -> None:
    """Print names and what they mean, without headings."""
    names, texts = zip(*rows, strict=True)
    print_text(console, title, "bold")
    _print(console, [Column("", names, numbers=False), Column("", texts, numbers=False)])


def _print(console: Console, columns: Sequence[Column], *, headings: bool = False) -> None:
    def shown(cell: Cell) -> Text:
        return plain(cell, encoding=console.encoding) if isinstance(cell, str) else cell

    table = Table(
        box=box.SIMPLE_HEAD if headings else None,
        show_header=headings,
        show_edge=False,
        padding=(0, 1 if headings else GAP, 0, 0),
        header_style="bold",
    )
    for column, width in zip(columns, _widths(columns, console), strict=True):
        table.add_column(
            shown(column.heading),
            justify="right" if column.numbers else "left",
            vertical="top",
            width=width,
            overflow="fold",
        )
        table.columns[-1].header_style = ""
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(shown(cell) for cell in row))
    console.print(table)


def _widths(columns: Sequence[Column], console: Console) -> list[int]:
    """Return widths that fit: the least of each column; the rest goes to columns of long texts."""
    widths = [_least(column, console) for column in columns]
    natural = [max(least, _natural(c, console)) for least, c in zip(widths, columns, strict=True)]
    left = console.width - sum(widths) - GAP * len(widths)
    while left != 0:
        step = 1 if left > 0 else -1
        wanting = [n - w if left > 0 else w for n, w in zip(natural, widths, strict=True)]
        most = max(wanting)
        if most <= (0 if left > 0 else 1):
            break
        widths[wanting.index(most)] += step
        left -= step
    return widths


def _least(column: Column, console: Console) -> int:
    """Return the width below which a word would be broken, or a heading take too many lines."""
    texts = _texts(column, console)
    words = [cell_len(word) for text in texts for word in text.split()]
    width = min(max(words, default=0), max(NARROW, console.width // 2))
    if column.numbers:
        width = max(width, *map(cell_len, texts), 1)
    else:
        width = max(width, min(_natural(column, console), NARROW))
    heading = visible(column.heading, console.encoding)
    longest = max((cell_len(word) for word in heading.split()), default=0)
    start = max(width, min(longest, max(NARROW, console.width // 2)))
    return next(w for w in count(start) if _lines(heading, w) <= HEADING_LINES)


def _natural(column: Column, console: Console) -> int:
    lines = [line for text in _texts(column, console) for line in text.splitlines()]
    return max(map(cell_len, lines), default=0)


def _texts(column: Column, console: Console) -> list[str]:
    return [
        visible(cell, console.encoding) if isinstance(cell, str) else cell.plain
        for cell in column.cells
    ]


def _lines(text: str, width: int) -> int:
    """Return how many lines a text takes that is wrapped at spaces."""
    lines, used = 1, 0
    for word in text.split():
        length = cell_len(word)
        if used and used + 1 + length > width:
            lines, used = lines + 1, length
        else:
            used += length + bool(used)
    return lines
