"""Charts and tables of losses, and of accuracies of classes and clients."""

from dataclasses import replace
from pathlib import Path

import pytest
from hand_made import method, run_of, saved

from cutlayer.sim.report.run_page import run_source
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.views.training import class_chart, confusion_charts, fairness_table, loss_charts


def trained(label: str, factor: float = 1.0, seed: int = 0) -> MethodResult:
    """A method whose losses fall with its rounds."""
    result = method(label, rounds=3, seed=seed)
    result.rounds = [
        replace(
            closed,
            training_loss=factor * (3 - closed.index),
            test_loss=factor * (6 - closed.index),
            class_accuracy=(0.25, None, 1.0),
        )
        for closed in result.rounds
    ]
    result.client_names = ("a", "b")
    result.client_accuracy = ((0, 3, 0.25), (1, 4, 0.75))
    return result


def test_losses_are_shown_over_rounds_and_time(tmp_path: Path) -> None:
    (run,) = saved(tmp_path, run_of(trained("one"), trained("two", 2.0)))
    charts = loss_charts([run])
    assert [chart.choice for chart in charts] == [
        f"{loss} loss over {what}"
        for loss in ("training", "test")
        for what in ("rounds", "virtual time")
    ]
    one, two = charts[0].series
    assert (list(one.x), list(one.y)) == ([1, 2, 3], [3, 2, 1])
    assert list(two.y) == [6, 4, 2]
    assert list(charts[2].series[1].y) == [12, 10, 8]


def test_losses_of_seeds_are_averaged(tmp_path: Path) -> None:
    runs = saved(tmp_path, run_of(trained("one")), run_of(trained("one", 3.0, seed=1), seed=1))
    (line,) = loss_charts(runs)[0].series
    assert list(line.y) == [6, 4, 2]
    assert line.half is not None


def test_accuracies_of_classes_and_clients_are_shown(tmp_path: Path) -> None:
    (run,) = saved(tmp_path, run_of(trained("one")))
    chart = class_chart([run])
    assert chart is not None
    assert chart.cells == [[0.25, None, 1.0]]
    assert chart.marks == [["25", "", "100"]]
    table = fairness_table([run])
    assert table is not None
    assert table.rows == [["one", "50.0%", "25.0%", "25.0%", "25.0%", "75.0%"]]
    assert [row["client"] for row in run.table("clients")] == ["a", "b"]


def test_confusion_is_shown_if_it_was_asked_for(tmp_path: Path) -> None:
    result = trained("one")
    result.confusion = ((1, 3, 0), (0, 0, 0), (0, 0, 2))
    (run,) = saved(tmp_path / "with", run_of(result))
    (chart,) = confusion_charts(run)
    assert chart.cells == [[0.25, 0.75, 0.0], [None] * 3, [0.0, 0.0, 1.0]]
    assert chart.choice == "one"
    (run,) = saved(tmp_path / "without", run_of(trained("one")))
    assert confusion_charts(run) == ()


@pytest.mark.parametrize("is_trained", [True, False])
def test_the_page_shows_what_there_is(tmp_path: Path, is_trained: bool) -> None:
    result = trained("one") if is_trained else method("one", accuracy=None)
    (run,) = saved(tmp_path, run_of(result))
    tabs = {tab.name: tab.parts for tab in run_source([run]).tabs}
    names = [part[0].name if isinstance(part, tuple) else part.name
             for part in tabs.get("Accuracy", ()) if part]  # fmt: skip
    assert names == (["accuracy", "loss", "classes", "fairness"] if is_trained else [])
