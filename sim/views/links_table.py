"""The bottleneck links on the terminal, and how busy they were.

Access links that differ only by their number share a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.estimate import estimate
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.views.columns import Cell, Column, print_columns
from cutlayer.sim.views.names import natural_order, numberless, together
from cutlayer.sim.views.quantities import significant, spread

MOST: Final = (5, 3)  # rows of a method: with up to three methods, and with more
DIGITS: Final = 2
SLIGHT: Final = 0.01  # of a method's time; links that limit transfers for less are left out


@dataclass(frozen=True)
class LinkGroup:
    """A link or medium, or access links that share a row; `seeds` has their rows of each seed."""

    names: tuple[str, ...]
    seeds: tuple[tuple[Row, ...], ...]

    def most(self, column: str) -> float:
        """Return the largest figure of any of its links with any seed."""
        return max(float(row[column] or 0) for rows in self.seeds for row in rows)

    def mean(self, column: str, factor: float, places: int, sign: str) -> str:
        """Return the mean over its links as text."""
        means = [sum(float(row[column] or 0) for row in rows) / len(rows) for rows in self.seeds]
        value = estimate(means)
        assert value is not None
        if value.half_width:
            return spread(value, factor, DIGITS, sign)
        return _short(value.mean / factor, places)

    def share(self, column: str, sign: str) -> str:
        """Return the mean over its links in percent, followed by the largest if that differs."""
        text, most = self.mean(column, 0.01, 1, sign), _short(self.most(column) / 0.01, 1)
        return text if len(self.names) == 1 or most == text else f"{text} ({most})"


def _short(value: float, places: int) -> str:
    """Return a number to `DIGITS` significant digits, with at most `places` decimals."""
    return min(significant(value, DIGITS), f"{value:.{places}f}", key=len)


def link_groups(results: Sequence[MethodResult]) -> list[LinkGroup]:
    """Return the links of a method over its seeds, the most limiting first."""
    by_name: dict[tuple[str, bool], list[tuple[Row, ...]]] = {}
    for result in results:
        rows: dict[tuple[str, bool], list[Row]] = {}
        for row in result.rows_of("links"):
            name, own = str(row["link"]), row["clients"] == 1
            rows.setdefault((numberless(name) if own else name, own), []).append(row)
        for key, members in rows.items():
            by_name.setdefault(key, []).append(tuple(members))
    groups = [
        LinkGroup(
            tuple(sorted({str(row["link"]) for rows in seeds for row in rows}, key=natural_order)),
            tuple(seeds),
        )
        for seeds in by_name.values()
    ]
    return sorted(groups, key=lambda g: (-g.most("bottleneck_share"), -g.most("utilisation")))


def print_links(
    methods: Mapping[str, Sequence[MethodResult]],
    names: Sequence[Cell],
    console: Console,
    sign: str,
) -> None:
    """Print the few links of each method that limited transfers most, or else the busiest."""
    limit = MOST[0] if len(methods) <= 3 else MOST[1]
    labels: list[Cell] = []
    shown: list[LinkGroup] = []
    for name, results in zip(names, methods.values(), strict=True):
        groups = link_groups(results)
        held = [group for group in groups if group.most("bottleneck_share") >= SLIGHT]
        chosen = (held or groups[:1])[:limit]
        shown.extend(chosen)
        labels.extend([name, *[""] * (len(chosen) - 1)] if chosen else [])
    if not shown:
        return
    console.print()
    names_of = [together(group.names) for group in shown]
    columns = []
    for heading, column in (
        ("bottleneck time (%)", "bottleneck_share"),
        ("utilisation (%)", "utilisation"),
    ):
        columns.append(Column(heading, [group.share(column, sign) for group in shown]))
    flows = [f"{g.mean('mean_flows', 1.0, 2, sign)}, {g.most('peak_flows'):g}" for g in shown]
    columns.append(Column("transfers at once, peak", flows))
    title = "Bottleneck links (of several links: the mean, and the largest in brackets)"
    keys = [Column("method", labels), Column("link", names_of, numbers=False)]
    print_columns(console, keys, columns, title)
