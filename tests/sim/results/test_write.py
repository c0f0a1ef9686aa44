"""The files of a run, key by key."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import RUN_FOLDER, TRAINED_FOLDER, CommandLine, assert_refused, rows, summary

import cutlayer.sim.commands.run
from cutlayer import load_scenario

NUMBER = (int, float)
CATEGORIES = ("weights", "activations", "gradients", "labels", "logits", "images", "control")
BYTES = {"wire_bytes": int, "payload_bytes": int}
METHOD: dict[str, Any] = {
    "method": str,
    "rounds": int,
    "virtual_time_s": NUMBER,
    "round_time_s": {"mean": NUMBER, "p50": NUMBER, "p95": NUMBER},
    "wire_bytes": {"up": int, "down": int, "per_client_round": NUMBER},
    "payload_bytes": {"up": int, "down": int, "per_client_round": NUMBER},
    "traffic": {way: dict.fromkeys(CATEGORIES, BYTES) for way in ("up", "down")},
    "accuracy": {"final": NUMBER, "best": NUMBER},
    "training_loss": {"first": NUMBER, "final": NUMBER},
    "test_loss": {"final": NUMBER, "best": NUMBER},
    "class_accuracy": list,
    "client_accuracy": dict.fromkeys(("mean", "std", "worst_decile", "min", "max"), NUMBER),
    "curve": list,
    "time_to_accuracy_s": {"0.01": NUMBER, "1.0": None},
    "learning_digest": str,
    "weights_digest": str,
    "event_digest": str,
    "additive_round_time_s": NUMBER,
    "energy_j": NUMBER,
    "server_wait_s": {"mean": NUMBER, "max": NUMBER},
    "idle_fraction": {"clients": NUMBER, "server": NUMBER},
    "diverged_in_round": None,
    "coarse": list,
    "ended": None,
    "clients_dropped": int,
    "wasted_bytes": int,
    "against": dict,
}
UNTRAINED = METHOD | {
    **dict.fromkeys(("accuracy", "training_loss", "test_loss", "class_accuracy")),
    "client_accuracy": None,
    "weights_digest": None,
    "time_to_accuracy_s": {"0.01": None, "1.0": None},
}


def assert_has_form(value: Any, form: Any, where: str) -> None:
    if isinstance(form, dict):
        assert isinstance(value, dict), where
        assert list(value) == list(form), where
        for key, inner in form.items():
            assert_has_form(value[key], inner, f"{where}.{key}")
    elif form is None:
        assert value is None, where
    else:
        assert isinstance(value, form), (where, value)
        assert not isinstance(value, bool), where


@pytest.mark.parametrize(("executor", "form"), [("none", UNTRAINED), ("inline", METHOD)])
def test_the_folder_and_the_summary_are_as_documented(
    executor: str, form: dict[str, Any], cli: CommandLine
) -> None:
    assert cli("run", "tiny.yaml", "--executor", executor, "--out", "new/out").code == 0
    folder = cli.folder / "new/out"
    expected = TRAINED_FOLDER if executor == "inline" else RUN_FOLDER
    assert sorted(path.name for path in folder.iterdir()) == expected
    content = summary(folder)
    keys = ["schema", "status", "scenario", "seed", "versions", "methods"]
    assert list(content) == keys
    assert (content["schema"], content["status"], content["seed"]) == (1, "complete", 0)
    assert list(content["methods"]) == ["splitfed", "frozen"]
    for label, method in content["methods"].items():
        assert_has_form(method, form, label)
        assert method["rounds"] == 3
        other = "frozen" if label == "splitfed" else "splitfed"
        assert_has_form(method["against"], {other: {"time_x": NUMBER, "bytes_x": NUMBER}}, label)
        trained = executor == "inline"
        assert len(method["curve"]) == (3 if trained else 0)
        assert all(len(point) == 2 for point in method["curve"])
    assert content["methods"]["frozen"]["method"] == "ecofed"
    assert content["versions"]["executor"] == executor
    assert (
        json.loads((folder / "versions.json").read_text(encoding="utf-8"))
        == {"seed": 0} | content["versions"]
    )


def test_figures_are_drawn_from_the_rounds_that_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plots = cutlayer.sim.commands.run.write_plots
    cli = CommandLine(tmp_path, monkeypatch, capsys)
    monkeypatch.setattr(cutlayer.sim.commands.run, "write_plots", write_plots)
    trained = cli("run", "tiny.yaml", "--out", "trained", "--set", "training.rounds=2")
    drawn = ["links.png", "links.svg", "rounds.png", "rounds.svg", "timeline.png"]
    files = sorted(path.name for path in (tmp_path / "trained/plots").iterdir())
    curves = ["accuracy.png", "accuracy.svg", *drawn[:2], "loss.png", "loss.svg", *drawn[2:]]
    assert files == curves
    assert "plot:    trained/plots/accuracy.png" in trained.out
    cli("run", "tiny.yaml", "--executor", "none", "--out", "counted")
    assert sorted(path.name for path in (tmp_path / "counted/plots").iterdir()) == drawn


def test_the_summary_agrees_with_the_rounds(cli: CommandLine) -> None:
    cli("run", "tiny.yaml", "--out", "out")
    folder = cli.folder / "out"
    table = rows(folder / "rounds.csv")
    assert [(row["label"], row["round"]) for row in table] == [
        (label, str(index)) for label in ("splitfed", "frozen") for index in range(3)
    ]
    for label, method in summary(folder)["methods"].items():
        own = [row for row in table if row["label"] == label]
        times = [float(row["round_time_s"]) for row in own]
        assert method["virtual_time_s"] == float(own[-1]["virtual_time_s"])
        assert method["virtual_time_s"] == pytest.approx(sum(times), rel=1e-12)
        assert method["round_time_s"]["mean"] == pytest.approx(np.mean(times), rel=1e-12)
        assert method["round_time_s"]["p50"] == sorted(times)[1]
        for kind in ("wire_bytes", "payload_bytes"):
            up, down = (
                sum(int(row[f"{kind}_{direction}"]) for row in own) for direction in ("up", "down")
            )
            clients = sum(int(row["clients"]) for row in own)
            assert method[kind] == {
                "up": up,
                "down": down,
                "per_client_round": pytest.approx((up + down) / clients),
            }
        curve = [[float(row["virtual_time_s"]), float(row["accuracy"])] for row in own]
        assert method["curve"] == curve
        assert method["accuracy"] == {"final": curve[-1][1], "best": max(v for _, v in curve)}
        evaluated = [row for row in rows(folder / "accuracy.csv") if row["label"] == label]
        accuracy = [row for row in evaluated if row["metric"] == "accuracy"]
        assert [[float(r["virtual_time_s"]), float(r["value"])] for r in accuracy] == curve
        losses = [row["value"] for row in evaluated if row["metric"] == "test_loss"]
        assert losses == [row["test_loss"] for row in own]
        assert method["test_loss"]["final"] == float(losses[-1])
        assert method["training_loss"]["final"] == float(own[-1]["training_loss"])
        assert {float(row["learning_rate"]) for row in own} == {0.05}
        classes = [row for row in rows(folder / "classes.csv") if row["label"] == label]
        assert [float(c["accuracy_final"] or "nan") for c in classes] == pytest.approx(
            [math.nan if value is None else value for value in method["class_accuracy"]],
            nan_ok=True,
        )
        clients = [row for row in rows(folder / "clients.csv") if row["label"] == label]
        worst = min(float(row["accuracy"]) for row in clients)
        assert method["client_accuracy"]["worst_decile"] == worst  # one of three clients
        assert method["time_to_accuracy_s"]["0.01"] == curve[0][0]
    one, other = summary(folder)["methods"].values()
    ratio = one["virtual_time_s"] / other["virtual_time_s"]
    assert other["against"]["splitfed"]["time_x"] == pytest.approx(ratio)
    assert one["against"]["frozen"]["time_x"] == pytest.approx(1 / ratio)


def test_untrained_figures_are_empty_in_the_tables(cli: CommandLine) -> None:
    cli.run()
    folder = cli.folder / "runs/tiny"
    assert {row["accuracy"] for row in rows(folder / "rounds.csv")} == {""}
    for column in ("training_loss", "test_loss", "learning_rate"):
        assert {row[column] for row in rows(folder / "rounds.csv")} == {""}
    assert rows(folder / "accuracy.csv") == []
    assert not (folder / "classes.csv").exists()
    assert not (folder / "clients.csv").exists()


def test_events_are_columns_of_equal_length(cli: CommandLine) -> None:
    cli("run", "tiny.yaml", "--executor", "none", "--log", "events", "--out", "out")
    folder = cli.folder / "out"
    with np.load(folder / "events.npz", allow_pickle=False) as events:
        columns = {name: events[name] for name in events.files}
    names = {"actor_names", "labels", "phase_names", "activity_names"}
    assert len({len(value) for name, value in columns.items() if name not in names}) == 1
    assert (columns["end"] >= columns["start"]).all()
    assert set(columns["round"]) == {0, 1, 2}
    for number, label in enumerate(columns["labels"]):
        chosen = columns["method"] == number
        total = summary(folder)["methods"][str(label)]["wire_bytes"]
        assert columns["wire_bytes"][chosen].sum() == total["up"] + total["down"]
    trace = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    assert trace["traceEvents"]


def test_the_resolved_scenario_gives_the_same_results(cli: CommandLine) -> None:
    first = cli("run", "tiny.yaml", "--out", "a", "--set", "training.lr_schedule=cosine")
    second = cli("run", "a/scenario.yaml", "--out", "b")
    assert first.code == second.code == 0
    a, b = (load_scenario(cli.folder / name / "scenario.yaml").scenario for name in "ab")
    assert a == b
    assert (cli.folder / "a/scenario.yaml").read_text(encoding="utf-8") == (
        cli.folder / "b/scenario.yaml"
    ).read_text(encoding="utf-8")
    assert (cli.folder / "a/rounds.csv").read_text(encoding="utf-8") == (
        cli.folder / "b/rounds.csv"
    ).read_text(encoding="utf-8")
    digests = ("learning_digest", "weights_digest", "event_digest")
    for label, method in summary(cli.folder / "a")["methods"].items():
        again = summary(cli.folder / "b")["methods"][label]
        assert {key: method[key] for key in digests} == {key: again[key] for key in digests}


def test_seeds_get_a_folder_each_and_intervals(cli: CommandLine) -> None:
    assert cli("run", "tiny.yaml", "--set", "seeds=[0, 1, 4]", "--out", "out").code == 0
    folder = cli.folder / "out"
    assert sorted(path.name for path in folder.iterdir()) == [
        "cutlayer.json",
        "plots",
        "seed-0",
        "seed-1",
        "seed-4",
        "seeds.json",
    ]
    found = [summary(folder / f"seed-{seed}") for seed in (0, 1, 4)]
    assert [content["seed"] for content in found] == [0, 1, 4]
    assert sorted(p.name for p in (folder / "seed-4").iterdir()) == [
        f for f in TRAINED_FOLDER if f != "plots"
    ]
    together = json.loads((folder / "seeds.json").read_text(encoding="utf-8"))
    assert together["seeds"] == [0, 1, 4]
    assert together["status"] == "complete"
    best = [content["methods"]["frozen"]["accuracy"]["final"] for content in found]
    told = together["methods"]["frozen"]["final_accuracy"]
    assert told["mean"] == pytest.approx(np.mean(best))
    t = 4.302652729911275  # Student's t, two degrees of freedom, 97.5 %
    assert told["half_width_95"] == pytest.approx(t * np.std(best, ddof=1) / 3**0.5, rel=1e-9)
    alone = cli("run", "tiny.yaml", "--set", "seed=4", "--out", "alone")
    assert alone.code == 0
    for label, method in summary(cli.folder / "alone")["methods"].items():
        assert method["weights_digest"] == found[2]["methods"][label]["weights_digest"]
        assert method["event_digest"] == found[2]["methods"][label]["event_digest"]


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(cli: CommandLine) -> None:
    target = cli.folder / "full"
    target.mkdir()
    (target / "precious").write_text("keep me", encoding="utf-8")
    answer = cli("run", "tiny.yaml", "--executor", "none", "--out", "full")
    assert answer.code == 2
    assert "full exists and is not empty" in answer.err
    assert [path.read_text(encoding="utf-8") for path in target.iterdir()] == ["keep me"]
    empty = cli.folder / "empty"
    empty.mkdir()
    assert cli("run", "tiny.yaml", "--executor", "none", "--out", "empty").code == 0


def test_the_confusion_of_classes_is_written_if_asked_for(cli: CommandLine) -> None:
    assert cli("run", "tiny.yaml", "--confusion", "--out", "out").code == 0
    table = rows(cli.folder / "out/confusion.csv")
    assert len(table) == 2 * 10 * 10
    for label, method in summary(cli.folder / "out")["methods"].items():
        own = [row for row in table if row["label"] == label]
        right = sum(int(row["samples"]) for row in own if row["class"] == row["predicted"])
        assert sum(int(row["samples"]) for row in own) == 20
        assert right / 20 == method["accuracy"]["final"]
    answer = cli("run", "tiny.yaml", "--confusion", "--executor", "none", "--out", "none")
    assert_refused(answer, "--confusion needs an executor that trains")
