"""A run that continues from the checkpoint after any round ends with the bits of an undisturbed one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import digits, tiny

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.learning.replay import ReplayError
from cutlayer.sim.learning.values import UnknownValueError, decode
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run import checkpoint_files
from cutlayer.sim.run.checkpoint_files import CheckpointFiles
from cutlayer.sim.run.checkpoints import method_checkpoints
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.play import empty_result, play
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.resumable import CHECKPOINT, Resumable, remove_checkpoints

ROUNDS = 3
AWAY = (
    "availability=[{clients: raspberry-pi-4b, markov: {online: 400 ms, offline: 50 ms},"
    " on_disconnect: drop}]"
)
MIXED = "model.cut={raspberry-pi-4b-0: 1, raspberry-pi-4b-1: 3, default: 2}"
LATE = "training.closing={first: 2, late: next}"
CASES = {
    "splitfed": (),
    "classic_fl": ("training.optimizer_state=kept", "training.evaluate_every=2"),
    "{splitfed: {aggregation: {fedadam: {lr: 0.01}}}}": (),
    "{ecofed: {init: random}}": (),
    "fedgkt": ("training.optimizer_state=kept",),
    "splitfed_v2": (MIXED,),
    "fedasync": ("training.optimizer_state=kept",),
    "fedbuff": (AWAY,),
    "gas": (AWAY,),
    "fedoptima": (AWAY,),
    "safsl": (),
    "local_loss": (LATE,),
    "{fsl_sage: {upload_every: 2, align_every: 2}}": (AWAY,),
    "{local_loss: {auxiliary: aligned, align_every: 2}}": ("training.optimizer_state=kept",),
    "ampere": ("training.optimizer_state=kept",),
    "smofi": ("training.optimizer_state=kept",),
    "sfl_ga": (),
    "epsl": (),
    "mergesfl": ("training.optimizer_state=kept",),
}


class Training:
    """A method of the tiny scenario, whose checkpoints are in a folder."""

    def __init__(self, *overrides: str) -> None:
        self.plan = plan_checked(tiny(f"training.rounds={ROUNDS}", *overrides), trains=True)[0]
        self.entry = self.plan.scenario.methods[0]
        self.notes: list[str] = []
        self.replayed = 0  # rounds in the latest run

    def run(
        self, folder: Path, *, every: int = 1, closed: Callable[[RoundResult], None] | None = None
    ) -> MethodResult:
        folder.mkdir(exist_ok=True)
        resumable = Resumable(dict, every, self.notes.append)
        checkpoints = method_checkpoints(folder, 0, self.entry.label, resumable)
        runtime = open_runtime("inline")
        assert runtime is not None

        def committed(played: Played, row: RoundResult) -> None:
            checkpoints.committed(played, row)
            if closed is not None:
                closed(row)

        result = empty_result(self.plan, self.entry)
        with runtime:
            play(
                self.plan,
                self.entry,
                digits(0),
                result=result,
                progress=RoundProgress(committed=committed),
                runtime=checkpoints.runtime(runtime),
            )
        self.replayed = checkpoints.rounds
        return result


def figures(result: MethodResult) -> Any:
    return result.summary({}), result.rounds, result.updates, result.rows_of("links")


@pytest.mark.parametrize("method", CASES)
def test_a_run_goes_on_from_every_round(method: str, tmp_path: Path) -> None:
    training = Training(f"methods=[{method}]", *CASES[method])
    folder = tmp_path / "run"

    def killed(row: RoundResult) -> None:
        shutil.copytree(folder, tmp_path / f"after-{row.index + 1}")

    undisturbed = training.run(folder, closed=killed)
    assert undisturbed.weights_digest is not None
    for rounds in range(1, ROUNDS + 1):
        resumed = training.run(tmp_path / f"after-{rounds}")
        assert training.replayed == rounds
        assert figures(resumed) == figures(undisturbed)
    assert not training.notes


@pytest.mark.parametrize("every", [2, 5])
def test_states_are_saved_every_few_rounds(every: int, tmp_path: Path) -> None:
    training = Training("methods=[splitfed]", "training.rounds=5")
    folder = tmp_path / "run"

    def killed(row: RoundResult) -> None:
        shutil.copytree(folder, tmp_path / f"after-{row.index + 1}")

    undisturbed = training.run(folder, every=every, closed=killed)
    for rounds in range(1, 5):
        resumed = training.run(tmp_path / f"after-{rounds}", every=every)
        assert training.replayed == rounds // every * every
        assert figures(resumed) == figures(undisturbed)


def states_in(folder: Path) -> list[Path]:
    """The files of states of method 0, the oldest first."""
    found = (folder / CHECKPOINT).glob("0-*.safetensors")
    return sorted(found, key=lambda file: int(file.name.split("-")[1]))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def changed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, changed, emptied])
def test_damaged_states_are_named_and_those_before_them_are_used(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    training = Training("methods=[splitfed]")
    undisturbed = training.run(tmp_path)
    *_, before, last = states_in(tmp_path)
    damage(last)
    assert figures(training.run(tmp_path)) == figures(undisturbed)
    (note,) = training.notes
    rounds = int(before.name.split("-")[1])
    assert note == f"{last} cannot be used (damaged): splitfed continues from its round {rounds}"
    assert training.replayed == rounds
    for file in states_in(tmp_path):
        damage(file)
    training.notes.clear()
    assert figures(training.run(tmp_path)) == figures(undisturbed)
    assert training.notes[0].endswith(
        "cannot be used (damaged): splitfed continues from the beginning"
    )
    assert training.replayed == 0


def test_a_damaged_value_is_named_and_not_used(tmp_path: Path) -> None:
    training = Training("methods=[splitfed]")
    undisturbed = training.run(tmp_path)
    _, last = states_in(tmp_path)
    of_last = set(decode(last.read_bytes())["values"].values())
    of_first = set(decode(states_in(tmp_path)[0].read_bytes())["values"].values())
    value = tmp_path / CHECKPOINT / f"0.{min(of_last - of_first)}.safetensors"
    changed(value)
    assert figures(training.run(tmp_path)) == figures(undisturbed)
    assert training.notes == [
        f"{value} cannot be used (damaged): splitfed continues from its round {training.replayed}"
    ]
    assert 0 < training.replayed < ROUNDS
    value = next((tmp_path / CHECKPOINT).glob("0.*.safetensors"))
    for file in (tmp_path / CHECKPOINT).glob("0.*.safetensors"):
        file.unlink()
    assert figures(training.run(tmp_path)) == figures(undisturbed)
    assert training.replayed == 0


def test_only_values_that_have_changed_are_written(tmp_path: Path) -> None:
    """An optimizer is trained by one client, and stays as it is while others train theirs."""
    kept = ("training.optimizer_state=kept", "training.clients_per_round=1")
    training = Training("methods=[classic_fl]", *kept)
    seen: list[dict[str, int]] = []

    def look(_: RoundResult) -> None:
        found = (tmp_path / CHECKPOINT).glob("0.*.safetensors")
        seen.append({file.name: file.stat().st_mtime_ns for file in found})

    training.run(tmp_path, closed=look)
    first, *_, last = seen
    again = first.keys() & last.keys()
    assert again
    assert all(first[name] == last[name] for name in again)
    used = {
        checksum
        for file in states_in(tmp_path)
        for checksum in decode(file.read_bytes())["values"].values()
    }
    assert {name.split(".")[1] for name in last} == used


def test_a_line_that_is_cut_off_ends_the_rounds(tmp_path: Path) -> None:
    """As after a kill within a write, or on a full disk: the states may be older than the lines."""
    training = Training("methods=[splitfed]")
    undisturbed = training.run(tmp_path)
    lines = tmp_path / CHECKPOINT / "0.rounds"
    whole = lines.read_bytes()
    for end in (len(whole) - 1, whole.index(b"\n") + 5, 3):
        lines.write_bytes(whole[:end])
        assert figures(training.run(tmp_path)) == figures(undisturbed)
        assert lines.read_bytes() == whole


def test_unfinished_files_are_removed_and_few_states_are_kept(tmp_path: Path) -> None:
    training = Training("methods=[splitfed]")
    training.run(tmp_path)
    left = tmp_path / CHECKPOINT / f".1-{'0' * 16}.part"
    left.write_bytes(b"half")
    training.run(tmp_path)
    assert not left.exists()
    assert len(states_in(tmp_path)) == 2
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_an_earlier_command_wrote_is_flushed_before_a_later_one_relies_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(checkpoint_files, "sync_file", flushed.append)
    first = CheckpointFiles(tmp_path / CHECKPOINT, 0)
    first.read(lambda _: ())
    first.append({})
    first.save(1, [b"first close"], ())
    first.append({})
    value = first.add([b"value"])  # soon after the others, so that it is not flushed
    first.save(2, [b"close"], {value})
    assert not flushed
    second = CheckpointFiles(tmp_path / CHECKPOINT, 0)
    second.read(lambda close: {value} if close == b"close" else set())
    second.append({})
    assert second.add([b"value"]) == value
    second.save(3, [b"another close"], {value})
    assert [file.name for file in flushed] == [f"0.{value}.safetensors"]


def test_a_round_that_differs_from_the_recorded_one_is_refused(tmp_path: Path) -> None:
    Training("methods=[splitfed]").run(tmp_path)
    slower = Training("methods=[splitfed]", "topology.star.clients.0.link=wifi-50")
    with pytest.raises(ReplayError, match="splitfed: round 0 differs from the recorded one"):
        slower.run(tmp_path)
    fewer = Training("methods=[splitfed]", "training.clients_per_round=2")
    with pytest.raises(ReplayError, match="differs from the recorded one"):
        fewer.run(tmp_path)


def test_a_method_whose_values_cannot_be_saved_runs_without_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training("methods=[splitfed]")
    undisturbed = training.run(tmp_path / "saved")

    def refuse(_: object) -> None:
        raise UnknownValueError("a value of type mine.Own cannot be saved")

    monkeypatch.setattr("cutlayer.sim.run.checkpoints.encode_pieces", refuse)
    for _ in range(2):  # the second one from the beginning
        assert figures(training.run(tmp_path / "not")) == figures(undisturbed)
        assert training.replayed == 0
    note = "splitfed has no checkpoints: a value of type mine.Own cannot be saved"
    assert training.notes == [note, note]
