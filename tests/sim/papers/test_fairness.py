"""`cutlayer reproduce fairness`: every method of the collection on one scenario, in one table."""

from functools import partial
from math import inf
from pathlib import Path
from statistics import fmean

import pytest
from command_line import CommandLine, files

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.methods.registry import METHODS
from cutlayer.sim.papers import fairness
from cutlayer.sim.papers.grid import Grid, markdown_rows, write_rows
from cutlayer.sim.papers.methods_chart import methods_figure
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.run.run import load_scenario, run

SHORT = ("seeds=[0, 1]", "training.rounds=2", "data.partition=iid")


@pytest.fixture(scope="module")
def results() -> list[RunResult]:
    return run(load_scenario(fairness.SCENARIO, SHORT), executor="none")


@pytest.fixture(scope="module")
def grid(results: list[RunResult]) -> Grid:
    (plan, *_) = plan_checked(load_scenario(fairness.SCENARIO, SHORT), trains=False)
    return fairness.grid_of(plan, results)


def test_the_collection_has_every_method_under_equal_conditions() -> None:
    scenario = load_scenario(fairness.SCENARIO).scenario
    assert {entry.name for entry in scenario.methods} == METHODS.keys()
    assert {entry.options.init for entry in scenario.methods} == {"partial"}
    unchanged = {
        entry.name: METHODS[entry.name].Options(init="partial") for entry in scenario.methods
    }
    assert {entry.name: entry.options for entry in scenario.methods} == unchanged


def test_the_columns_share_out_all_bytes(results: list[RunResult], grid: Grid) -> None:
    columns = [
        *(grid.column(f"{what} {way} (MB)") for what, way in fairness.COLUMNS),
        grid.column("other bytes (MB)"),
    ]
    for label in results[0].methods:
        seeds = [result.methods[label] for result in results]
        each = fmean(method.wire_bytes / method.client_rounds for method in seeds) / 1e6
        cells = [float(column[label].split()[0]) for column in columns]
        assert sum(cells) == pytest.approx(each, rel=0.01)


def test_classic_fl_sends_the_whole_model_and_nothing_else(grid: Grid) -> None:
    both = grid.column("weights up (MB)"), grid.column("weights down (MB)")
    assert both[0]["classic_fl"] == both[1]["classic_fl"] != "0"
    assert grid.column("activations up (MB)")["classic_fl"] == "0"
    assert grid.column("accuracy (%)")["classic_fl"] == "-"  # it was not trained


def test_it_is_written(grid: Grid, tmp_path: Path) -> None:
    write_rows(grid, tmp_path)
    lines = (tmp_path / "fairness.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split(",") == list(grid.headings)
    assert [line.split(",")[0] for line in lines[1:]] == [row[0] for row in grid.rows]
    assert (
        markdown_rows(grid).count("\n| ") == len(grid.rows) + 2
    )  # with the headings and the line below


def test_the_command_prints_and_writes_it(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairness, "load_scenario", partial(load_scenario, overrides=SHORT))
    monkeypatch.setattr(fairness.grid, "__defaults__", ("none",))
    answer = cli("reproduce", "fairness", "--out", "here")
    assert answer.code in (0, None), answer.err
    assert "Every method on the scenario collection, seeds 0, 1" in answer.out
    assert files(cli.folder / "here") == [
        *("cutlayer.json", "fairness.csv", "fairness.md"),
        *("methods.png", "methods.svg"),
    ]


def test_the_picture_has_a_line_for_each_method_from_the_start_of_its_client() -> None:
    figure = methods_figure()
    (axes,) = figure.axes
    assert {label.get_text() for label in axes.get_yticklabels()} == METHODS.keys()
    starts: dict[int, float] = {}
    for bars in axes.collections:
        for path in bars.get_paths():
            corner, line = path.vertices.min(axis=0), round(path.vertices[:, 1].mean())
            starts[line] = min(starts.get(line, inf), corner[0])
    assert starts == dict.fromkeys(range(len(METHODS)), 0.0)
