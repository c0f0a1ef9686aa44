"""Bad input: one clear message on stderr, exit code 2, no traceback, nothing written."""

import re

import pytest
from command_line import TINY, CommandLine, assert_refused, files

from cutlayer.sim.data.partition import Dirichlet, PartitionError, partition
from cutlayer.topologies import DeviceError, LinkError

SCENARIOS = {
    "a unit missing": (
        "topology.star.clients.0.link={up: 10, down: 1 Mbit/s, delay: 1 ms}",
        ["link.up", "10 has no unit", "'10 Mbit/s'"],
    ),
    "unknown unit": (
        "topology.star.clients.0.link={up: 10 Mbits, down: 1 Mbit/s, delay: 1 ms}",
        ["link.up", "Mbits", "Mbit/s"],
    ),
    "unknown device": (
        "topology.star.clients.0.device=raspbery-pi-4b",
        ["clients.0.device", "did you mean 'raspberry-pi-4b'?", "raspbery-pi-4b"],
    ),
    "unknown link": ("topology.star.clients.0.link=4gg", ["clients.0.link", "mean '4g'?"]),
    "unknown model": ("model.name=lenett", ["model.name", "mean 'lenet'?"]),
    "unknown data set": ("data.dataset=digit", ["data.dataset", "mean 'digits'?"]),
    "unknown method": ("methods=[splitfet]", ["methods.0", "mean 'splitfed'?"]),
    "unknown key": ("training.batchsize=3", ["training.batchsize", "mean 'batch_size'?"]),
    "link without delay": (
        "topology.star.clients.0.link=fedfly-75",
        ["clients.0.link", "no known delay", "{name: fedfly-75, delay: 10 ms}"],
    ),
    "a shared link": ("topology.star.clients.0.link=edpfl-hotspot", ["link", "wifi_cell"]),
    "cut too high": ("model.cut=6", ["model.cut", "0 (all on the server) to 5", "(got 6)"]),
    "cut below zero": ("model.cut=-1", ["model.cut", "at least 0", "(got -1)"]),
    "cut without a block": (
        "model.cut=5",
        ["model.cut", "ecofed needs a cut between 1 and 4", "(got 5)"],
    ),
    "negative batch": ("training.batch_size=-3", ["training.batch_size", "at least 1"]),
    "negative delay": (
        "topology.star.clients.0.link={up: 1 Mbit/s, down: 1 Mbit/s, delay: -1 ms}",
        ["link.delay", "-1 ms"],
    ),
    "negative memory": (
        "devices={mine: {speed: 5 GFLOP/s, memory: -4 GiB}}",
        ["devices.mine.memory", "-4 GiB"],
    ),
    "negative shard": ("data.partition={sizes: -20}", ["data.partition.sizes", "at least 1"]),
    "no rounds": ("training.rounds=0", ["training.rounds", "at least 1"]),
    "a half round": ("training.rounds=1.5", ["training.rounds", "whole number"]),
    "too many clients": (
        "training.clients_per_round=4",
        ["training.clients_per_round", "at most 3, the number of clients", "(got 4)"],
    ),
    "target without training": ("stop.target_accuracy=0.5", ["target_accuracy", "inline"]),
    "patience without training": ("stop.patience=2", ["stop.patience", "inline"]),
    "min_delta alone": ("stop.min_delta=0.1", ["stop.min_delta", "has no effect without patience"]),
    "too few samples": ("data.partition={sizes: 21}", ["data.partition", "63", "60"]),
    "too many shards": (
        "data.partition={shards: {per_client: 100}}",
        ["data.partition", "300 shards", "60 samples"],
    ),
    "a hopeless draw": (
        "data.partition={dirichlet: {alpha: 0.001, min_samples: 20}}",
        ["data.partition", "100 draws", "raise alpha"],
    ),
    "uneven classes": ("data.train_samples=7", ["train_samples must be a multiple of the 10"]),
    "an empty class": ("data.test_fraction=0.0001", ["test_fraction", "class 0"]),
    "bits too few": ("methods=[{ecofed: {bits: 1}}]", ["methods.0.ecofed.bits", "at least 2"]),
    "bits too many": ("methods=[{ecofed: {bits: 17}}]", ["ecofed.bits", "at most 16"]),
    "no such init": ("methods=[{ecofed: {init: wholly}}]", ["init", "holistic"]),
    "unknown option": ("methods=[{ecofed: {perriod: 3}}]", ["mean 'period'?"]),
    "no temperature": ("methods=[{fedgkt: {temperature: 0}}]", ["temperature", "greater than 0"]),
    "endless temperature": ("methods=[{fedgkt: {temperature: .inf}}]", ["temperature", "finite"]),
    "no alpha": ("methods=[{fedgkt: {alpha: .nan}}]", ["fedgkt.alpha"]),
    "same label": ("methods=[splitfed, splitfed]", ["methods.1", "differ from the label"]),
    "no method": ("methods=[]", ["methods", "list of methods"]),
    "a huge seed": ("seed=18446744073709551616", ["seed", "less than"]),
    "no equals": ("training.rounds", ["--set", "path.to.key=value"]),
    "not YAML": ("training.rounds=: :", ["--set", "not valid YAML"]),
    "no such entry": ("methods.7=splitfed", ["--set", "methods.7", "2 entries"]),
    "a cut-off client": (
        "topology={graph: {server: {device: server-8-core, slots: 1}, nodes: {a: {client: {device:"
        " raspberry-pi-4b, count: 3}}, r: relay}, edges: [{from: a, to: r, link: 4g}]}}",
        ["topology", "no route from", "server"],
    ),
    "a memory of nothing": (
        "devices={mine: {speed: 5 GFLOP/s, memory: 0 B}}",
        ["devices.mine.memory", "greater than 0"],
    ),
    "an unknown transport": ("transport=tpc", ["transport", "did you mean 'tcp'"]),
    "no such module": ("model.name=nowhere_to_be:found", ["model.name", "nowhere_to_be"]),
    "no such own method": ("methods=['nowhere_to_be:Found']", ["methods.0", "nowhere_to_be"]),
    "no such own data": ("data={dataset: 'nowhere_to_be:found'}", ["nowhere_to_be"]),
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_value_is_said_in_one_line(command: str, name: str, cli: CommandLine) -> None:
    override, words = SCENARIOS[name]
    answer = cli(command, "tiny.yaml", "--set", override, "--executor", "none")
    assert_refused(answer, *words)
    assert files(cli.folder) == ["tiny.yaml"]


def test_a_problem_names_file_and_line(cli: CommandLine) -> None:
    text = TINY.replace("cut: 1", "cut: 9").replace("device: raspberry-pi-4b", "device: raspberry")
    (cli.folder / "wrong.yaml").write_text(text, encoding="utf-8")
    line = 1 + text[: text.index("device: raspberry")].count("\n")
    answer = cli("run", "wrong.yaml")
    assert answer.code == 2
    cut, device = answer.err.splitlines()
    assert cut.startswith("wrong.yaml:4: model.cut: must be 0")
    assert device.startswith(f"wrong.yaml:{line}: topology.star.clients.0.device: is not a known ")
    text = TINY.replace("cut: 1", "cut: 9")
    (cli.folder / "wrong.yaml").write_text(text, encoding="utf-8")
    assert_refused(cli("run", "wrong.yaml"), "wrong.yaml:4: model.cut: must be 0", "(got 9)")
    assert files(cli.folder) == ["tiny.yaml", "wrong.yaml"]


def test_several_problems_are_told_at_once(cli: CommandLine) -> None:
    answer = cli.run("training.rounds=0", "data.dataset=digit", "model.cut=-1")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 3


def test_batches_of_one_are_refused_where_batch_norm_needs_two(cli: CommandLine) -> None:
    answer = cli.run("model.name=resnet12", "training.batch_size=1")
    assert_refused(answer, "training.batch_size", "at least 2", "BatchNorm of resnet12")


def test_shards_of_one_take_no_part_and_are_refused_where_there_are_no_others(
    cli: CommandLine,
) -> None:
    rule = Dirichlet(0.1)
    smallest = [min(partition((6,) * 10, 3, rule, seed).sizes) for seed in range(300)]
    good, small = smallest.index(2), smallest.index(1)
    model = "model.name=resnet12"
    override = [model, "data.partition={dirichlet: {alpha: 0.1}}"]
    none = ("--executor", "none")
    answer = cli("check", "tiny.yaml", *sets(*override, f"seed={small}"), *none)
    assert "1 client with fewer than 2 samples takes no part" in answer.out
    answer = cli("check", "tiny.yaml", *sets(*override, f"seed={good}"), *none)
    assert answer.code in (0, None)
    assert "no part" not in answer.out
    answer = cli.run(model, "data.partition={sizes: 1}")
    assert_refused(
        answer,
        "data.partition",
        "leaves no client with enough samples",
        "the largest shard has 1, and 2",
    )


def sets(*overrides: str) -> list[str]:
    return [part for override in overrides for part in ("--set", override)]


def test_a_device_without_the_memory_is_refused(cli: CommandLine) -> None:
    answer = cli.run(
        *("model={name: vgg11, cut: 2}", "training.batch_size=512", "methods=[classic_fl]"),
        *("topology.star.clients.0.device=raspberry-pi-3b-plus", "data.train_samples=1200"),
        "topology.star.clients.0.count=2",
    )
    assert_refused(answer, "classic_fl needs", "on a raspberry-pi-3b-plus", "which has", "(cut 11)")
    assert re.search(r"needs \d\.\d+ GB on a", answer.err)
    assert files(cli.folder) == ["tiny.yaml"]
    own = cli.run(
        "devices={mine: {speed: 5 GFLOP/s, memory: 100 kB}}", "topology.star.clients.0.device=mine"
    )
    assert own.code == 2
    assert "splitfed needs" in own.err
    assert "on a mine, which has 100 kB (cut 1)" in own.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "devicez"], ["unknown kind devicez", "mean 'devices'?"]),
        (["show", "rasberry-pi-4b"], ["unknown name rasberry-pi-4b", "mean 'raspberry-pi-4b'?"]),
        (["show", "nothing-like-it"], ["unknown name nothing-like-it", "async_phones"]),
    ],
)
def test_unknown_names_are_refused_with_the_closest(
    arguments: list[str], words: list[str], cli: CommandLine
) -> None:
    assert_refused(cli(*arguments), *words)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["nonsense"],
        ["run", "tiny.yaml", "--threads", "0"],
        ["run", "tiny.yaml", "--log", "nothing"],
        ["run", "tiny.yaml", "--nonsense"],
        ["pretrain", "lenet", "digits"],
        ["pretrain", "lenet", "digits", "--out", "w", "--epochs", "0"],
        ["pretrain", "lenet", "digits", "--out", "w", "--blocks", "0"],
        ["pretrain", "lenet", "digits", "--out", "w", "--milestone", "0"],
        ["pretrain", "lenet", "digits", "--out", "w", "--seed", str(2**63)],
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_refused(arguments: list[str], cli: CommandLine) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert answer.err.splitlines()[-1].startswith("Error: ")
    assert files(cli.folder) == ["tiny.yaml"]


def test_a_defect_of_our_own_is_no_users_error(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("cutlayer.sim.commands.catalogue.list_command", broken)
    with pytest.raises(ValueError, match="a defect"):
        cli("list")


@pytest.mark.parametrize(
    ("error", "key"),
    [(PartitionError, "data.partition"), (LinkError, "topology"), (DeviceError, "devices")],
)
def test_errors_of_the_parts_are_told_at_their_section(
    error: type[ValueError], key: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error("does not do")

    monkeypatch.setattr("cutlayer.sim.build.plan_problems.make_topology", refuse)
    assert_refused(cli.run(), f"{key}: does not do")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "x" * 5000),
        ("explain", "x" * 5000),
        ("report", "x" * 5000),
        ("compare", "x" * 5000, "y"),
        ("run", "quickstart", "--threads", "9" * 21),
    ],
)
def test_arguments_of_impossible_length_or_size_are_refused(
    cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert answer.err.strip()
    assert "Traceback" not in answer.err
