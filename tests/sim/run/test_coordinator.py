"""The methods of a run that are played at the same time, with training that ends later elsewhere."""

import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import files, rows, summary
from tiny_runs import tiny

from cutlayer import run
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import EXECUTORS, ExecutorEntry
from cutlayer.sim.learning.inline import Inline, InlineRuntime
from cutlayer.sim.learning.inline_mark import InlineMark
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.progress import MethodRun, Progress

METHODS = "methods=[splitfed, fedasync, {ecofed: {init: random}}, centralised]"
SEEDS = "seeds=[4, 5]"


class LateMark(InlineMark):
    done = False


class Late(Inline):
    """Trains at once, but a round is done only when the runtime has been waited for."""

    ahead = 1

    def __init__(self, workspace: Workspace, runtime: "LateRuntime") -> None:
        super().__init__(workspace)
        self.runtime = runtime

    def mark(self) -> InlineMark:
        mark = LateMark(self.workspace.states)
        self.runtime.marks.append(mark)
        return mark

    def close(self) -> None:
        self.runtime.closed += 1
        super().close()


class LateRuntime(InlineRuntime):
    """Ends the rounds of all methods in a random order."""

    jobs = 2

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self.random = random.Random(7)
        self.marks: list[LateMark] = []
        self.opened = self.closed = 0

    @property
    def queued(self) -> int:
        return 2 * len(self.marks)

    def executor(self, workspace: Workspace) -> Inline:
        self.opened += 1
        return Late(workspace, self)

    def wait(self) -> None:
        self.marks.pop(self.random.randrange(len(self.marks))).done = True


@pytest.fixture(autouse=True)
def late(monkeypatch: pytest.MonkeyPatch) -> list[LateRuntime]:
    """The runtimes of the executor `late`."""
    runtimes: list[LateRuntime] = []

    def opened(settings: ExecutorSettings) -> LateRuntime:
        runtimes.append(LateRuntime(settings))
        return runtimes[-1]

    monkeypatch.setitem(EXECUTORS, "late", ExecutorEntry("", opened))  # type: ignore[arg-type]
    return runtimes


class Watching(Progress):
    """Records how many methods are in progress, and the methods whose rounds close, in order."""

    def __init__(self) -> None:
        self.in_progress: list[int] = []
        self.closed: list[MethodRun] = []
        self.plan: Sequence[MethodRun] = ()
        self._now: set[MethodRun] = set()

    def planned(self, methods: Sequence[MethodRun]) -> None:
        self.plan = methods

    def method_started(self, method: MethodRun) -> None:
        self._now.add(method)
        self.in_progress.append(len(self._now))

    def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
        self.closed.append(method)

    def method_finished(self, method: MethodRun, result: MethodResult) -> None:
        self._now.remove(method)


def content(folder: Path) -> dict[str, bytes]:
    """The files of a run folder, without the executor and the checksums of the files that have it."""
    found = {
        name: (folder / name).read_bytes() for name in files(folder) if (folder / name).is_file()
    }
    for name, one in found.items():
        if name.endswith(".json"):
            found[name] = one.replace(b'"executor": "late"', b'"executor": "inline"')
        elif name.endswith("checksums.sha256"):
            found[name] = b"\n".join(line for line in one.splitlines() if b".json" not in line)
    return found


@pytest.mark.parametrize("seeds", ["seeds=[4]", SEEDS])
def test_methods_and_seeds_that_are_played_at_once_leave_the_same_files(
    seeds: str, tmp_path: Path
) -> None:
    loaded, watching = tiny(METHODS, seeds, "training.rounds=3"), Watching()
    run(loaded, executor="inline", out=tmp_path / "inline")
    results = run(loaded, executor="late", out=tmp_path / "late", progress=watching)
    assert content(tmp_path / "late") == content(tmp_path / "inline")
    assert [result.status for result in results] == ["complete"] * len(results)
    assert len(watching.plan) == 4 * len(results)
    assert watching.closed != sorted(watching.closed, key=watching.plan.index)
    assert max(watching.in_progress) in (2, 3)


def test_one_method_is_played_at_a_time_without_workers() -> None:
    watching = Watching()
    run(tiny(METHODS, SEEDS, "training.rounds=2"), executor="inline", progress=watching)
    assert watching.in_progress == [1] * 8
    assert watching.closed == [method for method in watching.plan for _ in range(2)]


def test_rows_are_written_as_rounds_close(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    class Reading(Watching):
        def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
            super().round_closed(method, closed)
            table = [row["label"] for row in rows(folder / "rounds.csv")]
            assert table == [method.label for method in self.closed]

    reading = Reading()
    run(tiny(METHODS, "training.rounds=3"), executor="late", out=folder, progress=reading)
    assert len(reading.closed) == 12


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_closes_the_rounds_of_all_methods_and_twice_none(
    times: int, tmp_path: Path, late: list[LateRuntime]
) -> None:
    class Interrupting(Watching):
        def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
            super().round_closed(method, closed)
            for _ in range(times if len(self.closed) == 4 else 0):
                signal.raise_signal(signal.SIGINT)

    progress = Interrupting()
    loaded = tiny(METHODS, SEEDS, "training.rounds=9")
    (result,) = run(loaded, executor="late", out=tmp_path / "out", progress=progress)
    assert result.status == "stopped"
    assert late[0].opened == late[0].closed == len(result.methods)
    assert list(result.methods) == [method.label for method in progress.plan][: len(result.methods)]
    closed = sum(len(method.rounds) for method in result.methods.values())
    assert len(progress.closed) == closed
    if times == 1:  # of the other methods in progress, one round each
        assert closed == 4 + len(result.methods) - 1
    else:
        assert closed == 4
    saved = summary(tmp_path / "out/seed-4")
    assert saved["status"] == "stopped"
    for label, method in result.methods.items():
        rounds = len(method.rounds)
        assert saved["methods"][label]["rounds"] == rounds
        if rounds:
            (shorter,) = run(tiny(METHODS, "seed=4", f"training.rounds={rounds}"))
            for name in ("rounds", "learning_digest", "weights_digest", "event_digest"):
                assert getattr(method, name) == getattr(shorter.methods[label], name), name


def test_an_error_of_a_method_ends_all(
    tmp_path: Path, late: list[LateRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Watching):
        def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
            super().round_closed(method, closed)
            if len(self.closed) == 4:
                raise ValueError("the fourth round")

    with pytest.raises(ValueError, match="the fourth round"):
        run(tiny(METHODS, SEEDS), executor="late", out=tmp_path / "out", progress=Failing())
    assert late[0].opened == late[0].closed
    assert len(rows(tmp_path / "out/seed-4/rounds.csv")) == 4
    assert not (tmp_path / "out/seed-4/summary.json").exists()
    assert not (tmp_path / "out/seed-5").exists()
