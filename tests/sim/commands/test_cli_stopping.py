"""Runs that end early: Ctrl-C, a virtual time, a target accuracy; and when is evaluated."""

from pathlib import Path

import pytest
from command_line import RUN_FOLDER, TINY, TRAINED_FOLDER, CommandLine, rows, summary

from cutlayer import load_scenario, run
from cutlayer.sim.commands.progress import RunProgress
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.progress import MethodRun, Progress


@pytest.mark.parametrize("executor", ["none", "inline"])
def test_ctrl_c_leaves_the_closed_rounds_and_the_status_stopped(
    executor: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: RunProgress, method: MethodRun, closed: RoundResult) -> None:
        if method.label == "frozen" and closed.index == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunProgress, "round_closed", interrupted)
    answer = cli("run", "tiny.yaml", "--executor", executor, "--out", "out")
    assert answer.code == 130
    assert "interrupted" in answer.out
    folder = cli.folder / "out"
    content = summary(folder)
    assert content["status"] == "stopped"
    assert {label: m["rounds"] for label, m in content["methods"].items()} == {
        "splitfed": 3,
        "frozen": 2,
    }
    assert [row["label"] for row in rows(folder / "rounds.csv")] == ["splitfed"] * 3 + [
        "frozen"
    ] * 2
    to_resume = ["resume.json"] if executor == "none" else ["checkpoint", "resume.json"]
    expected = RUN_FOLDER if executor == "none" else TRAINED_FOLDER
    assert sorted(path.name for path in folder.iterdir()) == sorted([*expected, *to_resume])
    assert "to continue: cutlayer resume out" in answer.out
    whole = cli(
        *("run", "tiny.yaml", "--executor", executor, "--out", "whole"),
        *("--set", "training.rounds=2", "--set", "methods=[{ecofed: {init: random}}]"),
    )
    assert whole.code == 0
    (method,) = summary(cli.folder / "whole")["methods"].values()
    for key in ("learning_digest", "weights_digest", "event_digest"):
        assert content["methods"]["frozen"][key] == method[key]


@pytest.mark.parametrize(
    "method", ["splitfed", "centralised", "{fedgkt: {exchange_weights: false}}"]
)
def test_ctrl_c_within_a_round_keeps_the_rounds_before_it(method: str, tmp_path: Path) -> None:
    class Impatient(Progress):
        rounds = 0

        def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
            self.rounds += 1

        def client_trained(self, method: MethodRun, done: int, total: int) -> None:
            if self.rounds == 2:
                raise KeyboardInterrupt

    file = tmp_path / "tiny.yaml"
    file.write_text(TINY, encoding="utf-8")
    asked = [f"methods=[{method}]", "training.optimizer.lr=0.005"]
    (result,) = run(load_scenario(file, asked), out=tmp_path / "out", progress=Impatient())
    assert result.status == "stopped"
    (whole,) = run(load_scenario(file, [*asked, "training.rounds=2"]))
    ((label, complete),) = whole.methods.items()
    stopped = result.methods[label]
    assert len(stopped.rounds) == 2
    assert stopped.curve == complete.curve
    for name in ("learning_digest", "weights_digest", "event_digest"):
        assert getattr(stopped, name) == getattr(complete, name), name
    assert summary(tmp_path / "out")["status"] == "stopped"


def test_a_run_stops_at_a_virtual_time(cli: CommandLine) -> None:
    (whole,) = run(load_scenario("tiny.yaml"), executor="none")
    first, second, third = (r.virtual_time_s for r in whole.methods["splitfed"].rounds)
    for limit, rounds in (((first + second) / 2, 2), (first, 1), (third + 1, 3)):
        scenario = load_scenario("tiny.yaml", [f"stop.virtual_time={limit!r} s"])
        (result,) = run(scenario, executor="none")
        assert result.status == "complete"
        assert len(result.methods["splitfed"].rounds) == rounds


def test_a_run_stops_at_a_target_accuracy(cli: CommandLine) -> None:
    (whole,) = run(load_scenario("tiny.yaml"))
    for label, method in whole.methods.items():
        values = [value for _, value in method.curve]
        target = max(values)
        (stopped,) = run(load_scenario("tiny.yaml", [f"stop.target_accuracy={target}"]))
        found = [value for _, value in stopped.methods[label].curve]
        assert found == values[: values.index(target) + 1]


def test_evaluations_come_every_so_many_rounds_and_at_the_end() -> None:
    loaded = load_scenario("quickstart", ["training.evaluate_every=2", "training.rounds=5"])
    small = ["methods=[{ecofed: {init: random}}]", "model.name=lenet", "training.evaluate_every=2"]
    small += ["data={dataset: digits, test_fraction: 0.2, train_samples: 100}", "training.rounds=5"]
    assert loaded.scenario.training.evaluate_every == 2
    (result,) = run(load_scenario("quickstart", small))
    (method,) = result.methods.values()
    evaluated = [closed.index for closed in method.rounds if closed.accuracy is not None]
    assert evaluated == [1, 3, 4]
