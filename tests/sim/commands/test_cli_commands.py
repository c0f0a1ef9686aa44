"""Every command on something small, and what `--help` may cost."""

import json
import os
import subprocess
import sys

import pytest
from command_line import CommandLine

from cutlayer.models.catalogue import MODELS
from cutlayer.scenarios.shipped import shipped_names
from cutlayer.sim.codecs.registry import CODECS
from cutlayer.sim.commands.sweep import workers
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.learning.executors import EXECUTORS
from cutlayer.sim.methods.registry import METHODS
from cutlayer.sim.process.jobs import Here
from cutlayer.topologies.catalogue import device_names, link_names, stack_names


def test_run_ends_with_a_table_and_the_way_to_the_results(cli: CommandLine) -> None:
    answer = cli("run", "tiny.yaml", "--out", "here")
    assert answer.code == 0
    assert answer.err == ""
    for word in ("splitfed", "frozen", "results: here"):
        assert word in answer.out
    assert (cli.folder / "here" / "summary.json").is_file()


def test_traffic_by_category_is_printed_on_request(cli: CommandLine) -> None:
    plain = cli("run", "tiny.yaml", "--executor", "none", "--out", "a")
    answer = cli("run", "tiny.yaml", "--executor", "none", "--traffic", "--out", "b")
    assert "by category" not in plain.out
    assert "Traffic by category (wire bytes per client and round)" in answer.out
    lines = answer.out.split("Traffic by category")[1].splitlines()
    heading, *table = (line.split() for line in lines[1:] if line.strip("─ "))
    assert heading == [
        "method",
        "weights",
        "activations",
        "gradients",
        "labels",
        "control",
        "total",
        "framing",
    ]
    assert table[0][:2] == ["splitfed", "up"]
    assert table[1][0] == "down"
    assert table[2][:2] == ["frozen", "up"]


def test_without_out_a_run_goes_into_the_next_free_folder(cli: CommandLine) -> None:
    assert "results: runs/tiny\n" in cli.run().out
    assert "results: runs/tiny-2\n" in cli.run().out
    assert sorted(path.name for path in (cli.folder / "runs").iterdir()) == ["tiny", "tiny-2"]


def test_the_options_of_run_reach_the_run(cli: CommandLine) -> None:
    assert cli.run("training.rounds=1", "seed=7").code == 0
    summary = json.loads((cli.folder / "runs/tiny/summary.json").read_text(encoding="utf-8"))
    assert summary["seed"] == 7
    assert summary["versions"]["executor"] == "none"
    assert {method["rounds"] for method in summary["methods"].values()} == {1}
    plain = cli("run", "tiny.yaml", "--executor", "none", "--no-reuse", "--out", "a")
    events = cli("run", "tiny.yaml", "--executor", "none", "--log", "events", "--out", "b")
    assert plain.code == events.code == 0
    sizes = [(cli.folder / name / "events.npz").stat().st_size for name in "ab"]
    assert sizes[0] < sizes[1]


def test_check_says_what_would_run_and_writes_nothing(cli: CommandLine) -> None:
    answer = cli("check", "tiny.yaml")
    assert answer.code in (0, None)
    assert "3 rounds, 2 of 3 clients in each, 1 seed" in answer.out
    assert "lenet cut after block 1 of 5" in answer.out
    assert "frozen" in answer.out
    assert [path.name for path in cli.folder.iterdir()] == ["tiny.yaml"]


# For the texts of Debian's `fortunes` and the model of a package, which the tests do not need.
OF_PACKAGES = {
    "text_finetune": (
        "data={dataset: {declared: {input_shape: [32], vocabulary: 99, classes: 8, "
        "train_samples: 2000, test_samples: 400}}}",
        "model.name=text-mini",
        "model.cut=encoder2",
        "model.lora.targets=['*.qkv']",
        "model.trainable=['fc.*']",
    )
}


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_passes_check(name: str, cli: CommandLine) -> None:
    instead = [word for value in OF_PACKAGES.get(name, ()) for word in ("--set", value)]
    answer = cli("check", name, "--set", "training.rounds=3", *instead)
    assert answer.code in (0, None), answer.err
    assert answer.err == ""


def test_list_and_show_know_everything_that_a_scenario_can_name(cli: CommandLine) -> None:
    kinds = {
        "scenarios": shipped_names(),
        "methods": METHODS,
        "codecs": CODECS,
        "models": MODELS,
        "datasets": DATASETS,
        "devices": device_names(),
        "stacks": stack_names(),
        "links": link_names(),
    }
    everything = cli("list")
    assert everything.code in (0, None)
    as_json = json.loads(cli("list", "--format", "json").out)
    assert as_json.keys() == {*kinds, "studies"}
    for kind, names in kinds.items():
        assert json.loads(cli("list", kind, "--format", "json").out) == {kind: as_json[kind]}
        assert list(as_json[kind]) == list(names)
        assert all(as_json[kind].values())
        answer = cli("list", kind)
        lines = [line.split()[0] for line in answer.out.splitlines() if line.strip()]
        assert lines == [kind, *names]
        for name in names:
            assert name in everything.out
    for kind, names in kinds.items():
        for name in names:
            shown = cli("show", name)
            assert shown.code in (0, None), (kind, name)
            assert name.partition("_")[0] in shown.out, (kind, name)


def test_schema_is_a_json_schema_with_every_method(cli: CommandLine) -> None:
    schema = json.loads(cli("schema").out)
    assert schema["title"] == "Cutlayer scenario"
    text = json.dumps(schema)
    assert all(f'"{name}"' in text for name in METHODS)
    assert '"upload_when_unbuffered"' in text


def test_no_command_at_all_shows_the_help(cli: CommandLine) -> None:
    answer = cli()
    said = answer.out + answer.err
    assert all(word in said for word in ("run", "check", "list", "show", "schema", "pretrain"))


def test_help_imports_nothing_slow() -> None:
    """In a process of its own: `cutlayer --help`, and the packages' own names."""
    program = (
        "import sys, models, topologies, scenarios, sim, cutlayer.sim.cli\n"
        "sys.argv = ['cutlayer', '--help']\n"
        "try: cutlayer.sim.cli.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "slow = {'torch', 'sklearn', 'scipy', 'matplotlib'} & sys.modules.keys()\n"
        "assert not slow, slow\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "Usage" in ended.stdout


def test_the_help_of_run_says_what_every_executor_does(cli: CommandLine) -> None:
    text = cli("run", "--help").out.split("--executor", 1)[1].split("--jobs", 1)[0]
    explained = text.split("|".join(EXECUTORS), 1)[1]
    assert [name for name in EXECUTORS if name not in explained] == []


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_the_number_of_worker_processes_has_an_upper_limit(cli: CommandLine, command: str) -> None:
    answer = cli(command, "quickstart", "--jobs", 1025)
    assert answer.code == 2
    assert "Invalid value for '--jobs'" in answer.err


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
def test_a_sweep_starts_no_more_processes_than_it_may_use_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert isinstance(workers(None, None, 1, "none", "cpu"), Here)


def test_the_help_of_list_names_every_kind(cli: CommandLine) -> None:
    from cutlayer.sim.commands.catalogue import KINDS

    shown = cli("list", "--help").out
    assert [kind for kind in KINDS if kind not in shown] == []
