"""Charts for a browser, by plotly: zoom, hover, and series that a click on the legend hides."""

from typing import Any

from sim.report.charts import Chart, Series
from sim.views import style

# Without black, which a dark page swallows.
COLOURS = (*style.METHOD_COLOURS[:6], "#8a8a8a", "#B39B00")
DASHES = ("solid", "dash", "dot", "dashdot")
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
    about: dict[str, Any] = {"name": series.name, "x": list(series.x), "y": list(series.y)}
    if series.texts is not None:
        about |= {"hovertext": list(series.texts), "hoverinfo": "text"}
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
    return about


def _heat(chart: Chart) -> dict[str, Any]:
    (grid,) = chart.series
    return {
        "type": "heatmap",
        "x": list(grid.x),
        "y": list(grid.y),
        "z": [list(row) for row in chart.cells],
        "text": [list(row) for row in chart.marks],
        "texttemplate": "%{text}",
        "hovertemplate": "%{x}, %{y}: %{text}<extra></extra>",
        "colorscale": "Cividis",
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }


def _layout(chart: Chart) -> dict[str, Any]:
    categories = chart.shape in ("gantt", "range", "stack", "heat")
    rows = len({y for series in chart.series for y in series.y}) if categories else 0
    x_axis: dict[str, Any] = {"title": {"text": chart.x_title}, "automargin": True}
    y_axis: dict[str, Any] = {"title": {"text": chart.y_title}, "automargin": True}
    if chart.x_log:
        x_axis |= {"type": "log", "dtick": "D2"}
    if chart.y_log:
        y_axis |= {"type": "log"}
    if categories:
        y_axis |= {"autorange": "reversed", "type": "category"}
    if chart.shape in ("heat", "bars"):
        x_axis |= {"type": "category"}
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
