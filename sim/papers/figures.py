"""Figures of reproduced tables: deviations from published values, and time ratios over the link rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cutlayer.sim.papers.ecofed_map import HEADLINES, Point
from cutlayer.sim.validate.table import Table
from cutlayer.sim.views.style import (
    BLACK,
    GREY,
    LINE_STYLES,
    METHOD_COLOURS,
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    dress,
    new_figure,
    plain_log_ticks,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS: Final = {"fitted": GREY, "predicted": METHOD_COLOURS[0], "inferred": METHOD_COLOURS[2]}
ROW_INCHES: Final = 0.36


def table_figure(table: Table) -> "Figure":
    """Return the deviation of each line from the published figure."""
    lines = [line for line in table.lines if line.deviation is not None]
    figure = new_figure(10, 1.6 + ROW_INCHES * len(lines))
    axes = figure.add_subplot()
    dress(axes, "x")
    for kind, colour in COLOURS.items():
        rows = [(n, line) for n, line in enumerate(lines) if line.kind == kind]
        if rows:
            axes.plot(
                [1 + (line.deviation or 0.0) for _, line in rows],
                [n for n, _ in rows],
                "o",
                color=colour,
                markersize=8,
                label=kind,
            )
    for number, line in enumerate(lines):
        if line.within is not None:
            span = (1 - line.within, 1 + line.within)
            axes.plot(span, (number, number), color=BLACK, linewidth=1.5, zorder=1)
    axes.axvline(1.0, color=BLACK, linewidth=1)
    ratios = [1 + (line.deviation or 0.0) for line in lines]
    low, high = min(0.8, *ratios), max(1.2, *ratios)
    axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * (value - 1):+.0f} %")
    axes.set_yticks(range(len(lines)), shown(line.quantity for line in lines))
    axes.invert_yaxis()
    axes.set_xlabel("deviation from the published figure (bars: tolerance)", fontsize=TEXT_SIZE)
    figure.suptitle(table.title, fontsize=SMALL_TEXT_SIZE)
    figure.legend(loc="outside lower right", ncols=3, frameon=False, fontsize=SMALL_TEXT_SIZE)
    return figure


def map_figure(points: Sequence[Point]) -> "Figure":
    """Return the time ratios over the rate of the uplink; dotted lines are the published headlines.

    Lines are for equal rates in both directions; a diamond is a link with a faster downlink.
    """
    devices = list(dict.fromkeys(point.device for point in points))
    servers = list(dict.fromkeys(point.server_x for point in points))
    figure = new_figure(4.2 * len(devices), 8)
    panels = figure.subplots(2, len(devices), squeeze=False, sharex=True, sharey="row")
    for row, other in enumerate(("classic FL", "SplitFed")):
        for column, name in enumerate(devices):
            axes = panels[row][column]
            dress(axes, "both")
            for number, server in enumerate(servers):
                at = [p for p in points if p.device == name and p.server_x == server]
                equal = sorted(
                    (p for p in at if p.up_mbit == p.down_mbit), key=lambda point: point.up_mbit
                )
                for measure, style in zip(("makespan", "additive"), LINE_STYLES, strict=False):
                    axes.plot(
                        [point.up_mbit for point in equal],
                        [point.ratios(measure)[row] for point in equal],
                        style,
                        color=METHOD_COLOURS[number],
                        label=f"server x{server:g}, {measure}" if not row and not column else None,
                    )
                _draw_unequal(axes, at, row, METHOD_COLOURS[number])
            highest = max(headline[row] for headline in HEADLINES.values())
            for version, headline in HEADLINES.items():
                axes.axhline(headline[row], color=BLACK, linewidth=1, linestyle=":")
                axes.annotate(
                    f"{version}: {headline[row]:g}",
                    (1, headline[row]),
                    xycoords=("axes fraction", "data"),
                    ha="right",
                    va="bottom" if headline[row] == highest else "top",
                    fontsize=SMALL_TEXT_SIZE - 2,
                )
            for link in dict.fromkeys(p.link for p in points if p.up_mbit != p.down_mbit):
                label = "{:g} up, {:g} down".format(*link)
                axes.plot([], [], "D", color=GREY, label=label if not row and not column else None)
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_log_ticks(axes.xaxis)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            if row == 0:
                axes.set_title(name, fontsize=TEXT_SIZE)
            else:
                axes.set_xlabel("uplink (Mbit/s)", fontsize=SMALL_TEXT_SIZE)
        panels[row][0].set_ylabel(f"time: {other} / EcoFed", fontsize=TEXT_SIZE)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=SMALL_TEXT_SIZE)
    return figure


def _draw_unequal(axes: Any, points: Sequence[Point], row: int, colour: str) -> None:
    """Draw the settings whose rates differ by direction: diamonds, hollow for additive times."""
    for point in points:
        if point.up_mbit != point.down_mbit:
            for measure, fill in (("makespan", colour), ("additive", "none")):
                ratio = point.ratios(measure)[row]
                axes.plot(point.up_mbit, ratio, "D", color=colour, mfc=fill, markersize=7)
