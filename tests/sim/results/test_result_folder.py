"""Folders of results belong to one command at a time, and only marked ones are written to again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cutlayer.sim.files.atomic import OutputError
from cutlayer.sim.results.folder import (
    MARKER,
    FolderTakenError,
    Marker,
    claim_folder,
    claim_next,
    in_use,
    read_marker,
)

# Claims when a line comes in, says what came of it, and works until its input ends.
CLAIMER = """
import sys
from pathlib import Path
from cutlayer.sim.results.folder import FolderTakenError, claim_folder, claim_next
print("ready", flush=True)
sys.stdin.readline()
try:
    folder = claim_next(Path("runs"), "a", "run") if sys.argv[1] == "next" else (
        claim_folder(Path("out"), "run", resume=sys.argv[1] == "resume"))
except FolderTakenError as error:
    print("taken", error, flush=True)
    sys.exit(2)
print(folder.path, flush=True)
(folder.path / "mine.txt").write_text(sys.argv[2], encoding="utf-8")
sys.stdin.read()
"""


class Claimers:
    """Processes that claim folders at the same moment."""

    def __init__(self, folder: Path, how: str, count: int) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", CLAIMER, how, str(number)],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(count)
        ]
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def claim(self) -> list[str]:
        """Start all of them; return the output of each."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [p.stdout.readline().strip() for p in self.processes if p.stdout is not None]

    def end(self) -> list[int]:
        for process in self.processes:
            process.communicate()
        return [process.returncode for process in self.processes]


@pytest.mark.parametrize("again", range(5))
def test_each_of_several_commands_gets_a_folder_of_its_own(tmp_path: Path, again: int) -> None:
    claimers = Claimers(tmp_path, "next", 4)
    said = claimers.claim()
    assert sorted(said) == sorted(str(Path("runs", n)) for n in ("a", "a-2", "a-3", "a-4"))
    assert claimers.end() == [0] * 4
    for number, path in enumerate(said):
        assert (tmp_path / path / "mine.txt").read_text(encoding="utf-8") == str(number)
        assert sorted(p.name for p in (tmp_path / path).iterdir()) == [MARKER, "mine.txt"]


@pytest.mark.parametrize("empty_before", [False, True])
@pytest.mark.parametrize("again", range(3))
def test_of_several_commands_one_gets_a_named_folder(
    tmp_path: Path, empty_before: bool, again: int
) -> None:
    if empty_before:
        (tmp_path / "out").mkdir()
    claimers = Claimers(tmp_path, "new", 4)
    said = claimers.claim()
    assert said.count("out") == 1
    assert sorted(claimers.end()) == [0, 2, 2, 2]
    winner = str(said.index("out"))
    assert (tmp_path / "out/mine.txt").read_text(encoding="utf-8") == winner
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [MARKER, "mine.txt"]
    for answer in said:
        assert answer == "out" or answer.startswith("taken --out out ")


def test_a_folder_is_locked_until_its_command_ends_however_it_ends(tmp_path: Path) -> None:
    claim_folder(tmp_path / "out", "run").release()
    first = Claimers(tmp_path, "resume", 1)
    assert first.claim() == ["out"]
    assert in_use(tmp_path / "out")
    second = Claimers(tmp_path, "resume", 1)
    assert second.claim() == ["taken --out out is in use by another command; name a new folder"]
    assert second.end() == [2]
    first.processes[0].kill()
    first.processes[0].communicate()
    assert not in_use(tmp_path / "out")
    with claim_folder(tmp_path / "out", "run", resume=True) as folder:
        assert folder.continued


def test_the_lock_holds_within_a_process_too(tmp_path: Path) -> None:
    with (
        claim_folder(tmp_path / "out", "study"),
        pytest.raises(FolderTakenError, match="in use by another command"),
    ):
        claim_folder(tmp_path / "out", "study", resume=True)
    claim_folder(tmp_path / "out", "study", resume=True).release()


def test_the_marker_has_the_kind_of_the_results(tmp_path: Path) -> None:
    with claim_folder(tmp_path / "out", "study") as folder:
        assert not folder.continued
        assert read_marker(tmp_path / "out") == Marker("study", 1)
    assert read_marker(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"[" * 4000,
        b"\xff\xfe",
        b"{}",
        b'{"cutlayer_results": "song", "format": 1}',
        b'{"cutlayer_results": ["run"], "format": 1}',
        b'{"cutlayer_results": "run", "format": true}',
        b'{"cutlayer_results": "run"}',
    ],
)
def test_a_file_of_the_markers_name_is_not_a_marker(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARKER).write_bytes(content)
    assert read_marker(tmp_path / "out") is None
    with pytest.raises(FolderTakenError, match="exists and is not empty"):
        claim_folder(tmp_path / "out", "run", resume=True)
    assert (tmp_path / "out" / MARKER).read_bytes() == content


def test_only_a_folder_of_the_same_kind_is_continued(tmp_path: Path) -> None:
    claim_folder(tmp_path / "out", "run").release()
    with pytest.raises(FolderTakenError, match=r"another kind \(run\)"):
        claim_folder(tmp_path / "out", "study", resume=True)
    with pytest.raises(FolderTakenError, match="exists and is not empty"):
        claim_folder(tmp_path / "out", "run")
    (tmp_path / "out" / MARKER).write_text(
        json.dumps({"cutlayer_results": "run", "format": 2}), encoding="utf-8"
    )
    with pytest.raises(FolderTakenError, match="newer version"):
        claim_folder(tmp_path / "out", "run", resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_users_folder_is_refused_and_left_alone(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "study.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderTakenError, match="exists and is not empty"):
        claim_folder(tmp_path, "study", resume=resume)
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderTakenError, match="exists"):
        claim_folder(tmp_path / "file", "run", resume=True)
    with pytest.raises(OutputError, match="Not a directory"):
        claim_folder(tmp_path / "file" / "out", "run")
    with pytest.raises(OutputError, match="Not a directory"):
        claim_next(tmp_path / "file", "out", "run")


def test_an_unused_folder_is_removed_with_its_new_parents(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claim_folder(tmp_path / "a/b/c", "run"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), claim_next(tmp_path / "runs", "a", "run"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_files_written_before_an_error_stay(tmp_path: Path) -> None:
    def fails_late() -> None:
        with claim_folder(tmp_path / "a/b", "run") as folder:
            (folder.path / "rounds.csv").write_text("a row", encoding="utf-8")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_late()
    assert sorted(p.name for p in (tmp_path / "a/b").iterdir()) == [MARKER, "rounds.csv"]
    assert not in_use(tmp_path / "a/b")


def test_an_empty_folder_of_the_users_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ZeroDivisionError), claim_folder(tmp_path / "out", "run"):
        raise ZeroDivisionError
    assert list((tmp_path / "out").iterdir()) == []


def test_a_continued_folder_is_never_removed(tmp_path: Path) -> None:
    claim_folder(tmp_path / "out", "run").release()
    with (
        pytest.raises(ZeroDivisionError),
        claim_folder(tmp_path / "out", "run", resume=True),
    ):
        raise ZeroDivisionError
    assert read_marker(tmp_path / "out") == Marker("run", 1)


def test_two_markers_are_the_same_bytes(tmp_path: Path) -> None:
    claim_folder(tmp_path / "a", "run").release()
    claim_folder(tmp_path / "b", "run").release()
    assert (tmp_path / "a" / MARKER).read_bytes() == (tmp_path / "b" / MARKER).read_bytes()


def test_a_folder_without_hard_links_is_claimed_once_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", without)
    with claim_folder(tmp_path / "out", "run"):
        assert read_marker(tmp_path / "out") == Marker("run", 1)
        assert in_use(tmp_path / "out")
        with pytest.raises(FolderTakenError):
            claim_folder(tmp_path / "out", "run")


def test_a_file_system_without_locks_gives_a_warning_for_a_continued_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(_: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("cutlayer.sim.files.lock._LOCK", without)
    claim_folder(tmp_path / "out", "study").release()
    assert capsys.readouterr().err == ""
    claim_folder(tmp_path / "out", "study", resume=True).release()
    assert "cannot be locked (No locks available)" in capsys.readouterr().err


def test_a_pipe_instead_of_a_marker_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MARKER)
    assert read_marker(tmp_path) is None
    assert not in_use(tmp_path)
