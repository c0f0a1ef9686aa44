"""Charts for a paper: the same data drawn by matplotlib as SVG and PDF, and as CSV."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Any

from cutlayer.sim.files.atomic import errors_named, whole_text
from cutlayer.sim.files.csv_text import CsvWriter, write_rows
from cutlayer.sim.files.plain_text import FileNames, visible
from cutlayer.sim.report.charts import Chart, Series, Source, Table, csv_rows, reach_of_ratios
from cutlayer.sim.views import style
from cutlayer.sim.views.quantities import significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

FORMATS = ("svg", "pdf")
LEGEND_LETTERS = 80  # in a row
TITLE_LETTERS = 80
ROW_LETTERS = 40


def write_figures(sources: Sequence[Source], folder: Path) -> list[Path]:
    """Write every chart of every source as .svg, .pdf and .csv, every table as .csv."""
    with errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    names = FileNames()
    for number, source in enumerate(sources):
        before = f"{number + 1}-" if len(sources) > 1 else ""
        for tab in source.tabs:
            for part in tab.parts:
                if isinstance(part, Table):
                    written.append(folder / f"{names.of(before + part.name)}.csv")
                    with whole_text(written[-1]) as file:
                        writer = CsvWriter(file, part.columns)
                        for row in part.rows:
                            writer.add_values(row)
                elif isinstance(part, tuple):
                    for chart in part:
                        choice = f"-{chart.choice}" if chart.choice else ""
                        written += _write(chart, folder, names.of(before + chart.name + choice))
    return written


def _write(chart: Chart, folder: Path, name: str) -> list[Path]:
    table = folder / f"{name}.csv"
    with whole_text(table) as file:
        write_rows(file, csv_rows(chart))
    return [*style.save(_figure(chart), folder, name, FORMATS), table]


def _figure(chart: Chart):  # type: ignore[no-untyped-def]
    categories = list(dict.fromkeys(y for series in chart.series for y in series.y))
    tall = chart.shape in ("gantt", "range", "stack", "heat")
    figure = style.new_figure(8.0, 1.6 + 0.34 * len(categories) if tall else 4.6)
    axes = figure.subplots()
    if chart.shape == "heat":
        _heat(axes, chart)
    else:
        for series in chart.series:
            _draw(axes, chart, series, categories)
        style.dress(axes, "x" if tall else "y" if chart.shape == "ratios" else "both")
        if tall:
            axes.set_yticks(range(len(categories)), _rows(categories))
            axes.set_ylim(len(categories) - 0.4, -0.6)
        if len(chart.series) > 1:
            longest = max(len(series.name) for series in chart.series)
            columns = max(1, min(4, LEGEND_LETTERS // (longest + 6)))
            figure.legend(
                loc="outside lower center",
                ncols=columns,
                fontsize=style.SMALL_TEXT_SIZE,
                frameon=False,
            )
    for axis, log in ((axes.xaxis, chart.x_log), (axes.yaxis, chart.y_log)):
        if log:
            (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
            _plain_ticks(axis)
    if chart.shape == "ratios":
        reach = reach_of_ratios(chart)
        axes.set_ylim(1 / reach, reach)
        axes.axhline(1.0, color=style.GREY, linewidth=1.2)
    for x, _ in chart.lines_at:
        axes.axvline(x, color=style.GREY, linestyle=":", linewidth=1.2)
    lines = [chart.title, *wrap(chart.choice, TITLE_LETTERS)]
    axes.set_title("\n".join(lines), fontsize=style.TEXT_SIZE, loc="left")
    axes.set_xlabel(chart.x_title, fontsize=style.SMALL_TEXT_SIZE)
    axes.set_ylabel(chart.y_title, fontsize=style.SMALL_TEXT_SIZE)
    return figure


def _rows(names: Sequence[Any]) -> list[str]:
    return [fill(text, ROW_LETTERS) for text in style.shown(map(str, names))]


def _plain_ticks(axis: "Axis") -> None:
    """Label a logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw(axes: "Axes", chart: Chart, series: Series, categories: Sequence[str]) -> None:
    place = series.place
    colour = style.METHOD_COLOURS[place % len(style.METHOD_COLOURS)]
    if series.phase is not None:
        colour = style.PHASE_COLOURS[series.phase]
    if chart.shape in ("lines", "points"):
        dash = style.LINE_STYLES[place // len(style.METHOD_COLOURS) % len(style.LINE_STYLES)]
        axes.plot(
            [visible(x) if isinstance(x, str) else x for x in series.x],
            series.y,
            color=colour,
            marker=style.METHOD_MARKERS[place % len(style.METHOD_MARKERS)],
            markersize=9 if series.bold else 4,
            linestyle=dash if chart.shape == "lines" else "none",
            label=style.legend_name(series.name),
        )
        return
    if chart.shape == "ratios":
        count = len(chart.series)
        offset = (chart.series.index(series) - (count - 1) / 2) * 0.8 / count
        known = list(dict.fromkeys(x for s in chart.series for x in s.x))
        places = [known.index(x) + offset for x in series.x]
        heights = [y - 1.0 for y in series.y]
        name = style.legend_name(series.name)
        bars = axes.bar(places, heights, 0.8 / count, bottom=1.0, color=colour, label=name)
        texts = [significant(y) for y in series.y]
        axes.bar_label(bars, texts, padding=2, fontsize=style.SMALL_TEXT_SIZE - 2)
        axes.set_xticks(range(len(known)), style.shown(known))
        axes.tick_params(axis="x", rotation=20)
        return
    left = series.base
    rows = [categories.index(y) for y in series.y]
    axes.barh(
        rows, series.x, 0.7, left=left, color=colour, label=style.legend_name(series.name) or None
    )


def _heat(axes: "Axes", chart: Chart) -> None:
    (grid,) = chart.series
    values = [[float("nan") if v is None else v for v in row] for row in chart.cells]
    image = axes.imshow(values, cmap="cividis", aspect="auto")
    axes.set_xticks(range(len(grid.x)), style.shown(map(str, grid.x)), rotation=30, ha="right")
    axes.set_yticks(range(len(grid.y)), _rows(grid.y))
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
