"""Output files and folders that a user names: existing ones are left alone unless forced."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import CommandLine, assert_refused, files

from cutlayer.sim.report.report import is_own_page

REPORT, SHOW, EXPLAIN = ("report", "out", "--out"), ("show", "tiny.yaml", "--plot"), (
    "explain", "tiny.yaml", "--csv",
)  # fmt: skip
PRETRAIN = ("pretrain", "lenet", "digits", "--epochs", "1", "--train-samples", "20", "--out")
FIT = ("fit", "timed.csv", "--device", "raspberry-pi-4b", "--out")
OPTIONS = [REPORT, SHOW, EXPLAIN, PRETRAIN, FIT, ("calibrate", "--minutes", "0.1", "--out")]


@pytest.fixture
def done(cli: CommandLine) -> CommandLine:
    """The command line in a folder with a run in `out`."""
    few = ("--set", "training.rounds=1", "--set", "methods=[splitfed]", "--executor", "none")
    assert cli("run", "tiny.yaml", *few, "--out", "out").code == 0
    return cli


def ready(answer_code: object) -> bool:
    return answer_code in (0, None)


@pytest.mark.parametrize("command", OPTIONS, ids=lambda command: command[0])
def test_existing_files_are_refused_and_left_alone(
    done: CommandLine, command: Sequence[str]
) -> None:
    option = command[-1]
    ending = ".svg"
    Path(f"mine{ending}").write_text("keep me", encoding="utf-8")
    Path(f"link{ending}").symlink_to(f"mine{ending}")
    Path(f"dangling{ending}").symlink_to("nowhere")
    os.mkfifo(f"pipe{ending}")
    Path(f"folder{ending}").mkdir()
    Path("null.svg").symlink_to(os.devnull)
    before = files(done.folder)
    for name in ("mine", "link", "dangling", "null"):
        assert_refused(
            done(*command, f"{name}{ending}"), f"{option} {name}{ending} exists", "--force"
        )
    for name, sort in (("pipe", "a named pipe"), ("folder", "a folder")):
        for force in ([], ["--force"]):
            answer = done(*command, f"{name}{ending}", *force)
            assert_refused(
                answer, f"{option} {name}{ending} is {sort}, not a file; name a new file"
            )
    assert files(done.folder) == before
    assert Path(f"mine{ending}").read_text(encoding="utf-8") == "keep me"
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("command", [REPORT, EXPLAIN, PRETRAIN], ids=lambda command: command[0])
def test_a_device_is_never_replaced(done: CommandLine, command: Sequence[str]) -> None:
    for force in ([], ["--force"]):
        assert_refused(done(*command, os.devnull, *force), f"{os.devnull} is a device")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    "command", [REPORT, SHOW, EXPLAIN, PRETRAIN], ids=lambda command: command[0]
)
def test_force_replaces_a_file_or_a_link_itself(done: CommandLine, command: Sequence[str]) -> None:
    Path("file.svg").write_text("old", encoding="utf-8")
    Path("mine").write_text("keep me", encoding="utf-8")
    Path("link.svg").symlink_to("mine")
    for name in ("file.svg", "link.svg"):
        answer = done(*command, name, "--force")
        assert ready(answer.code), answer.err
        assert not Path(name).is_symlink()
        assert Path(name).read_bytes()[:3] != b"old"
    assert Path("mine").read_text(encoding="utf-8") == "keep me"
    assert not [name for name in files(done.folder) if name.endswith(".part")]


def test_the_page_in_the_folder_is_replaced_only_if_cutlayer_wrote_it(done: CommandLine) -> None:
    page = Path("out/report.html")
    assert ready(done("report", "out").code)
    assert is_own_page(page)
    first = page.read_bytes()
    assert ready(done("report", "out").code)
    assert page.read_bytes() == first
    page.write_text(page.read_text(encoding="utf-8").replace("splitfed", "mine"), encoding="utf-8")
    edited = page.read_bytes()
    assert_refused(done("report", "out"), "out/report.html exists", "--force")
    assert page.read_bytes() == edited
    assert ready(done("report", "out", "--force").code)
    assert page.read_bytes() == first
    page.unlink()
    Path("mine.html").write_text("keep me", encoding="utf-8")
    page.symlink_to(Path("mine.html").resolve())
    assert_refused(done("report", "out"), "out/report.html exists")
    assert ready(done("report", "out", "--force").code)
    assert Path("mine.html").read_text(encoding="utf-8") == "keep me"


@pytest.mark.parametrize(
    "command",
    [
        ("run", "tiny.yaml", "--executor", "none", "--out"),
        ("export", "out", "--to", "csv", "--out"),
        ("report", "out", "--figures"),
        ("reproduce", "ares", "--out"),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_for_results_is_new_or_empty(done: CommandLine, command: Sequence[str]) -> None:
    option = command[-1]
    before = files(done.folder)
    assert_refused(done(*command, "."), f"{option} . exists and is not empty; name a new folder")
    assert_refused(done(*command, "tiny.yaml"), f"{option} tiny.yaml exists and is not empty")
    assert_refused(
        done(*command, "tiny.yaml/new"), "tiny.yaml/new cannot be written: Not a directory"
    )
    assert_refused(done(*command, "out"), f"{option} out exists and is not empty")
    assert files(done.folder) == before


def test_labels_that_look_alike_as_folders_keep_a_folder_each(cli: CommandLine) -> None:
    pytest.importorskip("tensorboard")
    methods = "methods=[{splitfed: {}, label: a b}, {splitfed: {}, label: a-b}]"
    few = ("--set", "training.rounds=1", "--executor", "none", "--out", "out")
    assert cli("run", "tiny.yaml", "--set", methods, *few).code == 0
    assert ready(cli("export", "out", "--to", "tensorboard", "--out", "new").code)
    folders = sorted(path.name for path in Path("new").iterdir() if path.is_dir())
    assert folders == ["a-b", "a-b-2"]
