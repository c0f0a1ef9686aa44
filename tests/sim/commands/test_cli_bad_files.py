"""Files and folders that cannot be used: one clear message, exit code 2, nothing written."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import TINY, CommandLine, assert_refused, files, summary

from cutlayer.models.pretrained import save_weights

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
def test_a_file_that_is_no_scenario_is_refused(name: str, cli: CommandLine) -> None:
    content, words = FILES[name]
    (cli.folder / "bad.yaml").write_bytes(content)
    assert_refused(cli("run", "bad.yaml"), "bad.yaml", *words)
    assert files(cli.folder) == ["bad.yaml", "tiny.yaml"]


def test_a_file_that_cannot_be_read_is_refused(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.folder / "folder").mkdir()
    assert_refused(cli("run", "folder"), "is a folder, not a file")
    assert_refused(cli("run", "nowhere.yaml"), "nowhere.yaml", "neither a file nor a shipped")
    assert_refused(cli("run", "quickstat"), "did you mean 'quickstart'?")
    assert_refused(cli("run", "x" * 5000), "File name too long")
    forbid(monkeypatch, "open", "tiny.yaml")
    assert_refused(cli("run", "tiny.yaml"), "tiny.yaml: cannot be read: Permission denied")


def forbid(monkeypatch: pytest.MonkeyPatch, call: str, name: str) -> None:
    """Let a method of Path refuse paths of that name, as the system would (a superuser may all)."""
    real: Callable[..., object] = getattr(Path, call)

    def refusing(self: Path, *arguments: object, **options: object) -> object:
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, call, refusing)


def weights(folder: Path) -> None:
    kernels = {
        "blocks.0.conv.bias": torch.zeros(6),
        "blocks.0.conv.weight": torch.zeros(6, 3, 5, 5),
    }
    save_weights(folder / "int8.safetensors", {k: v.to(torch.int8) for k, v in kernels.items()}, {})
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
        ("{weights: int8.safetensors}", ["holds int8 numbers, expected float32"]),
        (f"{{weights: {'x' * 300}}}", ["File name too long"]),
        ("{weights: nowhere.safetensors}", ["nowhere.safetensors", "neither a file nor shipped"]),
        ("{weights: vgg5}", ["vgg5.safetensors", "expected"]),
        ("{}", ["no pre-trained weights are shipped for lenet", "cutlayer pretrain"]),
    ],
)
def test_weights_that_cannot_be_loaded_are_refused(
    written: str, words: list[str], cli: CommandLine
) -> None:
    weights(cli.folder)
    before = files(cli.folder)
    answer = cli.run(f"methods=[{{ecofed: {written}}}]", executor="inline")
    assert_refused(answer, "methods.0", *words)
    assert files(cli.folder) == before


def test_bfloat16_trains_as_the_same_numbers_in_float32_do_and_is_named(
    cli: CommandLine,
) -> None:
    kernels = {"blocks.0.conv.bias": torch.zeros(6), "blocks.0.conv.weight": torch.ones(6, 3, 5, 5)}
    half = {name: (value / 3).to(torch.bfloat16) for name, value in kernels.items()}
    save_weights(cli.folder / "bf16.safetensors", half, {})
    whole = {name: value.float() for name, value in half.items()}
    save_weights(cli.folder / "fp32.safetensors", whole, {})
    digests = []
    for name in ("bf16", "fp32"):
        method = f"methods=[{{ecofed: {{weights: {name}.safetensors}}}}]"
        answer = cli(
            "run", "tiny.yaml", "--set", method, "--set", "training.rounds=1", "--out", name
        )
        assert answer.code == 0, answer.err
        said = "2 tensors are stored as BF16 and converted to float32" in answer.out
        assert said == (name == "bf16")
        found = summary(cli.folder / name)["methods"]["ecofed"]
        for executor in ("none", "inline"):
            outlook = cli("check", "tiny.yaml", "--set", method, "--executor", executor)
            assert ("2 tensors are stored as BF16" in outlook.out) == (name == "bf16")
        digests.append((found["learning_digest"], found["weights_digest"]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("command", ["run", "check"])
def test_data_that_is_not_there_is_refused(command: str, cli: CommandLine) -> None:
    (cli.folder / "empty").mkdir()
    (cli.folder / "cifar-10-batches-bin").mkdir()
    before = files(cli.folder)
    cifar = ["--set", "data={dataset: cifar10}", "--executor", "inline"]
    assert_refused(cli(command, "tiny.yaml", *cifar), "cifar10", "--data-dir", "CUTLAYER_DATA")
    for folder, words in (("nowhere", "not a directory"), ("empty", "was not found in empty")):
        answer = cli(command, "tiny.yaml", *cifar, "--data-dir", folder)
        assert_refused(answer, words)
    answer = cli(command, "tiny.yaml", "--set", "data={dataset: cifar10, dir: nowhere}", *cifar[2:])
    assert_refused(answer, "nowhere", "not a directory")
    assert files(cli.folder) == before


def test_a_corrupt_data_file_is_refused(cli: CommandLine) -> None:
    data = cli.folder / "cifar-10-batches-bin"
    data.mkdir()
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        (data / name).write_bytes(b"\x01" * 1000)
    before = files(cli.folder)
    cifar = ["--set", "data={dataset: cifar10}", "--executor", "inline"]
    answer = cli("run", "tiny.yaml", *cifar, "--data-dir", ".")
    assert_refused(answer, "data_batch_1.bin")
    assert files(cli.folder) == before


def test_no_test_samples_are_refused_only_where_they_are_needed(cli: CommandLine) -> None:
    override = "data={dataset: digits, partition: iid}"
    assert_refused(cli.run(override, executor="inline"), "test_fraction")
    assert cli.run(override).code == 0


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_trained(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.folder / "file").write_text("", encoding="utf-8")
    before = files(cli.folder)
    out = ["run", "tiny.yaml", "--out"]
    assert_refused(cli(*out, "file/inside"), "file/inside", "Not a directory")
    assert_refused(cli(*out, "file"), "--out file exists")
    assert_refused(cli(*out, "x" * 300), "File name too long")
    forbid(monkeypatch, "mkdir", "locked")
    assert_refused(cli(*out, "locked"), "locked cannot be written: Permission denied")
    forbid(monkeypatch, "iterdir", "hidden")
    (cli.folder / "hidden").mkdir()
    assert_refused(cli(*out, "hidden"), "hidden cannot be written: Permission denied")
    (cli.folder / "hidden").rmdir()
    assert files(cli.folder) == before


def test_a_folder_that_turns_out_to_be_read_only_is_refused(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutlayer.sim.files.atomic.part_path", lambda folder: folder / "part")
    forbid(monkeypatch, "open", "part")
    answer = cli("run", "tiny.yaml", "--executor", "none", "--out", "there")
    assert_refused(answer, "there/resume.json cannot be written: Permission denied")
    assert files(cli.folder) == ["tiny.yaml"]
