"""A chart as plain data: what a browser's library, a paper's picture and a CSV file are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Shape = Literal["lines", "points", "ratios", "stack", "gantt", "heat", "range"]


@dataclass(frozen=True)
class Series:
    """One line, set of bars or set of marks.

    `x` and `y` are values or categories. `base` is where a bar of a gantt, a range or a stack begins
    (its `x` is then its length); `texts` is what hovering over each shows, in lines; `place` picks
    colour, dash and marker.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[Any]
    place: int = 0
    base: Sequence[float] | None = None
    texts: Sequence[str] | None = None
    phase: int | None = None  # a colour of the phases' instead
    bold: bool = False  # marks that stand out


@dataclass(frozen=True)
class Chart:
    """A chart: its series, titles with units, scales. `choice` names it among charts that share a place.

    Ratios are bars from 1 on a logarithmic axis with 1 in its middle: up is more than 1, down less.
    Stacks are on a linear axis, where a colour is as long as its part. A heat map has one series: `x`
    and `y` are its categories, `cells` its values by row, `marks` what is written in them.
    """

    name: str
    title: str
    shape: Shape
    series: Sequence[Series]
    x_title: str = ""
    y_title: str = ""
    x_log: bool = False
    y_log: bool = False
    choice: str = ""
    note: str = ""
    cells: Sequence[Sequence[float | None]] = ()
    marks: Sequence[Sequence[str]] = ()
    lines_at: Sequence[tuple[float, str]] = field(default_factory=tuple)  # places on x, with words


@dataclass(frozen=True)
class Table:
    """A table: names of columns and rows of texts."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Words:
    """Text: lines as they are (`code`, with a button that copies them) or sentences."""

    name: str
    title: str
    lines: Sequence[str]
    code: bool = False


Part = Table | Words | tuple[Chart, ...]


@dataclass(frozen=True)
class Tab:
    """What is shown together: a name and its parts; several charts in a tuple share a place."""

    name: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Source:
    """A run or a study, as tabs."""

    title: str
    subtitle: str
    tabs: Sequence[Tab]


def reach_of_ratios(chart: Chart) -> float:
    """Return how far the axis of ratios reaches: from 1 / reach to reach, a little beyond the bars."""
    values = [float(y) for series in chart.series for y in series.y]
    return 1.15 * max([1.25, *values, *(1 / value for value in values if value > 0)])


def csv_rows(chart: Chart) -> list[dict[str, Any]]:
    """Return a chart's data as rows of a table."""
    if chart.shape == "heat":
        (grid,) = chart.series
        return [
            {"x": x, "y": y, "value": chart.cells[j][i], "text": chart.marks[j][i]}
            for j, y in enumerate(grid.y)
            for i, x in enumerate(grid.x)
        ]
    rows = []
    for series in chart.series:
        for index, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            row = {"series": series.name, "x": x, "y": y}
            if series.base is not None:
                row["from"] = series.base[index]
            rows.append(row)
    return rows
