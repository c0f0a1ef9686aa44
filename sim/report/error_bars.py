"""Error bars of plotly's charts."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.views.charts import Chart, ends_of_stacks, far_ends
from cutlayer.sim.views.quantities import brackets

BARS: Final = {
    "type": "data",
    "symmetric": False,
    "thickness": 1.6,
    "width": 5,
    "color": "#8a8a8a",
}


def shown(text: str) -> str:
    """Return a text with HTML escapes, since plotly interprets texts as HTML."""
    return escape(visible(text), quote=False).replace("\n", "<br>")


def with_error_bars(chart: Chart, number: int, trace: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the bars of a series of ratios with error bars, and their values beyond these as texts."""
    series = chart.series[number]
    together = {"legendgroup": trace["name"], "offsetgroup": str(number)}
    texts = trace.pop("text")
    del trace["textposition"]
    if series.ends is not None:
        trace["error_y"] = BARS | _lengths(series.y, series.ends)
    above = {
        "type": "scatter",
        "mode": "text",
        "x": trace["x"],
        "y": far_ends(chart)[number],
        "text": texts,
        "textposition": ["top center" if y >= 1 else "bottom center" for y in series.y],
        "cliponaxis": False,
        "hoverinfo": "skip",
        "showlegend": False,
        "name": trace["name"],
    }
    return [trace | together, above | together]


def error_bars_of_totals(chart: Chart) -> list[dict[str, Any]]:
    """Return the intervals of stacks as error bars around points that are not drawn."""
    if not chart.intervals:
        return []
    ends = ends_of_stacks(chart)
    at = [ends.get(row, 0.0) for row in chart.intervals]
    texts = [f"{row}\n{brackets(*interval)}" for row, interval in chart.intervals.items()]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "marker": {"opacity": 0},
            "x": at,
            "y": [shown(row) for row in chart.intervals],
            "error_x": BARS | _lengths(at, list(chart.intervals.values())),
            "hoverinfo": "text",
            "hovertext": [shown(text) for text in texts],
            "showlegend": False,
        }
    ]


def _lengths(
    values: Sequence[float], ends: Sequence[tuple[float, float]]
) -> dict[str, list[float]]:
    """Return the lengths of error bars on both sides of the values, which may be negative."""
    low, high = zip(*ends, strict=True)
    return {
        "array": [end - value for end, value in zip(high, values, strict=True)],
        "arrayminus": [value - end for end, value in zip(low, values, strict=True)],
    }
