"""A full disk or a removed folder: one line, exit code 2, and no summary beside cut-off files."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import RUN_FOLDER, TINY, CommandLine, assert_refused, files

import cutlayer.sim.commands.run
from cutlayer.sim.commands.progress import RunProgress
from cutlayer.sim.results.read import read_run
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.progress import MethodRun
from cutlayer.sim.views.style import new_figure, save

FEW = ("--executor", "none", "--set", "methods=[splitfed]", "--set", "training.rounds=1")


class Disk:
    """A disk that is full from the n-th file on."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, _: Path) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def assert_one_line(cli: CommandLine, command: Sequence[str]) -> str:
    """Check for exit code 2 and one line that names a file; return the name."""
    answer = cli(*command)
    assert answer.code == 2, answer
    (line,) = answer.err.splitlines()
    name, _, why = line.partition(" cannot be written: ")
    assert why == os.strerror(errno.ENOSPC), line
    assert not [name for name in files(cli.folder) if name.endswith(".part")]
    return name


def test_a_full_disk_at_any_file_of_a_run(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picture(_: object, folder: Path) -> list[Path]:
        return save(new_figure(1, 1), folder, "rounds", ("svg",))

    monkeypatch.setattr(cutlayer.sim.commands.run, "write_plots", picture)
    command = ("run", "tiny.yaml", *FEW, "--out", "out")
    named, room = set(), 0
    while True:
        monkeypatch.setattr("cutlayer.sim.files.atomic._sync", Disk(room))
        answer = cli(*command)
        if answer.code == 0:
            break
        shutil.rmtree("out", ignore_errors=True)
        monkeypatch.setattr("cutlayer.sim.files.atomic._sync", Disk(room))
        name = assert_one_line(cli, command)
        named.add(name)
        if name.startswith("out/plots"):  # the results are complete before pictures are drawn
            assert Path("out/summary.json").exists()
        elif room:
            assert_refused(cli("report", "out"), "out", "summary.json")
        else:
            assert not Path("out").exists()
        if room:  # something was written
            monkeypatch.setattr("cutlayer.sim.files.atomic._sync", lambda _: None)
            assert cli("resume", "out").code == 0
            assert read_run("out").summary["status"] == "complete"
        shutil.rmtree("out", ignore_errors=True)
        room += 1
    expected = {f"out/{name}" for name in RUN_FOLDER if name not in ("plots", "cutlayer.json")}
    assert named == expected | {"out/plots/rounds.svg", "out/resume.json"}


@pytest.mark.parametrize("room", [0, 1, 3])
@pytest.mark.parametrize(
    "command",
    [
        ("report", "out", "--figures", "new"),
        ("export", "out", "--to", "csv", "--out", "new"),
    ],
    ids=lambda command: command[0],
)
def test_reports_and_exports_on_a_full_disk(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, command: Sequence[str], room: int
) -> None:
    assert cli("run", "tiny.yaml", *FEW, "--out", "out").code == 0
    monkeypatch.setattr("cutlayer.sim.files.atomic._sync", Disk(room))
    name = assert_one_line(cli, command)
    assert Path(name).parts[0] in ("out", "new")
    assert Path("new").exists() == (room > 1 or (room == 1 and command[0] == "export"))


@pytest.mark.parametrize(
    "command",
    [
        ("explain", "tiny.yaml", "--csv", "new.csv"),
        ("show", "tiny.yaml", "--plot", "new.svg"),
        (
            "pretrain",
            "lenet",
            "digits",
            "--epochs",
            "1",
            "--train-samples",
            "20",
            "--out",
            "new.csv",
        ),
    ],
    ids=lambda command: command[0],
)
def test_single_files_on_a_full_disk(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, command: Sequence[str]
) -> None:
    monkeypatch.setattr("cutlayer.sim.files.atomic._sync", Disk(0))
    assert assert_one_line(cli, command) == command[-1]
    assert files(cli.folder) == ["tiny.yaml"]


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_rows_on_a_full_disk_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    program = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import cutlayer.sim.commands.run\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from cutlayer.sim.cli import main\n"
        "main()\n"
    )
    paths = [str(Path(__file__).parents[3]), *filter(None, sys.path)]
    arguments = ["run", "tiny.yaml", "--executor", "none", "--set", "training.rounds=1000"]
    answer = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    why = os.strerror(errno.EFBIG)
    assert answer.stderr == f"runs/tiny/rounds.csv cannot be written: {why}\n"
    assert not (tmp_path / "runs/tiny/summary.json").exists()


@pytest.mark.parametrize("when", ["early", "late"])
def test_a_folder_that_is_removed_ends_the_run_with_one_line(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def removes(self: RunProgress, method: MethodRun, closed: RoundResult) -> None:
        if closed.index == (0 if when == "early" else 2) and method.label == "frozen":
            shutil.rmtree("runs/tiny", ignore_errors=True)

    monkeypatch.setattr(RunProgress, "round_closed", removes)
    answer = cli.run()
    assert answer.code == 2
    assert (
        answer.err
        == {
            "early": "runs/tiny was removed while the run wrote to it\n",
            "late": f"runs/tiny/rounds.csv cannot be written: {os.strerror(errno.ENOENT)}\n",
        }[when]
    )
    assert files(cli.folder) == ["runs", "tiny.yaml"]
