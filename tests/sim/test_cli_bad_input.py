"""Bad input: one clear message on stderr, exit code 2, no traceback, nothing written."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import TINY, Answer, CommandLine

from models.pretrained import save_weights
from sim.learning.partition import Dirichlet, PartitionError, partition
from topologies import DeviceError, LinkError


@pytest.fixture
def cutlayer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_refused(answer: Answer, *words: str) -> None:
    """One line of message, which says all of `words`."""
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    assert answer.out == ""
    lines = answer.err.splitlines()
    assert len(lines) == 1, lines
    for word in words:
        assert word in lines[0], lines[0]


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
    "unknown network": ("model.name=lenett", ["model.name", "mean 'lenet'?"]),
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
    "negative rounds": ("training.rounds=0", ["training.rounds", "at least 1"]),
    "a half round": ("training.rounds=1.5", ["training.rounds", "whole number"]),
    "too many clients": (
        "training.clients_per_round=4",
        ["training.clients_per_round", "at most 3, the number of clients", "(got 4)"],
    ),
    "target without training": ("stop.target_accuracy=0.5", ["target_accuracy", "inline"]),
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
        ["topology", "no way from", "server"],
    ),
    "a memory of nothing": (
        "devices={mine: {speed: 5 GFLOP/s, memory: 0 B}}",
        ["devices.mine.memory", "greater than 0"],
    ),
    "not built yet": ("transport=tcp", ["transport", "not available yet"]),
    "no such module": ("model.name=nowhere_to_be:found", ["model.name", "nowhere_to_be"]),
    "no such own method": ("methods=['nowhere_to_be:Found']", ["methods.0", "nowhere_to_be"]),
    "no such own data": ("data={dataset: 'nowhere_to_be:found'}", ["nowhere_to_be"]),
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_value_is_said_in_one_line(command: str, name: str, cutlayer: CommandLine) -> None:
    override, words = SCENARIOS[name]
    answer = cutlayer(command, "tiny.yaml", "--set", override, "--executor", "none")
    assert_refused(answer, *words)
    assert files(cutlayer.folder) == ["tiny.yaml"]


def test_a_problem_names_file_and_line(cutlayer: CommandLine) -> None:
    text = TINY.replace("cut: 1", "cut: 9").replace("device: raspberry-pi-4b", "device: raspberry")
    (cutlayer.folder / "wrong.yaml").write_text(text)
    line = 1 + text[: text.index("device: raspberry")].count("\n")
    assert_refused(
        cutlayer("run", "wrong.yaml"), f"wrong.yaml:{line}: topology.star.clients.0.device"
    )
    text = TINY.replace("cut: 1", "cut: 9")
    (cutlayer.folder / "wrong.yaml").write_text(text)
    assert_refused(cutlayer("run", "wrong.yaml"), "wrong.yaml:4: model.cut: must be 0", "(got 9)")
    assert files(cutlayer.folder) == ["tiny.yaml", "wrong.yaml"]


def test_several_problems_are_told_at_once(cutlayer: CommandLine) -> None:
    answer = cutlayer.run("training.rounds=0", "data.dataset=digit", "model.cut=-1")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 3


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

FILES = {
    "a YAML bomb": (BOMB.encode(), ["values, aliases written out"]),
    "a key twice": (TINY.replace("seed: 0", "seed: 0\nseed: 1").encode(), [":3: seed", "line 2"]),
    "a tag": (
        f"description: !!python/name:os.system x\n{TINY}".encode(),
        [":1: description", "tag"],
    ),
    "bytes": (b"\xff\xfe\x00\x01" * 10, ["bad.yaml:1", "UTF-8"]),
    "nothing": (b"", ["is empty"]),
    "a list": (b"- a\n- b\n", ["must be a mapping"]),
    "not YAML": (b"name: [tiny\n", ["not valid YAML"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_scenario_is_refused(name: str, cutlayer: CommandLine) -> None:
    content, words = FILES[name]
    (cutlayer.folder / "bad.yaml").write_bytes(content)
    assert_refused(cutlayer("run", "bad.yaml"), "bad.yaml", *words)
    assert files(cutlayer.folder) == ["bad.yaml", "tiny.yaml"]


def test_a_file_that_cannot_be_read_is_refused(
    cutlayer: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cutlayer.folder / "folder").mkdir()
    assert_refused(cutlayer("run", "folder"), "is a folder, not a file")
    assert_refused(cutlayer("run", "nowhere.yaml"), "nowhere.yaml", "neither a file nor a shipped")
    assert_refused(cutlayer("run", "quickstat"), "did you mean 'quickstart'?")
    assert_refused(cutlayer("run", "x" * 5000), "File name too long")
    forbid(monkeypatch, "open", "tiny.yaml")
    assert_refused(cutlayer("run", "tiny.yaml"), "tiny.yaml: cannot be read: Permission denied")


def forbid(monkeypatch: pytest.MonkeyPatch, call: str, name: str) -> None:
    """Let a method of Path refuse paths of that name, as the system would (a superuser may all)."""
    real: Callable[..., object] = getattr(Path, call)

    def refusing(self: Path, *arguments: object, **options: object) -> object:
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, call, refusing)


def weights(folder: Path) -> None:
    (folder / "corrupt.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00garbage")
    shape = {"blocks.0.conv.weight": torch.zeros(3, 3)}
    save_weights(folder / "shape.safetensors", shape, {})
    save_weights(folder / "missing.safetensors", {"other": torch.zeros(3)}, {})
    nan = {"blocks.0.conv.weight": torch.full((6, 3, 5, 5), torch.nan)}
    save_weights(folder / "nan.safetensors", nan | {"blocks.0.conv.bias": torch.zeros(6)}, {})


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{weights: corrupt.safetensors}", ["corrupt.safetensors", "cannot be read"]),
        ("{weights: shape.safetensors}", ["has shape (3, 3), expected (6, 3, 5, 5)"]),
        ("{weights: missing.safetensors}", ["tensor 'blocks.0.conv.weight'", "is missing"]),
        ("{weights: nan.safetensors}", ["is not finite"]),
        ("{weights: nowhere.safetensors}", ["nowhere.safetensors", "neither a file nor shipped"]),
        ("{weights: vgg5}", ["vgg5.safetensors", "expected"]),
        ("{}", ["no pre-trained weights are shipped for lenet", "cutlayer pretrain"]),
    ],
)
def test_weights_that_cannot_be_loaded_are_refused(
    written: str, words: list[str], cutlayer: CommandLine
) -> None:
    weights(cutlayer.folder)
    before = files(cutlayer.folder)
    answer = cutlayer.run(f"methods=[{{ecofed: {written}}}]", executor="inline")
    assert_refused(answer, "methods.0", *words)
    assert files(cutlayer.folder) == before


@pytest.mark.parametrize("command", ["run", "check"])
def test_data_that_is_not_there_is_refused(command: str, cutlayer: CommandLine) -> None:
    (cutlayer.folder / "empty").mkdir()
    (cutlayer.folder / "cifar-10-batches-bin").mkdir()
    before = files(cutlayer.folder)
    cifar = ["--set", "data={dataset: cifar10}", "--executor", "inline"]
    assert_refused(cutlayer(command, "tiny.yaml", *cifar), "cifar10", "--data-dir", "CUTLAYER_DATA")
    for folder, words in (("nowhere", "not a directory"), ("empty", "was not found in empty")):
        answer = cutlayer(command, "tiny.yaml", *cifar, "--data-dir", folder)
        assert_refused(answer, words)
    answer = cutlayer(
        command, "tiny.yaml", "--set", "data={dataset: cifar10, dir: nowhere}", *cifar[2:]
    )
    assert_refused(answer, "nowhere", "not a directory")
    assert files(cutlayer.folder) == before


def test_a_corrupt_data_file_is_refused(cutlayer: CommandLine) -> None:
    data = cutlayer.folder / "cifar-10-batches-bin"
    data.mkdir()
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        (data / name).write_bytes(b"\x01" * 1000)
    before = files(cutlayer.folder)
    cifar = ["--set", "data={dataset: cifar10}", "--executor", "inline"]
    answer = cutlayer("run", "tiny.yaml", *cifar, "--data-dir", ".")
    assert_refused(answer, "data_batch_1.bin")
    assert files(cutlayer.folder) == before


def test_no_test_samples_are_refused_only_where_they_are_needed(cutlayer: CommandLine) -> None:
    override = "data={dataset: digits, partition: iid}"
    assert_refused(cutlayer.run(override, executor="inline"), "test_fraction")
    assert cutlayer.run(override).code == 0


def test_batches_of_one_are_refused_where_batch_norm_needs_two(cutlayer: CommandLine) -> None:
    answer = cutlayer.run("model.name=resnet12", "training.batch_size=1")
    assert_refused(answer, "training.batch_size", "at least 2", "BatchNorm of resnet12")


def test_shards_of_one_are_refused_for_every_seed(cutlayer: CommandLine) -> None:
    rule = Dirichlet(0.1)
    smallest = [min(partition((6,) * 10, 3, rule, seed).sizes) for seed in range(300)]
    good, bad = smallest.index(2), smallest.index(1)
    override = ["model.name=resnet12", "data.partition={dirichlet: {alpha: 0.1}}"]
    answer = cutlayer.run(*override, f"seeds=[{good}, {bad}]")
    assert_refused(answer, "data.partition", f"with 1 samples (seed {bad}), and 2 are needed")
    assert cutlayer("check", "tiny.yaml", *sets(*override, f"seed={good}")).code in (0, None)


def sets(*overrides: str) -> list[str]:
    return [part for override in overrides for part in ("--set", override)]


def test_a_device_without_the_memory_is_refused(cutlayer: CommandLine) -> None:
    answer = cutlayer.run(
        *("model={name: vgg11, cut: 2}", "training.batch_size=512", "methods=[classic_fl]"),
        *("topology.star.clients.0.device=raspberry-pi-3b-plus", "data.train_samples=1200"),
    )
    assert_refused(answer, "classic_fl needs", "on a raspberry-pi-3b-plus", "which has", "(cut 11)")
    assert re.search(r"needs \d\.\d+ GB on a", answer.err)
    assert files(cutlayer.folder) == ["tiny.yaml"]
    own = cutlayer.run(
        "devices={mine: {speed: 5 GFLOP/s, memory: 100 kB}}", "topology.star.clients.0.device=mine"
    )
    assert own.code == 2
    assert "splitfed needs" in own.err
    assert "on a mine, which has 100 kB (cut 1)" in own.err


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_trained(
    cutlayer: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cutlayer.folder / "file").write_text("")
    before = files(cutlayer.folder)
    out = ["run", "tiny.yaml", "--out"]
    assert_refused(cutlayer(*out, "file/inside"), "file/inside", "Not a directory")
    assert_refused(cutlayer(*out, "file"), "--out file exists")
    assert_refused(cutlayer(*out, "x" * 300), "File name too long")
    forbid(monkeypatch, "mkdir", "locked")
    assert_refused(cutlayer(*out, "locked"), "folder locked cannot be written: Permission denied")
    forbid(monkeypatch, "iterdir", "hidden")
    (cutlayer.folder / "hidden").mkdir()
    assert_refused(cutlayer(*out, "hidden"), "folder hidden cannot be written: Permission denied")
    (cutlayer.folder / "hidden").rmdir()
    assert files(cutlayer.folder) == before


def test_a_folder_that_turns_out_to_be_read_only_is_refused(
    cutlayer: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "write_text", "scenario.yaml")
    answer = cutlayer("run", "tiny.yaml", "--executor", "none", "--out", "there")
    assert_refused(answer, "folder there cannot be written: Permission denied")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "devicez"], ["no kind devicez", "mean 'devices'?"]),
        (["show", "rasberry-pi-4b"], ["nothing called rasberry-pi-4b", "mean 'raspberry-pi-4b'?"]),
        (["show", "nothing-like-it"], ["nothing called nothing-like-it", "quickstart"]),
    ],
)
def test_unknown_names_are_refused_with_the_closest(
    arguments: list[str], words: list[str], cutlayer: CommandLine
) -> None:
    assert_refused(cutlayer(*arguments), *words)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["nonsense"],
        ["run", "tiny.yaml", "--executor", "guess"],
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
def test_wrong_arguments_are_refused(arguments: list[str], cutlayer: CommandLine) -> None:
    answer = cutlayer(*arguments)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert answer.err.splitlines()[-1].startswith("Error: ")
    assert files(cutlayer.folder) == ["tiny.yaml"]


def test_a_defect_of_our_own_is_no_users_error(
    cutlayer: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("sim.commands.catalogue.list_command", broken)
    with pytest.raises(ValueError, match="a defect"):
        cutlayer("list")


@pytest.mark.parametrize(
    ("error", "key"),
    [(PartitionError, "data.partition"), (LinkError, "topology"), (DeviceError, "devices")],
)
def test_errors_of_the_parts_are_told_at_their_section(
    error: type[ValueError], key: str, cutlayer: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error("does not do")

    monkeypatch.setattr("sim.plan.places", refuse)
    assert_refused(cutlayer.run(), f"{key}: does not do")
