"""Draw charts with plotly for a browser, with zoom, hover texts and clickable legends."""

from collections.abc import Sequence
from math import log10
from typing import Any, Final

from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.report.error_bars import error_bars_of_totals, shown, with_error_bars
from cutlayer.sim.views import style
from cutlayer.sim.views.charts import (
    ROWS,
    Chart,
    Series,
    ends_of_texts,
    limits_of_ratios,
    strip_areas,
    visible_words,
)
from cutlayer.sim.views.quantities import significant

# Without black, which a dark page swallows.
COLOURS = (*style.METHOD_COLOURS[:6], "#8a8a8a", "#B39B00")
DASHES = ("solid", "dash", "dot", "dashdot")
# A logarithmic axis is labelled with plain numbers at 1, 2 and 5.
TICKS: Final = [float(f"{digit}e{power}") for power in range(-9, 13) for digit in (1, 2, 5)]
LOG: Final = {"type": "log", "tickvals": TICKS, "ticktext": [f"{tick:,.9g}" for tick in TICKS]}
MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")


def figure_of(chart: Chart) -> dict[str, Any]:
    """Return plotly's data and layout of a chart, validated by plotly, as JSON-compatible data."""
    from plotly import graph_objs

    if chart.shape == "heat":
        traces = [_heat(chart)]
    else:
        traces = [t for i, series in enumerate(chart.series) for t in _traces(chart, series, i)]
        traces += error_bars_of_totals(chart)
    make: Any = graph_objs.Figure  # type: ignore[attr-defined]
    figure = make(data=traces, layout=_layout(chart))
    plain: dict[str, Any] = figure.to_plotly_json()
    plain["layout"].pop("template", None)
    return plain


def _traces(chart: Chart, series: Series, number: int) -> list[dict[str, Any]]:
    if chart.shape == "strips":
        return _strip(chart, series, number)
    trace = _trace(chart, series)
    if chart.shape == "ratios" and any(one.ends for one in chart.series):
        return with_error_bars(chart, number, trace)
    is_sure = series.half is None and series.ends is None
    return [trace] if is_sure else [_band(series, trace), trace]


def _band(series: Series, trace: dict[str, Any]) -> dict[str, Any]:
    """Return the interval around a line, which the line's entry in the legend hides too."""
    xs, (below, above) = list(trace["x"]), series.band()
    trace["legendgroup"] = trace["name"]
    area = {"x": [*xs, *xs[::-1]], "y": [*above, *below[::-1]], "fill": "toself", "opacity": 0.2}
    return area | {
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0},
        "fillcolor": trace["line"]["color"],
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": trace["name"],
        "name": trace["name"],
    }


def _strip(chart: Chart, series: Series, number: int) -> list[dict[str, Any]]:
    """Return a link's share in use as an area from a base line up, and in red where it is full."""
    base = number + 0.4
    traces = []
    areas = strip_areas(series).items()
    for colour, (name, heights) in zip(style.STRIP_COLOURS, areas, strict=True):
        xs = [x for start, end in zip(series.x, series.x[1:], strict=False) for x in (start, end)]
        ys = [base - 0.8 * h for h in heights for _ in range(2)]
        mean = chart.totals.get(series.name, "")
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [*xs[:1], *xs, *xs[-1:]],
                "y": [base, *ys, base] if ys else [],
                "fill": "toself",
                "fillcolor": colour,
                "line": {"width": 0.5, "color": colour},
                "name": name,
                "legendgroup": name,
                "showlegend": number == 0,
                "hoverinfo": "text",
                "hoveron": "fills",
                "text": shown(f"{series.name}: {mean} on average"),
            }
        )
    return traces


def _trace(chart: Chart, series: Series) -> dict[str, Any]:
    colour = COLOURS[series.number % len(COLOURS)]
    if series.phase is not None:
        colour = style.PHASE_COLOURS[series.phase]
    colour = series.colour or colour
    about: dict[str, Any] = {
        "name": shown(series.name),
        "x": _values(series.x),
        "y": _values(series.y),
    }
    if series.texts is not None:
        about |= {"hovertext": _values(series.texts), "hoverinfo": "text"}
    if series.details is not None:
        about["customdata"] = [visible(text) for text in series.details]
    if chart.shape in ("lines", "points", "dots"):
        marks: dict[str, Any] = {
            "symbol": MARKERS[series.number % len(MARKERS)],
            "size": 11 if chart.shape == "dots" else 7,
            "color": colour,
        }
        if series.bold:
            marks |= {"size": 14, "line": {"width": 2, "color": "#8a8a8a"}}
        line = {"color": colour, "dash": DASHES[series.number // len(COLOURS) % len(DASHES)]}
        mode = "lines+markers" if chart.shape == "lines" else "markers"
        if chart.shape == "dots":  # side by side
            about |= {"orientation": "h", "offsetgroup": series.name}
        return about | {"type": "scatter", "mode": mode, "marker": marks, "line": line}
    about |= {
        "type": "bar",
        "showlegend": bool(series.name),
        "marker": {"color": colour, "line": {"width": 0}},
    }
    if chart.shape in ("gantt", "range", "stack"):
        about["orientation"] = "h"
    if series.base is not None:
        about["base"] = list(series.base)
    if chart.shape == "ratios":
        about |= {
            "base": [1.0] * len(series.y),
            "y": [y - 1.0 for y in series.y],
            "text": [significant(y) for y in series.y],
            "textposition": "outside",
            "cliponaxis": False,
        }
    return about


def _heat(chart: Chart) -> dict[str, Any]:
    (grid,) = chart.series
    return {
        "type": "heatmap",
        "x": _values(grid.x),
        "y": _values(grid.y),
        "z": [list(row) for row in chart.cells],
        "text": [_values(row) for row in chart.marks],
        "texttemplate": "%{text}",
        "hovertemplate": "%{x}, %{y}: %{text}<extra></extra>",
        "colorscale": "Cividis",
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }


def _values(values: Sequence[Any]) -> list[Any]:
    return [shown(value) if isinstance(value, str) else value for value in values]


def _layout(chart: Chart) -> dict[str, Any]:
    categories = chart.shape in ROWS
    strips = chart.shape == "strips"
    rows = len({y for series in chart.series for y in series.y}) if categories else 0
    rows = len(chart.series) if strips else rows
    x_axis: dict[str, Any] = {"title": {"text": shown(chart.x_title)}, "automargin": True}
    y_axis: dict[str, Any] = {"title": {"text": shown(chart.y_title)}, "automargin": True}
    if chart.x_log:
        x_axis |= LOG
    if chart.y_log:
        y_axis |= LOG
    if strips:
        means = [chart.totals.get(series.name, "") for series in chart.series]
        names = [
            shown(f"{series.name}, {mean}")
            for series, mean in zip(chart.series, means, strict=True)
        ]
        y_axis |= {"range": [rows - 0.4, -0.6], "tickvals": list(range(rows)), "ticktext": names}
    elif categories:
        y_axis |= {"autorange": "reversed", "type": "category"}
    if chart.shape in ("heat", "ratios") or _named(chart):
        x_axis |= {"type": "category"}
    if chart.shape == "ratios":
        ends = [log10(end) for end in limits_of_ratios(chart)]
        texts = [f"{tick:g}x" for tick in TICKS]
        y_axis |= {"range": ends, "ticktext": texts, "zeroline": False}
    layout: dict[str, Any] = {
        "xaxis": x_axis,
        "yaxis": y_axis,
        "barmode": "overlay" if categories else "group",
        "height": max(320, 130 + (26 if chart.shape == "gantt" else 44) * rows),
        "margin": {"l": 10, "r": 10, "t": 16, "b": 40},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "hovermode": "closest",
        "bargap": 0.15 if chart.shape == "gantt" else 0.3,
        "showlegend": chart.shape != "heat" and (strips or len(chart.series) > 1),
        "dragmode": "zoom",
    }
    if chart.shape == "dots":
        x_axis["range"] = [-2, 102]
        layout |= {"scattermode": "group", "scattergap": 0.4}
    if chart.totals and not strips:
        lengths = ends_of_texts(chart)
        layout["annotations"] = [
            {"x": lengths.get(row, 0.0), "xanchor": "left", "xshift": 4, "y": shown(row)}
            | {"text": shown(text), "showarrow": False}
            for row, text in chart.totals.items()
        ]
        room = 1.45 if chart.intervals else 1.3
        x_axis["range"] = [0, room * max(lengths.values(), default=1.0)]
    if words := visible_words(chart):
        layout["annotations"] = [
            {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "text": shown(text)}
            | {"showarrow": False, "font": {"size": 10}}
            for x, text in chart.lines_at
            if text in words
        ]
        layout["legend"]["y"] = 1.0 + 0.8 / rows  # above the text
    layout["shapes"] = [_line_across("y", y, "dot") for y, _ in chart.levels]
    layout["shapes"] += [_line_across("x", x, "dot") for x, _ in chart.lines_at]
    layout["shapes"] += [
        {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "yref": "paper"}
        | {"fillcolor": "#8a8a8a", "opacity": 0.15, "line": {"width": 0}, "layer": "below"}
        for low, high in chart.spans
    ]
    if chart.shape == "range":
        x_axis["tickformat"] = "+.0%"
    if chart.shape == "ratios":
        layout["shapes"].append(_line_across("y", 1.0, "solid"))
        layout["scattermode"] = "group"
    return layout


def _named(chart: Chart) -> bool:
    """Whether x has names, which plotly might otherwise parse as numbers or dates."""
    if chart.shape not in ("lines", "points"):
        return False
    return any(isinstance(x, str) for series in chart.series for x in series.x)


def _line_across(axis: str, at: float, dash: str) -> dict[str, Any]:
    """Return a line at a value of one axis that is as long as the other one."""
    other = "x" if axis == "y" else "y"
    line = {"width": 1.5, "color": "#8a8a8a", "dash": dash}
    ends = {f"{axis}0": at, f"{axis}1": at, f"{other}0": 0, f"{other}1": 1, f"{other}ref": "paper"}
    return {"type": "line", "line": line} | ends
