"""Tasks in studies, draws, saved models and loggers."""

import json
from pathlib import Path
from typing import Any

import torch
from command_line import CommandLine
from small_scenarios import read
from small_studies import study_file
from test_runs import TEXT

from cutlayer.models.trained import load_model
from cutlayer.models.weights_files import load_metadata
from cutlayer.sim.loggers.logger import Logger
from cutlayer.sim.report.study_page import study_source
from cutlayer.sim.results.read import read_study
from cutlayer.sim.run.run import run
from cutlayer.sim.uncertainty.run import add_draws

UP = "topology.star.clients.0.link"
ONE = TEXT.replace("[splitfed, classic_fl]", "[splitfed]").replace(
    "perplexity: [1.01, 100]", "perplexity: [100]"
)


def test_a_study_compares_the_metric_of_its_task(cli: CommandLine, tmp_path: Path) -> None:
    axes = [{"name": "link", "field": UP, "values": ["4g", "wifi-50"]}]
    best = {"axis": "link", "by": "time_to_target"}
    file = study_file(tmp_path, ONE, axes=axes, best=best)
    done = cli("sweep", file, "--out", tmp_path / "study", "--executor", "inline", "--jobs", "1")
    assert done.code == 0, done.err
    summary = json.loads((tmp_path / "study" / "summary.json").read_text(encoding="utf-8"))
    assert summary["metric"]["name"] == "perplexity"
    assert summary["trainings"] == {"curves": 2, "needed": 1, "shared": 1, "alone": 0}
    (decided, *_) = summary["decisions"]["best"]
    assert decided["by"] == "time to perplexity 100"
    assert decided["best"] == "wifi-50"
    assert "final perplexity" in summary["decisions"]["pareto"][0]
    lines = (tmp_path / "study" / "points.csv").read_text(encoding="utf-8").splitlines()
    first = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert (first["metric"], first["accuracy_final"]) == ("perplexity", "")
    assert float(first["metric_final"]) > 1
    tabs = {tab.name: tab for tab in study_source(read_study(tmp_path / "study")).tabs}
    (curves,) = tabs["Perplexity"].parts
    assert curves[0].title == "Test perplexity over virtual time"
    charts = [chart for part in tabs["Results"].parts if isinstance(part, tuple) for chart in part]
    assert "final perplexity" in [chart.y_title for chart in charts]


def test_draws_are_of_the_time_to_the_target_of_the_metric() -> None:
    loaded = read(ONE, "uncertainty={draws: 2}")
    results = run(loaded, executor="inline")
    add_draws(loaded, results)
    (result,) = results
    assert result.uncertainty["target"] == 100
    assert len(result.draws) == 2
    assert all(row["target_s"] is not None for row in result.draws)


class Notes(Logger):
    """Keeps the figures of rounds."""

    rows: list[Any] = []  # noqa: RUF012 - of the one test

    def round_closed(self, label: str, figures: Any) -> None:
        self.rows.append((label, figures))


def test_models_are_saved_at_the_lowest_perplexity_and_loggers_get_it(tmp_path: Path) -> None:
    (result,) = run(
        read(ONE), executor="inline", out=tmp_path / "run", save_model=True, loggers=[Notes]
    )
    method = result.methods["splitfed"]
    curve = [value for _, value in method.curve]
    assert [figures["perplexity"] for _, figures in Notes.rows] == curve
    assert curve[1] < curve[0]
    (file,) = (tmp_path / "run" / "models").glob("*best*")
    about = load_metadata(file)
    assert (about["perplexity"], about["round"]) == (repr(curve[1]), "1")
    model = load_model(file, model="own_tasks:language")
    assert model(torch.zeros(2, 6, dtype=torch.int64)).shape == (2, 6, 5)
