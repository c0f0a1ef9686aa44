"""Charts for a browser, by plotly: zoom, hover, and series that a click on the legend hides."""

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Any, Final

from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.report.charts import Chart, Series, reach_of_ratios
from cutlayer.sim.views import style
from cutlayer.sim.views.quantities import significant

# Without black, which a dark page swallows.
COLOURS = (*style.METHOD_COLOURS[:6], "#8a8a8a", "#B39B00")
DASHES = ("solid", "dash", "dot", "dashdot")
# A logarithmic axis of ratios is labelled with plain numbers.
RATIO_TICKS: Final = [float(f"{digit}e{power}") for power in range(-6, 7) for digit in (1, 2, 5)]
MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")


def figure_of(chart: Chart) -> dict[str, Any]:
    """Return plotly's data and layout of a chart as plain JSON-able data, checked by plotly."""
    from plotly import graph_objs

    if chart.shape == "heat":
        traces = [_heat(chart)]
    else:
        traces = [_trace(chart, series) for series in chart.series]
    make: Any = graph_objs.Figure  # type: ignore[attr-defined]
    figure = make(data=traces, layout=_layout(chart))
    plain: dict[str, Any] = figure.to_plotly_json()
    plain["layout"].pop("template", None)
    return plain


def _trace(chart: Chart, series: Series) -> dict[str, Any]:
    colour = COLOURS[series.place % len(COLOURS)]
    if series.phase is not None:
        colour = style.PHASE_COLOURS[series.phase]
    about: dict[str, Any] = {
        "name": shown(series.name),
        "x": _values(series.x),
        "y": _values(series.y),
    }
    if series.texts is not None:
        about |= {"hovertext": _values(series.texts), "hoverinfo": "text"}
    if chart.shape in ("lines", "points"):
        marks = {"symbol": MARKERS[series.place % len(MARKERS)], "size": 7, "color": colour}
        if series.bold:
            marks |= {"size": 14, "line": {"width": 2, "color": "#8a8a8a"}}
        line = {"color": colour, "dash": DASHES[series.place // len(COLOURS) % len(DASHES)]}
        mode = "lines+markers" if chart.shape == "lines" else "markers"
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


def shown(text: str) -> str:
    """Return a text as plotly shows it: it takes texts for HTML, so that < and & are written as such."""
    return escape(visible(text), quote=False).replace("\n", "<br>")


def _values(values: Sequence[Any]) -> list[Any]:
    return [shown(value) if isinstance(value, str) else value for value in values]


def _layout(chart: Chart) -> dict[str, Any]:
    categories = chart.shape in ("gantt", "range", "stack", "heat")
    rows = len({y for series in chart.series for y in series.y}) if categories else 0
    x_axis: dict[str, Any] = {"title": {"text": shown(chart.x_title)}, "automargin": True}
    y_axis: dict[str, Any] = {"title": {"text": shown(chart.y_title)}, "automargin": True}
    if chart.x_log:
        x_axis |= {"type": "log", "dtick": "D2"}
    if chart.y_log:
        y_axis |= {"type": "log"}
    if categories:
        y_axis |= {"autorange": "reversed", "type": "category"}
    if chart.shape in ("heat", "ratios") or _named(chart):
        x_axis |= {"type": "category"}
    if chart.shape == "ratios":
        reach = log10(reach_of_ratios(chart))
        y_axis |= {"range": [-reach, reach], "tickvals": RATIO_TICKS, "zeroline": False}
    layout: dict[str, Any] = {
        "xaxis": x_axis,
        "yaxis": y_axis,
        "barmode": "overlay" if categories else "group",
        "height": max(320, 130 + (26 if chart.shape == "gantt" else 44) * rows),
        "margin": {"l": 10, "r": 10, "t": 16, "b": 40},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "hovermode": "closest",
        "bargap": 0.15 if chart.shape == "gantt" else 0.3,
        "showlegend": chart.shape != "heat" and len(chart.series) > 1,
        "dragmode": "zoom",
    }
    if chart.shape == "range":
        x_axis["tickformat"] = "+.0%"
    if chart.shape == "ratios":
        layout["shapes"] = [_across(1.0)]
    if chart.lines_at:
        layout["shapes"] = [
            {
                "type": "line",
                "x0": x,
                "x1": x,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"dash": "dot", "width": 1.5, "color": "#8a8a8a"},
            }
            for x, _ in chart.lines_at
        ]
    return layout


def _named(chart: Chart) -> bool:
    """Whether x has names, which plotly would otherwise take for numbers or dates where they look so."""
    if chart.shape not in ("lines", "points"):
        return False
    return any(isinstance(x, str) for series in chart.series for x in series.x)


def _across(y: float) -> dict[str, Any]:
    line = {"width": 1.5, "color": "#8a8a8a"}
    return {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": y, "y1": y, "line": line}
