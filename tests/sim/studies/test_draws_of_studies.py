"""Draws of a study: intervals of its points, crossovers and best values at each draw."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine
from small_studies import SCENARIO, UP, small_study, study_file

from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.process.jobs import Processes
from cutlayer.sim.report.interactive import figure_of as plotly_figure
from cutlayer.sim.report.study_page import ADVICE, study_source
from cutlayer.sim.results.read import SavedStudy, read_run, read_study
from cutlayer.sim.run.run import run
from cutlayer.sim.studies.decisions.drawn import best_shares, crossings
from cutlayer.sim.studies.result import StudyResult, point_rows
from cutlayer.sim.studies.sweep import load_study, sweep, write_full
from cutlayer.sim.uncertainty.run import add_draws
from cutlayer.sim.views.charts import Table, Words
from cutlayer.sim.views.draw import figure_of
from cutlayer.sim.views.studies import crossover_sentences

DRAWS = 20
METHODS = {"methods": ["splitfed", "local_loss"]}


def uplinks(count: int) -> list[dict[str, Any]]:
    return [
        {
            "name": "up",
            "field": UP,
            "log_range": {"from": "1 Mbit/s", "to": "64 Mbit/s", "count": count},
        }
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def swept(folder: Path) -> StudyResult:
    sections = {"crossovers": {"axis": "up"}, "best": {"axis": "up"}}
    study = small_study(
        folder, set=METHODS, axes=uplinks(4), uncertainty={"draws": DRAWS}, **sections
    )
    return sweep(study, executor="none", out=folder / "out")


@pytest.fixture(scope="module")
def saved(folder: Path, swept: StudyResult) -> SavedStudy:
    return read_study(folder / "out")


def test_crossings_of_straight_lines_are_exact_and_of_several_the_nearest_counts() -> None:
    """ahead = a - b log x is 0 at x = exp(a / b)."""
    x = np.geomspace(1, 100, 5)
    a, b = np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 1.0])
    ahead = a[:, None] - b[:, None] * np.log(x)
    found = crossings(x, ahead, (3.0, True))
    assert found[:2] == pytest.approx(np.exp([1.0, 2.0]))
    assert np.isnan(found[2])
    assert np.isnan(crossings(x, ahead, (3.0, False))).all()
    assert crossings(x, -ahead)[:2] == pytest.approx(np.exp([1.0, 2.0]))
    wave = np.array([[1.0, -1.0, 1.0, -1.0, -1.0]])
    near_start, near_end = (crossings(x, wave, (at, True))[0] for at in (x[0], x[4]))
    assert near_start == pytest.approx(np.sqrt(x[0] * x[1]))
    assert near_end == pytest.approx(np.sqrt(x[2] * x[3]))
    linear = crossings(np.array([-1.0, 1.0]), np.array([[3.0, -1.0], [np.nan, 1.0]]))
    assert linear[0] == pytest.approx(0.5)
    assert np.isnan(linear[1])


def test_each_value_is_best_in_the_share_of_the_draws_in_which_it_is_least() -> None:
    measures = {
        "1": np.array([1.0, 5.0, 5.0, np.nan]),
        "2": np.array([2.0, 1.0, 1.0, np.nan]),
        "3": np.array([3.0, 3.0, np.nan, np.nan]),
    }
    assert best_shares(measures) == {"2": 0.5, "1": 0.25, "3": 0.0}


def test_the_draws_of_a_point_are_those_of_its_scenario(swept: StudyResult) -> None:
    point = swept.study.points[1]
    loaded = swept.study.scenario(point)
    (result,) = run(loaded, executor="none")
    add_draws(loaded, [result], jobs=1)
    for row in point_rows(swept):
        if row["point"] == point.number:
            methods = result.uncertainty["methods"]
            low, _, high = methods[row["label"]]["virtual_time_s"]
            assert (row["virtual_time_low_s"], row["virtual_time_high_s"]) == (low, high)
            low, _, high = methods[row["label"]]["round_time_s"]
            assert (row["round_time_low_s"], row["round_time_high_s"]) == (low, high)
            assert row["target_low_s"] is None


def test_crossovers_have_the_interval_that_a_dense_sweep_finds(
    swept: StudyResult, tmp_path: Path
) -> None:
    dense = sweep(
        small_study(
            tmp_path,
            set=METHODS,
            axes=uplinks(13),
            uncertainty={"draws": DRAWS},
            crossovers={"axis": "up"},
        ),
        executor="none",
    )
    (few,), (many,) = swept.decisions["crossovers"], dense.decisions["crossovers"]
    assert few["drawn_share"] == many["drawn_share"] == 1.0
    for name in ("drawn_low", "drawn_median", "drawn_high"):
        assert few[name] == pytest.approx(many[name], rel=0.01)
    assert few["drawn_low"] < few["value_si"] < few["drawn_high"]


def test_the_best_value_says_in_which_share_of_the_draws_it_is(swept: StudyResult) -> None:
    for row in swept.decisions["best"]:
        assert row["best"] == "64 Mbit/s"  # a faster link is never slower
        assert row["best_share"] == 1.0
        assert row["drawn"] == "64 Mbit/s: 100%"


def test_a_study_is_continued_with_its_draws_and_they_are_addressed_by_what_they_depend_on(
    folder: Path, swept: StudyResult
) -> None:
    sections = {"set": METHODS, "axes": uplinks(4)}
    asked = {"crossovers": {"axis": "up"}, "best": {"axis": "up"}}
    out = folder / "out"

    def again(uncertainty: dict[str, Any] | None) -> dict[str, int]:
        drawn = {} if uncertainty is None else {"uncertainty": uncertainty}
        return sweep(
            small_study(folder, **sections, **asked, **drawn), executor="none", out=out
        ).new

    assert swept.new["draws"] == 8
    assert again(None) == {"clock runs": 0, "trainings": 0}
    assert again({"draws": DRAWS + 1}) == {"clock runs": 0, "trainings": 0, "draws": 8}
    assert again({"draws": DRAWS, "seed": 5}) == {"clock runs": 0, "trainings": 0, "draws": 8}
    assert again({"draws": DRAWS}) == {"clock runs": 0, "trainings": 0, "draws": 0}


def test_two_workers_find_the_same(swept: StudyResult) -> None:
    found = sweep(swept.study, executor="none", workers=Processes(2, None))
    assert point_rows(found) == point_rows(swept)
    assert found.decisions == swept.decisions


def test_a_full_point_has_its_draws(swept: StudyResult, tmp_path: Path) -> None:
    write_full(swept, 1, tmp_path / "full")
    found = read_run(tmp_path / "full")
    assert found.uncertainty is not None
    low, _, high = found.uncertainty["methods"]["splitfed"]["virtual_time_s"]
    (row,) = (r for r in point_rows(swept) if r["point"] == 1 and r["label"] == "splitfed")
    assert (row["virtual_time_low_s"], row["virtual_time_high_s"]) == (low, high)


def test_times_to_the_target_are_drawn_where_the_study_trains(tmp_path: Path) -> None:
    study = small_study(
        tmp_path,
        SCENARIO.replace("[0.05, 1.0]", "[0.01]"),
        set={"methods": ["splitfed"]},
        best={"axis": "up", "by": "time_to_target"},
        uncertainty={"draws": 5},
    )
    result = sweep(study)
    for row in point_rows(result):
        assert float(str(row["target_low_s"])) <= float(str(row["time_to_0.01_s"])) * 1.2
        assert float(str(row["target_low_s"])) <= float(str(row["target_high_s"]))
    (best,) = result.decisions["best"]
    assert best["best_share"] == 1.0


def test_only_the_first_seed_is_drawn(tmp_path: Path) -> None:
    study = small_study(tmp_path, set=METHODS, seeds=[3, 4], uncertainty={"draws": 3})
    rows = point_rows(sweep(study, executor="none"))
    assert {row["seed"] for row in rows if row["round_time_low_s"] is not None} == {3}


def test_the_report_of_a_study_shows_bands_intervals_and_crossovers(saved: SavedStudy) -> None:
    tabs = {tab.name: tab.parts for tab in study_source(saved).tabs}
    (charts, *_) = tabs["Results"]
    assert isinstance(charts, tuple)
    (time,) = (chart for chart in charts if chart.choice == "virtual time")
    assert all(series.ends for series in time.series)
    (crossover,) = saved.table("crossovers")
    ends = [float(str(crossover[f"drawn_{end}"])) / 125_000 for end in ("low", "high")]
    assert time.spans == [pytest.approx(ends)]
    assert plotly_figure(time)["layout"]["shapes"][-1]["x1"] == pytest.approx(ends[1])
    assert len(figure_of([[time]]).axes[0].patches) == 1
    assert f"Bands: 90% intervals over {DRAWS} draws." in time.note
    (traffic,) = (chart for chart in charts if chart.choice.startswith("traffic"))
    assert not any(series.ends for series in traffic.series)
    words, table = tabs["Uncertainty"]
    assert isinstance(words, Words)
    assert any("over the draws" in line for line in words.lines)
    assert isinstance(table, Table)
    assert len(table.rows) == 8
    assert "round time, low" in table.columns


def test_the_sentence_of_a_crossover_has_its_interval_in_the_unit_of_the_axis(
    saved: SavedStudy,
) -> None:
    (row,) = saved.table("crossovers")
    (sentence,) = crossover_sentences([row], ["up"])
    low, high = (float(str(row[f"drawn_{end}"])) / 125_000 for end in ("low", "high"))
    assert sentence.endswith(f"; over the draws {low:.4g} to {high:.4g} Mbit/s")
    (rare,) = crossover_sentences([row | {"drawn_share": 0.25}], ["up"])
    assert rare.endswith(" Mbit/s, in 25% of them")
    nowhere = row | {"value": None, "better": "splitfed throughout", "drawn_share": 0.1}
    (never,) = crossover_sentences([nowhere], ["up"])
    assert never.endswith("splitfed throughout; in 10% of the draws one overtakes the other")


def test_without_draws_a_study_says_how_to_get_them(tmp_path: Path) -> None:
    study = small_study(tmp_path, set=METHODS)
    sweep(study, executor="none", out=tmp_path / "out")
    found = read_study(tmp_path / "out")
    assert not any("low" in column for column in found.table("points")[0])
    tabs = {tab.name: tab.parts for tab in study_source(found).tabs}
    (words,) = tabs["Uncertainty"]
    assert isinstance(words, Words)
    assert words.lines == [ADVICE]


def test_the_number_of_draws_can_be_set_where_the_study_is_loaded(tmp_path: Path) -> None:
    file = study_file(tmp_path, uncertainty={"draws": 7, "interval": 0.5})
    section = load_study(file, 9).base.scenario.uncertainty
    assert section is not None
    assert (section.draws, section.interval) == (9, 0.5)
    plain = load_study(study_file(tmp_path), 9)
    assert plain.written()["uncertainty"]["draws"] == 9


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"draws": 1}, "uncertainty.draws: must be at least 2 (got 1)"),
        ({"draws": 20_000}, "uncertainty.draws: must be at most 10000 (got 20000)"),
        ({"draws": 9, "interval": 1.5}, "uncertainty.interval: must be less than 1"),
        ({}, "uncertainty.draws"),
        ({"draws": 9, "sed": 1}, "uncertainty.sed"),
    ],
)
def test_bad_sections_are_refused(tmp_path: Path, section: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(complaint)) as error:
        load_study(study_file(tmp_path, uncertainty=section))
    assert "small.yaml:" in str(error.value)


def test_the_command_draws_and_prints_how_many(cli: CommandLine, tmp_path: Path) -> None:
    file = study_file(tmp_path, set=METHODS, best={"axis": "up"})
    words = ("sweep", file, "--executor", "none", "--jobs", 1, "--out", tmp_path / "out")
    assert "draws of" not in cli(*words).out
    answer = cli(*words, "--draws", 3)
    assert answer.code == 0, answer.err
    assert "new in this sweep: 0 clock runs, 0 trainings, draws of 4 runs" in answer.out
    refused = cli(*words, "--draws", 1)
    assert refused.code == 2
    assert "--draws" in refused.err
