"""Charts as plain data, which matplotlib draws into files and plotly on a page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Literal

Shape = Literal["lines", "points", "ratios", "stack", "gantt", "heat", "range", "dots", "strips"]
ROWS: Final = ("stack", "gantt", "heat", "range", "dots", "strips")  # whose y axis has names

FULL: Final = 0.995  # of a link's capacity
CLOSE: Final = 0.025  # of the time axis; texts above lines that are closer are left out


@dataclass(frozen=True)
class Series:
    """One line, set of bars or set of marks.

    `x` and `y` are values or categories. `base` is where a bar of a gantt, a range or a stack begins
    (its `x` is then its length); `half` is half the width of a band around a line, which is drawn
    within `bounds`; `ends` are those of an interval of each value, drawn as an error bar or a band;
    `texts` are shown on hovering, `details` after a click; `number` picks colour, dash and marker. A
    strip has one more edge in `x` than values between 0 and 1 in `y`.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[Any]
    number: int = 0
    base: Sequence[float] | None = None
    texts: Sequence[str] | None = None
    details: Sequence[str] | None = None
    phase: int | None = None  # a colour of the phases' instead
    colour: str | None = None  # or this one
    bold: bool = False  # marks that stand out
    half: Sequence[float] | None = None
    ends: Sequence[tuple[float, float]] | None = None
    bounds: tuple[float, float] = (-inf, inf)

    def band(self) -> tuple[list[float], list[float]]:
        """Return the lower and the upper edge of the band, as far as they are possible values."""
        if self.ends is not None:
            return [low for low, _ in self.ends], [high for _, high in self.ends]
        least, most = self.bounds
        pairs = list(zip(self.y, self.half or (), strict=True))
        return [max(least, y - h) for y, h in pairs], [min(most, y + h) for y, h in pairs]


@dataclass(frozen=True)
class Chart:
    """A chart: its series, titles with units, scales. `choice` names one of several charts.

    Ratios are bars from 1 on a logarithmic axis: up is more than 1, down less. Stacks are on a linear
    axis, where a colour is as long as its part; `totals` are written at their ends, and `intervals` are
    the ends of those of the totals. Rows in `minor` are
    parts of the row above. A heat map has one series: `x` and `y` are its categories, `cells` its
    values by row, `marks` what is written in them.
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
    lines_at: Sequence[tuple[float, str]] = ()  # positions on x, with texts
    spans: Sequence[tuple[float, float]] = ()  # intervals on x
    levels: Sequence[tuple[float, str]] = ()  # values of y, with words
    totals: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    minor: Collection[str] = ()
    x_end: float | None = None  # of a gantt that shares its axis with others


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
    """What is shown together: a name and its parts; a reader chooses one of a tuple of charts."""

    name: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Source:
    """A run or a study, as tabs."""

    title: str
    subtitle: str
    tabs: Sequence[Tab]


def visible_words(chart: Chart) -> list[str]:
    """Return the texts of a timeline's lines that are not too close together; none of other charts."""
    if chart.shape != "gantt" or not chart.lines_at:
        return []
    ends = [start + x for s in chart.series for start, x in zip(s.base or (), s.x, strict=True)]
    apart = (chart.x_end or max(ends, default=0.0)) * CLOSE
    words, last = [], -inf
    for x, text in sorted(chart.lines_at):
        if x - last >= apart:
            words.append(text)
            last = x
    return words


def limits_of_ratios(chart: Chart) -> tuple[float, float]:
    """Return the ends of the axis of ratios: 1 where all bars go one way, else beyond the bars."""
    values = [float(y) for series in chart.series for y in series.y if y > 0]
    values += [end for series in chart.series for pair in series.ends or () for end in pair]
    low, high = min([1.0, *values]), max([1.0, *values])
    margin = (high / low) ** 0.12 if high > low else 1.25
    return (low / margin if low < 1 else 1.0), (high * margin if high > 1 or low == 1 else 1.0)


def strip_areas(series: Series) -> dict[str, list[float]]:
    """Return the heights of a strip's two areas, by their names in the legend."""
    heights = [min(float(y), 1.0) for y in series.y]
    return {"share of capacity in use": heights, "full": [h if h >= FULL else 0.0 for h in heights]}


def far_ends(chart: Chart) -> list[list[float]]:
    """Return where the text of each bar of ratios begins: at its end, or at that of its error bar."""
    return [
        [y if series.ends is None else series.ends[i][y >= 1] for i, y in enumerate(series.y)]
        for series in chart.series
    ]


def ends_of_texts(chart: Chart) -> dict[str, float]:
    """Return where the total of each row is written: where its stack or its interval ends."""
    ends = ends_of_stacks(chart)
    return ends | {row: max(ends.get(row, 0.0), high) for row, (_, high) in chart.intervals.items()}


def ends_of_stacks(chart: Chart) -> dict[str, float]:
    """Return where the stack of each row ends."""
    ends: dict[str, float] = {}
    for series in chart.series:
        for row, x in zip(series.y, series.x, strict=True):
            ends[row] = ends.get(row, 0.0) + x
    return ends


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
        for index, (x, y) in enumerate(zip(series.x, series.y, strict=chart.shape != "strips")):
            row = {"series": series.name, "x": x, "y": y}
            if series.base is not None:
                row["from"] = series.base[index]
            if series.half is not None:
                row["half_width_95"] = series.half[index]
            if series.ends is not None:
                row["low"], row["high"] = series.ends[index]
            rows.append(row)
    return rows
