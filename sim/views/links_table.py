"""The links that matter on the terminal: what held transfers back, and how full it was.

Access links that differ by their number only are told of together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.estimate import estimate
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.views.columns import Cell, Column, print_columns
from cutlayer.sim.views.names import natural_order, numberless, together
from cutlayer.sim.views.quantities import significant, spread

MOST: Final = (5, 3)  # lines of a method: where there are up to three methods, and more
DIGITS: Final = 2
SLIGHT: Final = 0.01  # of a method's time; links that hold transfers back for less are left out


@dataclass(frozen=True)
class LinkGroup:
    """A link or medium, or access links that are told of together; `seeds` has its rows of each."""

    names: tuple[str, ...]
    seeds: tuple[tuple[Row, ...], ...]

    def most(self, column: str) -> float:
        """Return the largest figure of any of its links with any seed."""
        return max(float(row[column] or 0) for rows in self.seeds for row in rows)

    def mean(self, column: str, factor: float, places: int, sign: str) -> str:
        """Return the mean over its links as text."""
        means = [sum(float(row[column] or 0) for row in rows) / len(rows) for rows in self.seeds]
        found = estimate(means)
        assert found is not None
        if found.half_width:
            return spread(found, factor, DIGITS, sign)
        return _short(found.mean / factor, places)

    def share(self, column: str, sign: str) -> str:
        """Return the mean over its links in percent, and where they differ also the largest."""
        text, most = self.mean(column, 0.01, 1, sign), _short(self.most(column) / 0.01, 1)
        return text if len(self.names) == 1 or most == text else f"{text} ({most})"


def _short(value: float, places: int) -> str:
    """Return a number to so many significant digits, and to no more places than are of use."""
    return min(significant(value, DIGITS), f"{value:.{places}f}", key=len)


def link_groups(results: Sequence[MethodResult]) -> list[LinkGroup]:
    """Return the links of a method (with one seed or several), the narrowest first."""
    found: dict[tuple[str, bool], list[tuple[Row, ...]]] = {}
    for result in results:
        rows: dict[tuple[str, bool], list[Row]] = {}
        for row in result.link_rows():
            name, own = str(row["link"]), row["clients"] == 1
            rows.setdefault((numberless(name) if own else name, own), []).append(row)
        for key, members in rows.items():
            found.setdefault(key, []).append(tuple(members))
    groups = [
        LinkGroup(
            tuple(sorted({str(row["link"]) for rows in seeds for row in rows}, key=natural_order)),
            tuple(seeds),
        )
        for seeds in found.values()
    ]
    return sorted(groups, key=lambda g: (-g.most("bottleneck_share"), -g.most("utilisation")))


def print_links(
    methods: Mapping[str, Sequence[MethodResult]],
    names: Sequence[Cell],
    console: Console,
    sign: str,
) -> None:
    """Print the few links of each method that held transfers back most, or at least the fullest."""
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
    console.print(
        plain("Links that held transfers back (of several: the mean, and the largest)", "bold")
    )
    columns = [Column("link", [together(group.names) for group in shown], numbers=False)]
    for heading, column in (
        ("held\nthem (%\nof time)", "bottleneck_share"),
        ("used\n(%)", "utilisation"),
    ):
        columns.append(Column(heading, [group.share(column, sign) for group in shown]))
    flows = [f"{g.mean('mean_flows', 1.0, 2, sign)}, {g.most('peak_flows'):g}" for g in shown]
    columns.append(Column("transfers\nat once,\nmost", flows))
    print_columns(console, Column("method", labels), columns)
