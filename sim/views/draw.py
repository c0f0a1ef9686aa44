"""Draw charts with matplotlib, for image files and papers.

This file is long because it draws every form of chart: lines, ratios, bars, timelines, strips, maps.
"""

from collections.abc import Callable, Sequence
from math import ceil
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.views import style
from cutlayer.sim.views.charts import (
    ROWS,
    Chart,
    Series,
    ends_of_texts,
    far_ends,
    limits_of_ratios,
    strip_areas,
    visible_words,
)
from cutlayer.sim.views.quantities import brackets, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_LETTERS: Final = 80  # in a row
TITLE_LETTERS: Final = 80
ROW_LETTERS: Final = 40
ROW_INCHES: Final = {"gantt": 0.1, "strips": 0.55, "stack": 0.52, "dots": 0.52}  # others: 0.34
HEAD_INCHES: Final = 1.6
LEGEND_INCHES: Final = 0.5  # from the axes down to a legend below them
LINES_INCHES: Final = 4.6
NARROW: Final = 1 / 200  # of the time axis; white edges would hide narrower intervals


def figure_of(
    grid: Sequence[Sequence[Chart]],
    title: str = "",
    width: float = 8.0,
    ratios: Sequence[float] | None = None,
) -> "Figure":
    """Return a figure with a chart in each cell of a grid; charts with rows share them in a row.

    Legends of one row stand below its charts, those of one column below the figure.
    """
    heights = [_inches(row[0]) for row in grid]
    shared = len(grid[0]) > 1 and all(chart.shape in ROWS for row in grid for chart in row)
    figure = style.new_figure(width, sum(heights) + (0.4 if title else 0.0))
    panels = figure.subplots(
        len(grid),
        len(grid[0]),
        squeeze=False,
        sharey="row" if shared else False,
        height_ratios=heights,
        width_ratios=ratios,
    )
    several = len(grid) * len(grid[0]) > 1
    for axes_row, charts in zip(panels, grid, strict=True):
        for column, (axes, chart) in enumerate(zip(axes_row, charts, strict=True)):
            names = _names(charts[0] if shared else chart)
            _draw(axes, chart, names, first=column == 0 or not shared, several=several)
    if len(grid) == 1 and len(grid[0]) > 1:
        below = -LEGEND_INCHES / (heights[0] - HEAD_INCHES + 0.4)  # of the height of the axes
        inches = width / len(grid[0])
        for axes in panels[0]:
            longest = max(map(len, axes.get_legend_handles_labels()[1]), default=0)
            columns = int(LEGEND_LETTERS * inches / 8.0) // (longest + 6)
            axes.legend(
                loc="upper left",
                bbox_to_anchor=(0, below),
                ncols=min(3, max(1, columns)),
                **_LEGEND,
            )
    else:
        _common_legend(figure, [axes for row in panels for axes in row])
    if title:
        figure.suptitle(title, fontsize=style.TEXT_SIZE, x=0.01, ha="left")
    return figure


_LEGEND: Final[dict[str, Any]] = {
    "fontsize": style.SMALL_TEXT_SIZE,
    "frameon": False,
    "handlelength": 1.4,
    "columnspacing": 1.2,
}


def _common_legend(figure: "Figure", panels: Sequence["Axes"]) -> None:
    handles = {
        name: handle
        for axes in panels
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if len(handles) > 1:
        columns = LEGEND_LETTERS // (max(map(len, handles)) + 6)
        rows = ceil(len(handles) / max(1, min(6 if len(panels) > 1 else 4, columns)))
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=ceil(len(handles) / rows),  # rows of nearly equal length
            **_LEGEND,
        )


def _inches(chart: Chart) -> float:
    if chart.shape not in ROWS:
        return LINES_INCHES + 0.1 * len(chart.series)
    names = chart.series if chart.shape == "strips" else _names(chart)
    return HEAD_INCHES + ROW_INCHES.get(chart.shape, 0.34) * len(names)


def _names(chart: Chart) -> list[str]:
    return list(dict.fromkeys(y for series in chart.series for y in series.y))


def _draw(axes: "Axes", chart: Chart, rows: Sequence[str], *, first: bool, several: bool) -> None:
    draw: Callable[[Axes, Chart, Sequence[str]], None] = {
        "heat": _heat,
        "gantt": _gantt,
        "strips": _strips,
        "ratios": _ratios,
        "lines": _lines,
        "points": _lines,
    }.get(chart.shape, _bars)
    if chart.shape != "heat":
        tall = chart.shape in ROWS
        style.dress(axes, "x" if tall else "y" if chart.shape == "ratios" else "both")
    draw(axes, chart, rows)
    for axis, log in ((axes.xaxis, chart.x_log), (axes.yaxis, chart.y_log)):
        if log:
            (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
            style.plain_log_ticks(axis)
    if chart.shape == "ratios":
        axes.set_ylim(*limits_of_ratios(chart))
        axes.axhline(1.0, color=style.GREY, linewidth=1.2)
    elif chart.shape == "lines" and not chart.x_log and chart.levels:
        axes.set_xlim(left=0)
    words = visible_words(chart)
    for x, text in chart.lines_at:
        axes.axvline(x, color=style.GREY, linestyle=":", linewidth=1.2)
        if text in words:
            above: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center"}
            above |= {"xytext": (0, 2), "textcoords": "offset points", "color": style.GREY}
            axes.annotate(text, (x, 1.0), fontsize=style.SMALL_TEXT_SIZE - 2, **above)
    for low, high in chart.spans:
        axes.axvspan(low, high, color=style.GREY, alpha=0.15, linewidth=0)
    for y, text in chart.levels:
        axes.axhline(y, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
        at_end: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center"}
        axes.annotate(text, (1.01, y), fontsize=style.SMALL_TEXT_SIZE, color=style.GREY, **at_end)
    title = chart.choice if several and chart.shape in ("gantt", "strips") else chart.title
    if not several and chart.choice:
        title += (" " if chart.choice.startswith("over ") else ": ") + chart.choice
    pad = 16 if words else None
    axes.set_title(fill(title, TITLE_LETTERS), fontsize=style.TEXT_SIZE, loc="left", pad=pad)
    axes.set_xlabel(chart.x_title, fontsize=style.SMALL_TEXT_SIZE)
    axes.set_ylabel(chart.y_title if first else "", fontsize=style.SMALL_TEXT_SIZE)


def _colour(series: Series) -> str:
    if series.colour is not None:
        return series.colour
    if series.phase is not None:
        return style.PHASE_COLOURS[series.phase]
    return style.METHOD_COLOURS[series.number % len(style.METHOD_COLOURS)]


def _set_rows(axes: "Axes", names: Sequence[Any], minor: Any = ()) -> None:
    texts = [fill(text, ROW_LETTERS) for text in style.shown(map(str, names))]
    axes.set_yticks(range(len(names)), texts)
    axes.set_ylim(len(names) - 0.4, -0.6)
    for tick, name in zip(axes.get_yticklabels(), names, strict=False):  # none if shared
        tick.set_color(style.GREY if name in minor else style.BLACK)


def _lines(axes: "Axes", chart: Chart, _: Sequence[str]) -> None:
    for series in chart.series:
        number = series.number
        dash = style.LINE_STYLES[number // len(style.METHOD_COLOURS) % len(style.LINE_STYLES)]
        axes.plot(
            [visible(x) if isinstance(x, str) else x for x in series.x],
            series.y,
            color=_colour(series),
            marker=style.METHOD_MARKERS[number % len(style.METHOD_MARKERS)],
            markevery=max(1, len(series.x) // 10) if chart.shape == "lines" else 1,
            markersize=9 if series.bold else 6,
            linewidth=2,
            linestyle=dash if chart.shape == "lines" else "none",
            label=style.legend_name(series.name),
        )
        if series.half is not None or series.ends is not None:
            axes.fill_between(
                series.x, *series.band(), color=_colour(series), alpha=0.2, linewidth=0
            )


def _ratios(axes: "Axes", chart: Chart, _: Sequence[str]) -> None:
    count = len(chart.series)
    known = list(dict.fromkeys(x for series in chart.series for x in series.x))
    for number, series in enumerate(chart.series):
        offset = (number - (count - 1) / 2) * 0.8 / count
        places = [known.index(x) + offset for x in series.x]
        heights = [y - 1.0 for y in series.y]
        name = style.legend_name(series.name)
        axes.bar(places, heights, 0.8 / count, bottom=1.0, color=_colour(series), label=name)
        if series.ends is not None:
            _error_bars(axes, "y", places, series.ends)
        gap = 2 if series.ends is None else 4
        for place, y, end in zip(places, series.y, far_ends(chart)[number], strict=True):
            axes.annotate(
                significant(y),
                (place, end),
                xytext=(0, gap if y >= 1 else -gap),
                textcoords="offset points",
                ha="center",
                va="bottom" if y >= 1 else "top",
                fontsize=style.SMALL_TEXT_SIZE - 2,
            )
    axes.set_xticks(range(len(known)), style.shown(known))
    axes.tick_params(axis="x", rotation=20)


def _error_bars(
    axes: "Axes",
    axis: str,
    places: Sequence[float],
    ends: Sequence[tuple[float, float]],
) -> None:
    """Draw intervals along an axis, with a mark at each end."""
    low, high = zip(*ends, strict=True)
    draw = axes.vlines if axis == "y" else axes.hlines
    draw(places, low, high, color=style.BLACK, linewidth=1.4, zorder=3)
    mark = "_" if axis == "y" else "|"
    for edge in (low, high):
        at = (places, edge) if axis == "y" else (edge, places)
        axes.plot(*at, mark, color=style.BLACK, markersize=7, zorder=3)


def _bars(axes: "Axes", chart: Chart, names: Sequence[str]) -> None:
    """Draw horizontal bars from their bases, or dots."""
    if chart.shape != "dots" or not axes.get_shared_y_axes().get_siblings(axes)[1:]:
        _set_rows(axes, names, chart.minor)
    for number, series in enumerate(chart.series):
        rows = [names.index(y) for y in series.y]
        label = style.legend_name(series.name)
        if chart.shape == "dots":
            offset = 0.24 * (number - (len(chart.series) - 1) / 2)
            marker = style.METHOD_MARKERS[number % len(style.METHOD_MARKERS)]
            at = [row + offset for row in rows]
            colour = _colour(series)
            axes.plot(series.x, at, marker, color=colour, markersize=9, label=label, clip_on=False)
            continue
        axes.barh(
            rows,
            series.x,
            0.62,
            left=series.base,
            color=_colour(series),
            edgecolor="white",
            linewidth=0.4,
            label=label,
        )
    if chart.shape == "dots":
        axes.set_xlim(0, 100)
    if chart.intervals:
        rows = [names.index(name) for name in chart.intervals]
        _error_bars(axes, "x", rows, list(chart.intervals.values()))
    if chart.totals:
        ends = ends_of_texts(chart)
        for row, name in enumerate(names):
            span = chart.intervals.get(name, ())
            axes.annotate(
                chart.totals.get(name, "") + (f" {brackets(*span)}" if span else ""),
                (ends.get(name, 0.0), row),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=style.SMALL_TEXT_SIZE,
                color=style.GREY if name in chart.minor else style.BLACK,
            )
        room = 1.45 if chart.intervals else 1.28
        axes.set_xlim(0, room * max(ends.values(), default=1.0) or 1.0)


def _gantt(axes: "Axes", chart: Chart, lanes: Sequence[str]) -> None:
    """Draw intervals in lanes; the lanes of a client lie together under its name."""
    owners = [lane.rpartition(": ")[0] or lane for lane in lanes]
    span = max(
        (start + x for s in chart.series for start, x in zip(s.base or (), s.x, strict=True)),
        default=1.0,
    )
    for series in chart.series:
        if series.name:
            rows = np.array([lanes.index(y) for y in series.y])
            narrow = len(series.x) > 0 and min(series.x) < NARROW * span
            axes.barh(
                rows,
                series.x,
                0.92,
                left=series.base,
                color=_colour(series),
                edgecolor=_colour(series) if narrow else "white",
                linewidth=0.3,
                label=style.legend_name(series.name),
            )
    middles = {owner: np.mean([i for i, o in enumerate(owners) if o == owner]) for owner in owners}
    axes.set_yticks(list(middles.values()), style.shown(middles))
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.set_xlim(0, chart.x_end or span or 1.0)
    axes.tick_params(axis="y", length=0)
    for lane in range(1, len(lanes)):
        if owners[lane] != owners[lane - 1]:
            axes.axhline(lane - 0.5, color=style.LIGHT_GREY, linewidth=0.6)


def _strips(axes: "Axes", chart: Chart, _: Sequence[str]) -> None:
    """Draw a strip for each series: an area from 0 to 1, what is full in another colour."""
    _set_rows(axes, [series.name for series in chart.series])
    axes.set_xlim(0, max((series.x[-1] for series in chart.series if len(series.x)), default=1.0))
    for row, series in enumerate(chart.series):
        base = row + 0.4
        for colour, (name, heights) in zip(
            style.STRIP_COLOURS, strip_areas(series).items(), strict=True
        ):
            if heights:
                axes.stairs(
                    base - 0.8 * np.array(heights),
                    series.x,
                    baseline=base,
                    fill=True,
                    color=colour,
                    linewidth=0,
                    label=name if row == 0 else None,
                )
        axes.annotate(
            chart.totals.get(series.name, ""),
            (1.0, row),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL_TEXT_SIZE,
        )


def _heat(axes: "Axes", chart: Chart, _: Sequence[str]) -> None:
    (grid,) = chart.series
    values = [[float("nan") if v is None else v for v in row] for row in chart.cells]
    image = axes.imshow(values, cmap="cividis", aspect="auto")
    axes.set_xticks(range(len(grid.x)), style.shown(map(str, grid.x)), rotation=30, ha="right")
    names = [fill(text, ROW_LETTERS) for text in style.shown(map(str, grid.y))]
    axes.set_yticks(range(len(grid.y)), names)
    low, high = image.get_clim()
    for j, row in enumerate(chart.marks):
        for i, text in enumerate(row):
            value = values[j][i]
            bright = high > low and (value - low) / (high - low) > 0.6
            axes.text(
                i,
                j,
                text,
                ha="center",
                va="center",
                fontsize=9,
                color="black" if bright else "white" if value == value else "grey",
            )
