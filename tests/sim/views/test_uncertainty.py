"""Intervals over draws in tables, charts and sentences, from draws that follow a formula."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_runs import factors_of, with_draws
from hand_made import method, run_of, saved

from cutlayer.sim.commands.explain import explain_run
from cutlayer.sim.files.checksums import CHECKSUMS
from cutlayer.sim.report.interactive import figure_of as plotly_figure
from cutlayer.sim.report.run_page import run_source
from cutlayer.sim.results.export import tables_of
from cutlayer.sim.results.files import SavedError
from cutlayer.sim.results.read import SavedRun, read_run
from cutlayer.sim.views.charts import Table, Words, csv_rows, limits_of_ratios
from cutlayer.sim.views.draw import figure_of
from cutlayer.sim.views.rounds import critical_path_chart, speedup_charts
from cutlayer.sim.views.uncertainty import (
    ADVICE,
    bracketed,
    intervals_of,
    measure_next,
    moves_charts,
    pair_sentences,
    speedups_of,
)

SPREADS = {"pi: form": 0.3, "pi: weight_stream": 0.1, "link 4g: up": 0.2}
# Only the first two depend on the link alike, so that their order is a matter of the device.
POWERS = {
    "first": {"pi: form": 1.0, "link 4g: up": -1.0},
    "second": {"pi: weight_stream": 1.0, "link 4g: up": -1.0},
    "slow": {"link 4g: up": -1.0},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> SavedRun:
    made = run_of(method("first"), method("second"), method("slow", scale=20.0))
    return saved(tmp_path_factory.mktemp("runs"), made)[0]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> SavedRun:
    made = run_of(method("first"), method("second"), method("slow", scale=20.0))
    (run,) = saved(tmp_path_factory.mktemp("runs"), made)
    return with_draws(run.path, SPREADS, POWERS)


def stated(run: SavedRun, label: str) -> float:
    return float(run.methods[label]["round_time_s"]["mean"])


def test_an_interval_is_that_of_the_times_of_all_draws(drawn: SavedRun) -> None:
    up = factors_of(SPREADS, 200)["link 4g: up"]
    found = intervals_of(drawn, "round_time_s")["slow"]
    assert found == pytest.approx(stated(drawn, "slow") * np.quantile(1 / up, [0.05, 0.5, 0.95]))


def test_speedups_are_paired_so_that_a_common_factor_cancels(drawn: SavedRun) -> None:
    form = factors_of(SPREADS, 200)["pi: form"]
    ratio = stated(drawn, "slow") / stated(drawn, "first")
    found = speedups_of(drawn, "slow")["first"]
    assert found == pytest.approx(ratio * np.quantile(1 / form, [0.05, 0.5, 0.95]))


def test_undecided_pairs_are_named_and_the_device_that_decides_is_measured(drawn: SavedRun) -> None:
    assert drawn.uncertainty is not None
    share = drawn.uncertainty["faster"]["first"]["second"]
    better, worse = ("first", "second") if share >= 0.5 else ("second", "first")
    said = f"{max(share, 1 - share):.0%}"
    assert pair_sentences(drawn) == [
        f"Undecided: {better} is faster than {worse} in {said} of 200 draws."
    ]
    first, together, advice = measure_next(drawn)
    assert first.startswith("Measure pi: all its times (")  # 0.09 of 0.10 of the variance
    assert first.endswith("% of what is open in first / second).")
    assert 85 <= int(first.partition("(")[2].partition("%")[0]) <= 95
    assert together == "All figures of a device or link together: pi 100%."
    assert "cutlayer fit" in advice


def test_charts_of_what_moves_an_answer_begin_with_the_most_open_one(drawn: SavedRun) -> None:
    charts = moves_charts(drawn)
    assert charts[0].choice == "first / second"
    assert [series.y[0] for series in charts[0].series] == ["pi: all its times"]
    assert {chart.choice for chart in charts} == {
        "first / second",
        "first / slow",
        "second / slow",
        "the round time of first",
        "the round time of second",
        "the round time of slow",
    }
    assert "R^2 1.00" in charts[0].note


def test_speedup_bars_have_error_bars_in_both_renderers(drawn: SavedRun) -> None:
    (chart,) = (c for c in speedup_charts([drawn]) if c.choice == "over slow")
    speedup, traffic = chart.series
    known = speedups_of(drawn, "slow")
    assert speedup.ends == [known[label][::2] for label in speedup.x]
    assert traffic.ends is None
    low, high = limits_of_ratios(chart)
    assert all(low <= end <= high for pair in speedup.ends or () for end in pair)
    assert csv_rows(chart)[0]["low"] == known["first"][0]
    (axes,) = figure_of([[chart]]).axes
    (lines,) = [one for one in axes.collections if len(one.get_paths()) == 2]
    ends = [path.vertices[:, 1].tolist() for path in lines.get_paths()]
    assert ends == [pytest.approx(pair) for pair in speedup.ends or ()]
    bars, texts, *_ = plotly_figure(chart)["data"]
    above = [y + 1 + more for y, more in zip(bars["y"], bars["error_y"]["array"], strict=True)]
    assert above == pytest.approx([high for _, high in speedup.ends or ()])
    assert list(texts["y"]) == pytest.approx(above)


def test_round_times_have_error_bars_in_both_renderers(drawn: SavedRun) -> None:
    chart = critical_path_chart([drawn])
    known = intervals_of(drawn, "round_time_s")
    scale = known["slow"][2] / chart.intervals["slow"][1]
    assert chart.intervals == {
        label: (pytest.approx(low / scale), pytest.approx(high / scale))
        for label, (low, _, high) in known.items()
    }
    (axes,) = figure_of([[chart]]).axes
    shown = [text.get_text() for text in axes.texts]
    assert any(text.endswith(bracketed(known["slow"], scale)) for text in shown)
    bars = plotly_figure(chart)["data"][-1]
    assert list(bars["y"]) == list(known)
    ends = [x + more for x, more in zip(bars["x"], bars["error_x"]["array"], strict=True)]
    assert ends == pytest.approx([high for _, high in chart.intervals.values()])


def test_the_report_shows_intervals_pairs_and_what_to_measure(drawn: SavedRun) -> None:
    tabs = {tab.name: tab.parts for tab in run_source([drawn]).tabs}
    results = tabs["Results"][0]
    assert isinstance(results, Table)
    times = dict(zip(results.columns, results.rows[2], strict=True))
    assert times["Round time"].endswith("]")
    assert times["Speedup over first"].endswith("]")
    assert "90% intervals over 200 draws" in results.note
    words, intervals, pairs, charts, *_ = tabs["Uncertainty"]
    assert isinstance(words, Words)
    assert words.lines[0].startswith("Measure pi: all its times")
    assert isinstance(intervals, Table)
    assert [row[0] for row in intervals.rows] == ["first", "second", "slow"]
    assert isinstance(pairs, Table)
    assert "undecided" in pairs.rows[0][2]
    assert pairs.rows[0][3] == "100%"
    assert isinstance(charts, tuple)


def test_without_draws_the_tab_says_how_to_get_them_and_nothing_else_changes(
    plain: SavedRun,
) -> None:
    tabs = {tab.name: tab.parts for tab in run_source([plain]).tabs}
    words = tabs["Uncertainty"][0]
    assert isinstance(words, Words)
    assert words.lines == [ADVICE]
    results = tabs["Results"][0]
    assert isinstance(results, Table)
    assert "[" not in "".join(cell for row in results.rows for cell in row)
    assert critical_path_chart([plain]).intervals == {}
    assert all(series.ends is None for chart in speedup_charts([plain]) for series in chart.series)
    assert pair_sentences(plain) == []
    assert "draws" not in tables_of(plain)


def test_draws_and_factors_are_exported(drawn: SavedRun) -> None:
    tables = tables_of(drawn)
    assert len(tables["draws"]) == 600
    assert set(tables["factors"][0]) == {"draw", *SPREADS}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"faster": {"nobody": {}}}, "uncertainty has the unknown method 'nobody'"),
        (
            {"faster": {"first": {}, "slow": {"first": 1.0}}},
            "uncertainty.faster.first has no 'slow'",
        ),
        ({"interval": 2}, "uncertainty.interval: "),
        (
            {"methods": {"first": {"round_time_s": [1.0]}}},
            "uncertainty.methods.first.round_time_s: ",
        ),
        ({"moves": [{"factor": "a", "of": "b"}]}, "uncertainty.moves.0.share: "),
    ],
)
def test_edited_intervals_are_refused(
    drawn: SavedRun, tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    summary = json.loads((drawn.path / "summary.json").read_text(encoding="utf-8"))
    summary["uncertainty"] |= change
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (tmp_path / "versions.json").write_text("{}", encoding="utf-8")
    (tmp_path / CHECKSUMS).write_text("", encoding="utf-8")
    with pytest.raises(SavedError, match="is damaged") as error:
        read_run(tmp_path)
    assert complaint in str(error.value)


def test_explain_names_undecided_pairs(
    drawn: SavedRun, plain: SavedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    explain_run(drawn.path, method=None, round_index=None)
    assert "Undecided: " in capsys.readouterr().out
    explain_run(plain.path, method=None, round_index=None)
    assert "Undecided" not in capsys.readouterr().out
