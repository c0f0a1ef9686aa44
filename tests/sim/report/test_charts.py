"""Charts of the report in both renderers: bars of ratios begin at 1, and texts are texts."""

from html.parser import HTMLParser
from math import log
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cutlayer.sim.report.figures import write_figures
from cutlayer.sim.report.interactive import figure_of
from cutlayer.sim.report.page import html_page
from cutlayer.sim.views.charts import Chart, Series, Source, Tab, Table, Words, csv_rows
from cutlayer.sim.views.draw import figure_of as draw
from cutlayer.sim.views.style import save

NASTY = (
    "<b>x</b>",
    "a &lt; b",
    "$\\frac{$",
    "[/x]",
    "_under",
    "2024-01-01",
    "\x1b[31m\u202e",
    "東京",
)
SHOWN = tuple(text.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e") for text in NASTY)
RATIOS = Chart(
    "speedup",
    "Speedup",
    "ratios",
    [
        Series("time", ["fast", "equal", "slow"], [4.0, 1.0, 0.5], 0),
        Series("bytes", ["fast", "slow"], [0.1, 2.0], 1),
    ],
    y_log=True,
)


def draw_one(chart: Chart) -> Any:
    return draw([[chart]])


def every_shape(names: tuple[str, ...]) -> list[Chart]:
    """A chart of each shape whose every text is one of the names."""
    count = len(names)
    ones = [1.0 + i for i in range(count)]
    lines = [Series(name, list(names), ones, i, texts=names) for i, name in enumerate(names)]
    bars = [
        Series(name, ones, list(names), i, [0.0] * count, names) for i, name in enumerate(names)
    ]
    first = names[0]
    grid = Series(first, list(names), list(names))
    cells = [[float(i + j) for i in range(count)] for j in range(count)]
    marks = [list(names)] * count
    return [
        Chart("lines", first, "lines", lines, first, first, choice=first),
        Chart("ratios", first, "ratios", lines, first, first, y_log=True, choice=first),
        Chart("stack", first, "stack", bars, first, first, choice=first),
        Chart("gantt", first, "gantt", bars, first, first, choice=first),
        Chart("heat", first, "heat", [grid], first, first, choice=first, cells=cells, marks=marks),
    ]


def test_bars_of_ratios_begin_at_one_in_a_picture() -> None:
    (axes,) = draw_one(RATIOS).axes
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low < 0.1 < 4 < high  # beyond the bars
    drawn = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    assert drawn == [pytest.approx(ends) for ends in ((1, 4), (1, 1), (1, 0.5), (1, 0.1), (1, 2))]
    assert [text.get_text() for text in axes.texts] == ["4.00", "1.00", "0.500", "0.100", "2.00"]


def test_bars_of_ratios_begin_at_one_in_a_browser() -> None:
    figure = figure_of(RATIOS)
    axis = figure["layout"]["yaxis"]
    assert axis["type"] == "log"
    low, high = axis["range"]
    assert low < log(0.1, 10) < log(4, 10) < high
    for trace, series in zip(figure["data"], RATIOS.series, strict=True):
        assert list(trace["base"]) == [1.0] * len(series.y)
        ends = [base + y for base, y in zip(trace["base"], trace["y"], strict=True)]
        assert ends == pytest.approx(series.y)


def test_a_csv_file_holds_the_ratios() -> None:
    assert [(row["x"], row["y"]) for row in csv_rows(RATIOS)][:2] == [("fast", 4.0), ("equal", 1.0)]


def test_colours_of_a_stack_are_as_long_as_their_parts() -> None:
    parts = {"device": (2.0, 0.01), "uplink": (6.0, 0.03)}
    starts = {"device": [0.0, 0.0], "uplink": [2.0, 0.01]}
    chart = Chart(
        "stack",
        "Stack",
        "stack",
        [Series(n, v, ["slow", "fast"], i, starts[n]) for i, (n, v) in enumerate(parts.items())],
    )
    (axes,) = draw_one(chart).axes
    assert axes.get_xscale() == "linear"
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([2.0, 0.01, 6.0, 0.03])
    figure = figure_of(chart)
    assert figure["layout"]["xaxis"].get("type") != "log"
    assert [list(trace["x"]) for trace in figure["data"]] == [[2.0, 0.01], [6.0, 0.03]]


@pytest.mark.parametrize("chart", every_shape(NASTY), ids=lambda chart: chart.name)
def test_pictures_show_a_text_as_it_is(chart: Chart, tmp_path: Path) -> None:
    figure = draw_one(chart)
    (file,) = save(figure, tmp_path, "picture", ("svg",))
    ElementTree.parse(file)
    (axes,) = figure.axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    columns = [label.get_text() for label in axes.get_xticklabels()]
    if chart.shape in ("stack", "gantt", "heat"):
        assert rows == list(SHOWN)
    if chart.shape in ("ratios", "heat"):
        assert columns == list(SHOWN)
    if chart.shape != "heat":
        (legend,) = figure.legends
        assert [text.get_text().strip() for text in legend.get_texts()] == list(SHOWN)


class _Plain(HTMLParser):
    """The text of pseudo-HTML, as plotly shows it; no tag is expected."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag == "br"


def as_shown(text: str) -> str:
    parser = _Plain()
    parser.feed(text)
    parser.close()
    return parser.text


@pytest.mark.parametrize("chart", every_shape(NASTY), ids=lambda chart: chart.name)
def test_the_browser_shows_a_text_as_it_is(chart: Chart) -> None:
    figure = figure_of(chart)
    for trace in figure["data"]:
        texts = [trace["text"][0]] if chart.shape == "heat" else [trace["hovertext"]]
        if chart.shape in ("stack", "gantt", "heat"):
            texts.append(trace["y"])
            assert figure["layout"]["yaxis"]["type"] == "category"
        else:
            texts.append(trace["x"])
            assert figure["layout"]["xaxis"]["type"] == "category"
        for found in texts:
            assert [as_shown(text) for text in found] == list(SHOWN)
    assert as_shown(figure["layout"]["xaxis"]["title"]["text"]) == SHOWN[0]
    if chart.shape != "heat":
        assert [as_shown(trace["name"]) for trace in figure["data"]] == list(SHOWN)


def test_the_page_holds_no_text_as_html() -> None:
    text = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b\udce4"
    chart = Chart(text, text, "lines", [Series(text, [text], [1.0], texts=[text])], text, text)
    tab = Tab(
        text, [(chart, chart), Table(text, text, [text], [[text]], text), Words("w", text, [text])]
    )
    page = html_page([Source(text, text, [tab])])
    page.encode("utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert r"\x1b\udce4" in page


def test_every_figure_gets_a_file_of_its_own(tmp_path: Path) -> None:
    choices = ("a b", "a-b", "東", "京", "../up", "x" * 300, "a b")
    charts = tuple(
        Chart("c", "C", "lines", [Series("s", [1, 2], [1.0, i])], choice=choice)
        for i, choice in enumerate(choices)
    )
    table = Table("t", "T", ["=a"], [["=1+1"], ["-"], ["-5"]])
    written = write_figures([Source("s", "", [Tab("t", [charts, table])])], tmp_path / "figures")
    assert len(set(written)) == len(written) == 3 * len(choices) + 1
    assert all(file.is_file() and file.parent == tmp_path / "figures" for file in written)
    assert all(str(file.name).isascii() and len(file.name) < 150 for file in written)
    assert written[-1].read_text(encoding="utf-8").split() == ["'=a", "'=1+1", "-", "-5"]


def test_the_axis_of_ratios_begins_at_one_where_all_are_above_it() -> None:
    chart = Chart("s", "S", "ratios", [Series("speedup", ["a", "b"], [2.0, 8.0])], y_log=True)
    assert draw_one(chart).axes[0].get_ylim()[0] == 1
    low, high = figure_of(chart)["layout"]["yaxis"]["range"]
    assert low == 0
    assert high > log(8, 10)
