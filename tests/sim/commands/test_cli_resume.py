"""`cutlayer resume`: a run that ends at any moment continues, and ends with the same files."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, assert_refused, summary
from small_studies import study_file

from cutlayer.sim.commands.progress import RunProgress
from cutlayer.sim.results.folder import claim_folder
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.checkpoint_files import CheckpointFiles
from cutlayer.sim.run.progress import MethodRun
from cutlayer.sim.studies.result_store import Store

METHODS = ("methods=[splitfed, gas]", "training.rounds=2")
SETS = [part for override in METHODS for part in ("--set", override)]
RUN = ("run", "tiny.yaml", *SETS, "--executor", "inline", "--save-model")
TIMED = ("run", "tiny.yaml", "--executor", "none")


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
    """A real kill -9, at random moments and of each executor, is in tests/chaos."""
    (cli.folder / "killed").mkdir()
    killed = Killed(cli.folder / "run", cli.folder / "killed", monkeypatch)
    assert cli(*RUN, "--out", "run").code == 0
    whole = contents(cli.folder / "run")
    resumed = cut_off = 0
    for copy in list(killed)[::5]:
        begun = (copy / "resume.json").exists()
        complete = (
            "complete" in (copy / "summary.json").read_text(encoding="utf-8")
            if (copy / "summary.json").exists()
            else False
        )
        if begun and not (copy / "summary.json").exists():
            told = f"it was cut off; `cutlayer resume killed/{copy.name}` continues it"
            assert_refused(cli("report", f"killed/{copy.name}"), told)
            cut_off += 1
        answer = cli("resume", f"killed/{copy.name}")
        if begun or complete:
            assert answer.code == 0, answer
            assert contents(copy) == whole, copy.name
            resumed += begun
        else:
            assert_refused(answer, "has no resume.json")
    assert resumed > 5
    assert cut_off > 3


def stop_after(cli: CommandLine, label: str, index: int, seed: int, *command: object) -> None:
    """Run a command that a signal ends when a round of a method has closed."""

    def interrupted(self: RunProgress, method: MethodRun, closed: RoundResult) -> None:
        if (method.label, closed.index, method.seed) == (label, index, seed):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunProgress, "round_closed", interrupted)
        answer = cli(*command)
    assert answer.code == 130, answer
    assert "to continue: cutlayer resume stopped" in answer.out


@pytest.mark.parametrize("executor", ["none", "inline"])
def test_a_stopped_run_goes_on_to_the_same_files(executor: str, cli: CommandLine) -> None:
    run = ("run", "tiny.yaml", "--executor", executor, "--log", "events", "--checkpoint-every", 2)
    assert cli(*run, "--out", "whole").code == 0
    stop_after(cli, "frozen", 1, 0, *run, "--out", "stopped")
    assert summary(cli.folder / "stopped")["status"] == "stopped"
    stop_after(cli, "splitfed", 0, 0, "resume", "stopped")  # within the rounds that are replayed
    begun = json.loads((cli.folder / "stopped" / "resume.json").read_bytes())
    assert len(begun["folders"]) == len(set(begun["folders"]))
    answer = cli("resume", "stopped")
    assert answer.code == 0
    assert contents(cli.folder / "stopped") == contents(cli.folder / "whole")
    assert "results: stopped" in answer.out
    again = cli("resume", "stopped")
    assert (again.code, again.out) == (0, "stopped is complete: there is nothing to resume\n")


def test_seeds_go_on_where_they_were(cli: CommandLine) -> None:
    run = ("run", "tiny.yaml", "--executor", "inline", "--set", "seeds=[0, 1]")
    run += ("--set", "training.rounds=2")
    assert cli(*run, "--out", "whole").code == 0
    stop_after(cli, "splitfed", 0, 1, *run, "--out", "stopped")
    assert cli("resume", "stopped").code == 0
    assert contents(cli.folder / "stopped") == contents(cli.folder / "whole")


def test_draws_are_made_again(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    run = (*TIMED, "--draws", 3, "--set", "methods=[splitfed]", "--jobs", 1)
    assert cli(*run, "--out", "whole").code == 0
    stop_after(cli, "splitfed", 0, 0, *run, "--out", "stopped")
    assert cli("resume", "stopped").code == 0
    assert contents(cli.folder / "stopped") == contents(cli.folder / "whole")


OWN = """\
from torch import nn
from cutlayer.models import Model
from small import WIDTH

def tiny(classes=10, input_shape=(1, 8, 8)):
    channels, height, width = input_shape
    first = nn.Sequential(nn.Conv2d(channels, WIDTH, 4, stride=4), nn.ReLU())
    last = nn.Sequential(nn.Flatten(), nn.Linear(WIDTH * (height // 4) * (width // 4), classes))
    return Model("tiny", [("first", first), ("last", last)], input_shape, classes, feature_blocks=1)
"""


def test_a_run_goes_on_in_another_folder_unless_the_users_own_code_has_changed(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.folder / "own.py").write_text(OWN, encoding="utf-8")
    (cli.folder / "small.py").write_text("WIDTH = 4\n", encoding="utf-8")
    run = ("run", "tiny.yaml", "--executor", "inline", "--set", "methods=[splitfed]")
    run += ("--set", "model={name: 'own:tiny', cut: 1}")
    assert cli(*run, "--out", "whole").code == 0
    stop_after(cli, "splitfed", 0, 0, *run, "--out", "stopped")
    shutil.copytree("stopped", "changed")
    (cli.folder / "elsewhere").mkdir()
    monkeypatch.chdir(cli.folder / "elsewhere")
    assert cli("resume", "../stopped").code == 0
    assert contents(cli.folder / "stopped") == contents(cli.folder / "whole")
    (cli.folder / "own.py").write_text(f"{OWN}\n# another line\n", encoding="utf-8")
    before = contents(cli.folder / "changed")
    assert_refused(cli("resume", "../changed"), "own:tiny changed since it was begun")
    assert contents(cli.folder / "changed") == before


def edited(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | changes), encoding="utf-8")


def test_what_cannot_be_resumed_is_refused_and_left_as_it_is(cli: CommandLine) -> None:
    run = ("run", "tiny.yaml", "--executor", "inline", "--set", "methods=[splitfed]")
    stop_after(cli, "splitfed", 0, 0, *run, "--out", "stopped")
    folder = cli.folder / "stopped"

    def refused(*words: str) -> None:
        before = contents(folder)
        assert_refused(cli("resume", "stopped"), *words)
        assert contents(folder) == before

    with claim_folder(folder, "run", resume=True):
        refused("stopped is in use by another command")
    begun = (folder / "resume.json").read_text(encoding="utf-8")
    for change, words in (
        ({"cutlayer": "0.0.1"}, "was begun by Cutlayer 0.0.1; this is"),
        ({"code": "0" * 32}, "with other code"),
        ({"resume": 2}, "was written by another version of Cutlayer"),
        ({"options": 3}, "resume.json is damaged"),
        ({"inputs": {"links.csv": "0" * 32}}, "links.csv changed since it was begun"),
    ):
        edited(folder / "resume.json", **change)
        refused(words)
        (folder / "resume.json").write_text(begun, encoding="utf-8")
    versions = (folder / "versions.json").read_text(encoding="utf-8")
    numerics = json.loads(versions)["numerics"]
    for changed, words in (
        ({"numerics": numerics | {"kernels": "other"}}, "numerics.kernels was other, is"),
        ({"numpy": "1.0"}, "numpy was 1.0, is"),
        ({"data": "another"}, "data was another, is"),
    ):
        edited(folder / "versions.json", **changed)
        refused("so its bits would differ", words)
        (folder / "versions.json").write_text(versions, encoding="utf-8")
    (folder / "resume.json").unlink()
    refused("has no resume.json")
    assert_refused(cli("resume", "."), "is not a folder that `cutlayer run` or `sweep` wrote")
    assert cli(*TIMED, "--out", "whole").code == 0
    assert cli("export", "whole", "--to", "csv", "--out", "tables").code == 0
    assert_refused(cli("resume", "tables"), "cannot be resumed (export)")


def test_a_study_goes_on_unless_its_files_have_changed(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_file(cli.folder)
    sweep = ("sweep", "small.yaml", "--executor", "inline", "--jobs", 1)
    assert cli(*sweep, "--out", "whole").code == 0
    put = Store.put

    def interrupted(self: Store, address: str, content: Any) -> None:
        put(self, address, content)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "put", interrupted)
        answer = cli(*sweep, "--out", "stopped")
    assert answer.code == 130
    assert "`cutlayer resume stopped` continues from what was finished" in answer.out
    assert_refused(cli("report", "stopped"), "unfinished study: run `cutlayer resume stopped`")
    shutil.copytree("stopped", "changed")
    assert cli("resume", "stopped").code == 0
    left_out = ("timings.json", "report.html")  # wall times, and names of folders
    stopped, whole = (
        {
            name: text
            for name, text in contents(cli.folder / name_of).items()
            if name not in left_out
        }
        for name_of in ("stopped", "whole")
    )
    assert stopped == whole
    assert "nothing to resume" in cli("resume", "stopped").out
    scenario = cli.folder / "tiny.yaml"
    text = scenario.read_text(encoding="utf-8")
    scenario.write_text(text.replace("rounds: 2", "rounds: 3"), encoding="utf-8")
    assert_refused(cli("resume", "changed"), "small.yaml or its scenario has changed since it was")
