"""Loggers: the order of their calls, what they get, and the tools behind them, in their offline modes.

Weights & Biases and MLflow are also tried for real where they are installed.
"""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import yaml
from command_line import TINY, CommandLine, assert_refused, summary

from cutlayer import Logger, load_scenario, read_run, run
from cutlayer.sim.loggers.logger import About, Figures, LoggerError, loggers_named, outcome

OWN = """\
import json

class Own:
    def run_started(self, about):
        self.lines = [["started", about.name, about.seed, dict(about.methods), str(about.folder)]]

    def round_closed(self, label, figures):
        self.lines.append([label, figures["round"], figures["virtual_time_s"]])

    def run_finished(self, summary):
        self.lines.append(["finished", summary["status"]])
        with open("own.json", "w", encoding="utf-8") as file:
            json.dump(self.lines, file)

class Forgetful:
    def run_started(self, about): pass
    def round_closed(self, label, figures): pass

class Failing(Own):
    def round_closed(self, label, figures):
        raise OSError("the network is down")

class Late(Own):
    def run_started(self, about):
        raise RuntimeError("no account")

number = 3
"""


class Recorder(Logger):
    """Keeps the calls of all runs."""

    calls: ClassVar[list[tuple[str, Any]]] = []

    def run_started(self, about: About) -> None:
        self.calls.append(("started", about))

    def round_closed(self, label: str, figures: Figures) -> None:
        self.calls.append((label, figures))

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        self.calls.append(("finished", summary))


@pytest.fixture
def calls() -> Iterator[list[tuple[str, Any]]]:
    Recorder.calls.clear()
    yield Recorder.calls
    Recorder.calls.clear()


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return tmp_path / "tiny.yaml"


def test_a_logger_gets_every_round_of_every_method_as_it_is_written(
    scenario: Path, tmp_path: Path, calls: list[tuple[str, Any]]
) -> None:
    run(scenario, executor="none", out=tmp_path / "out", loggers=[Recorder])
    saved = read_run(tmp_path / "out")
    (begin, about), *rounds, (end, final) = calls
    assert (begin, end) == ("started", "finished")
    assert (about.name, about.seed, about.folder) == ("tiny", 0, tmp_path / "out")
    assert about.methods == {"splitfed": "splitfed", "frozen": "ecofed"}
    for label in about.methods:
        rows = [dict(figures) for of, figures in rounds if of == label]
        assert rows == [pytest.approx(row) for row in saved.rounds(label)]
    assert final == saved.summary


def test_every_seed_has_a_logger_of_its_own(scenario: Path, calls: list[tuple[str, Any]]) -> None:
    run(load_scenario(scenario, ["seeds=[3, 4]"]), executor="none", loggers=[Recorder])
    assert [about.seed for name, about in calls if name == "started"] == [3, 4]
    assert [final["seed"] for name, final in calls if name == "finished"] == [3, 4]


def test_a_run_that_fails_says_so_to_its_loggers(
    scenario: Path, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("a defect")

    monkeypatch.setattr("cutlayer.sim.run.seed_run.play_steps", broken)
    with pytest.raises(AssertionError, match="a defect"):
        run(scenario, executor="none", loggers=[Recorder])
    assert [name for name, _ in calls] == ["started", "finished"]
    assert calls[-1][1]["status"] == "failed"


def test_a_logger_of_a_users_own_is_found_beside_the_scenario(cli: CommandLine) -> None:
    Path("mine.py").write_text(OWN, encoding="utf-8")
    answer = cli("run", "tiny.yaml", "--executor", "none", "--log-to", "mine:Own", "--out", "out")
    assert answer.code == 0, answer
    start, *rounds, end = yaml.safe_load(Path("own.json").read_text(encoding="utf-8"))
    assert start == ["started", "tiny", 0, {"splitfed": "splitfed", "frozen": "ecofed"}, "out"]
    assert [line[:2] for line in rounds] == [
        [label, number] for label in ("splitfed", "frozen") for number in range(3)
    ]
    times = [row["virtual_time_s"] for row in read_run("out").table("rounds")]
    assert [line[2] for line in rounds] == times
    assert end == ["finished", "complete"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tensorbord", ("unknown logger 'tensorbord'", "did you mean 'tensorboard'?")),
        ("mine:Nothing", ("logger 'mine:Nothing' cannot be loaded", "no attribute 'Nothing'")),
        ("mine:number", ("logger 'mine:number' is of type int, expected a class",)),
        ("mine:Forgetful", ("logger 'mine:Forgetful' has no method 'run_finished'",)),
        ("mine:Late", ("logger Late cannot begin (RuntimeError: no account)",)),
    ],
)
def test_a_logger_that_cannot_begin_is_refused_before_anything_is_written(
    cli: CommandLine, name: str, words: tuple[str, ...]
) -> None:
    Path("mine.py").write_text(OWN, encoding="utf-8")
    answer = cli("run", "tiny.yaml", "--executor", "none", "--log-to", name, "--out", "out")
    assert_refused(answer, *words)
    assert not Path("out").exists()


def test_a_logger_of_a_users_own_is_code_that_can_be_forbidden(cli: CommandLine) -> None:
    Path("mine.py").write_text(OWN, encoding="utf-8")
    options = ("--executor", "none", "--no-user-code")
    assert_refused(cli("run", "tiny.yaml", *options, "--log-to", "mine:Own"), "--no-user-code")


def test_a_logger_that_fails_is_switched_off_and_the_run_goes_on(cli: CommandLine) -> None:
    Path("mine.py").write_text(OWN, encoding="utf-8")
    options = ("--log-to", "mine:Failing", "--out", "out")
    answer = cli("run", "tiny.yaml", "--executor", "none", *options)
    assert answer.code == 0
    assert answer.err.splitlines() == [
        "logger Failing failed and logs no more of this run; the results in the run folder are"
        " complete (OSError: the network is down)"
    ]
    assert summary(Path("out"))["status"] == "complete"
    assert len(read_run("out").table("rounds")) == 6


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("tensorboard", "torch.utils.tensorboard", "tensorboard"),
        ("wandb", "wandb", "wandb"),
        ("mlflow", "mlflow", "mlflow"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LoggerError, match=rf"needs its package: pip install 'cutlayer\[{extra}\]'"):
        loggers_named([name])


def test_a_logger_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", ModuleType("wandb"))
    assert len(loggers_named(["wandb", "wandb"])) == 1


def test_tensorboard_has_the_rounds_of_each_method(cli: CommandLine) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = ("--executor", "none", "--log-to", "tensorboard", "--out", "out")
    assert cli("run", "tiny.yaml", *options).code == 0
    for label in ("splitfed", "frozen"):
        events = EventAccumulator(f"out/tensorboard/{label}")
        events.Reload()
        rows = read_run("out").rounds(label)
        found = events.Scalars("round_time_s")
        assert [event.step for event in found] == [0, 1, 2]
        assert [event.value for event in found] == pytest.approx([r["round_time_s"] for r in rows])
        assert [event.wall_time for event in found] == [row["virtual_time_s"] for row in rows]
        assert "accuracy" not in events.Tags()["scalars"]  # nothing was trained


def test_tensorboard_needs_a_folder(scenario: Path) -> None:
    with pytest.raises(LoggerError, match="TensorBoard needs a folder"):
        run(scenario, executor="none", loggers=loggers_named(["tensorboard"]))


class FakeWandb(ModuleType):
    """The calls of `wandb` that are used, recorded."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: list[SimpleNamespace] = []

    def init(self, **settings: Any) -> SimpleNamespace:
        made = SimpleNamespace(settings=settings, rows=[], summary={}, ended=None)
        made.log = lambda row, step: made.rows.append((step, row))
        made.finish = lambda exit_code: setattr(made, "ended", exit_code)
        self.runs.append(made)
        return made


def test_weights_and_biases_has_a_run_for_each_method(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", package)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    out = tmp_path / "out"
    run(scenario, executor="none", out=out, loggers=loggers_named(["wandb"]))
    saved = read_run(out)
    for made, label in zip(package.runs, saved.methods, strict=True):
        settings = made.settings
        assert (settings["project"], settings["group"]) == ("cutlayer", "tiny")
        assert (settings["name"], settings["dir"]) == (label, str(out))
        assert settings["config"]["scenario"] == saved.summary["scenario"]
        rows = saved.rounds(label)
        assert [step for step, _ in made.rows] == [0, 1, 2]
        for row, (_, logged) in zip(rows, made.rows, strict=True):
            assert logged == {
                name: value
                for name, value in row.items()
                if isinstance(value, int | float) and name != "round"
            }
        assert made.summary["event_digest"] == saved.methods[label]["event_digest"]
        assert made.summary["wire_bytes.up"] == saved.methods[label]["wire_bytes"]["up"]
        assert made.ended == 0


class FakeClient:
    """The calls of `MlflowClient` that are used, recorded."""

    made: ClassVar[list["FakeClient"]] = []

    def __init__(self) -> None:
        self.made.append(self)
        self.experiments: dict[str, SimpleNamespace] = {}
        self.runs: dict[str, SimpleNamespace] = {}

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        return self.experiments.get(name)

    def create_experiment(self, name: str) -> str:
        self.experiments[name] = SimpleNamespace(experiment_id=f"experiment {name}")
        return f"experiment {name}"

    def create_run(self, experiment: str, run_name: str) -> SimpleNamespace:
        self.runs[run_name] = SimpleNamespace(
            experiment=experiment, params={}, tags={}, texts={}, metrics=[], status="RUNNING"
        )
        return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

    def log_param(self, run_id: str, key: str, value: object) -> None:
        self.runs[run_id].params[key] = value

    def set_tag(self, run_id: str, key: str, value: object) -> None:
        self.runs[run_id].tags[key] = value

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        self.runs[run_id].texts[artifact_file] = text

    def log_batch(self, run_id: str, metrics: list[tuple[str, float, int, int]]) -> None:
        self.runs[run_id].metrics += metrics

    def set_terminated(self, run_id: str, status: str) -> None:
        self.runs[run_id].status = status


def test_mlflow_has_a_run_for_each_method(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    package.MlflowClient = FakeClient  # type: ignore[attr-defined]
    entities.Metric = lambda *parts: parts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    run(scenario, executor="none", out=tmp_path / "out", loggers=loggers_named(["mlflow"]))
    client, saved = FakeClient.made.pop(), read_run(tmp_path / "out")
    assert list(client.runs) == list(saved.methods)
    for label, made in client.runs.items():
        assert made.experiment == "experiment tiny"
        assert made.params == {"label": label, "method": saved.methods[label]["method"], "seed": 0}
        assert yaml.safe_load(made.texts["scenario.yaml"]) == saved.summary["scenario"]
        times = [(step, value) for name, value, _, step in made.metrics if name == "virtual_time_s"]
        assert times == [(r["round"], r["virtual_time_s"]) for r in saved.rounds(label)]
        assert made.tags["status"] == "complete"
        assert made.status == "FINISHED"


def test_the_outcome_of_a_method_has_one_value_for_each_name() -> None:
    entry = {"rounds": 3, "accuracy": {"final": 0.5, "best": 0.6}, "curve": [[1.0, 0.5]], "x": None}
    found = outcome({"status": "complete", "methods": {"a": entry}}, "a")
    assert found == {"status": "complete", "rounds": 3, "accuracy.final": 0.5, "accuracy.best": 0.6}
    assert outcome({"status": "failed", "methods": {}}, "a") == {"status": "failed"}


@pytest.mark.filterwarnings("ignore")  # of W&B and its packages
@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs the extra wandb")
def test_weights_and_biases_offline(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run(scenario, executor="none", out=tmp_path / "out", loggers=loggers_named(["wandb"]))
    assert len(list((tmp_path / "out" / "wandb").glob("offline-run-*/run-*.wandb"))) == 2
    assert read_run(tmp_path / "out").summary["status"] == "complete"


@pytest.mark.filterwarnings("ignore")  # of MLflow and its packages
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="needs the extra mlflow")
def test_mlflow_in_a_file(scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    run(scenario, executor="none", out=tmp_path / "out", loggers=loggers_named(["mlflow"]))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    found = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
    rows = read_run(tmp_path / "out").rounds("frozen")
    assert found.keys() == {"splitfed", "frozen"}
    history = client.get_metric_history(found["frozen"].info.run_id, "virtual_time_s")
    assert [(m.step, m.value) for m in history] == [(r["round"], r["virtual_time_s"]) for r in rows]
