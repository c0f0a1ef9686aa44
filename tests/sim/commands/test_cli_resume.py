"""`cutlayer resume`: a run that ends at any moment continues, and ends with the same files."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, assert_refused

from cutlayer.sim.run.checkpoint_files import CheckpointFiles

METHODS = ("methods=[splitfed, gas]", "training.rounds=2")
SETS = [part for override in METHODS for part in ("--set", override)]
RUN = ("run", "tiny.yaml", *SETS)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


class Killed:
    """Copies of a folder as a kill would leave it: after each file that appears or goes."""

    def __init__(self, folder: Path, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.copies = copies
        for name in ("replace", "unlink"):
            monkeypatch.setattr(Path, name, self._copying(getattr(Path, name)))
        append = CheckpointFiles.append
        monkeypatch.setattr(CheckpointFiles, "append", self._copying(append))
        self.count = 0
        self.active = True

    def _copying(self, function: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            if self.active and self.folder.is_dir():
                self.active = False
                shutil.copytree(self.folder, self.copies / f"{self.count}", symlinks=True)
                self.active = True
                self.count += 1
            return result

        return called

    def __iter__(self) -> Iterator[Path]:
        self.active = False
        yield from (self.copies / f"{number}" for number in range(self.count))


def test_a_run_killed_between_two_files_ends_with_the_same_files(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.folder / "killed").mkdir()
    killed = Killed(cli.folder / "run", cli.folder / "killed", monkeypatch)
    assert cli(*RUN, "--out", "run").code == 0
    whole = contents(cli.folder / "run")
    resumed = 0
    for copy in list(killed)[::3]:
        begun = (copy / "resume.json").exists()
        complete = (
            "complete" in (copy / "summary.json").read_text(encoding="utf-8")
            if (copy / "summary.json").exists()
            else False
        )
        answer = cli("resume", f"killed/{copy.name}")
        if begun or complete:
            assert answer.code == 0, answer
            assert contents(copy) == whole, copy.name
            resumed += begun
        else:
            assert_refused(answer, "has no resume.json")
    assert resumed > 5
