"""A signal or a closed output ends a run with all closed rounds and complete files."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command_line import TINY, CommandLine, assert_refused, files, rows, summary

from cutlayer import load_scenario, run
from cutlayer.sim.commands.progress import RunProgress
from cutlayer.sim.learning.pending import Completed, Evaluation
from cutlayer.sim.process.interrupts import (
    Interrupted,
    gently_stopped,
    held_back,
    interrupts_handled,
    let_in,
    stop_requested,
)
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.read import read_run
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.progress import MethodRun, Progress

ENDLESS = ["--executor", "none", "--no-reuse", "--set", "training.rounds=20000"]

needs_posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def started(folder: Path, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start `cutlayer` in a process of its own, without figures."""
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    program = (
        "import cutlayer.sim.commands.run as command\n"
        "command.write_plots = lambda *_: []\n"
        "from cutlayer.sim.cli import main\n"
        "main()\n"
    )
    paths = [str(Path(__file__).parents[3]), *filter(None, sys.path)]
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def closed_early(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Close a process's output unread; return its exit code and errors."""
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    return process.wait(), err


def assert_stopped(folder: Path) -> None:
    content = summary(folder)
    assert content["status"] == "stopped"
    closed = {label: method["rounds"] for label, method in content["methods"].items()}
    table = rows(folder / "rounds.csv")
    assert {label: sum(row["label"] == label for row in table) for label in closed} == closed
    assert sum(closed.values()) > 0
    assert read_run(folder).events["round"].size
    assert not [name for name in files(folder) if name.endswith(".part")]


@needs_posix
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (1, 129)], ids=str
)
def test_a_signal_ends_a_run_with_the_closed_rounds(tmp_path: Path, number: int, code: int) -> None:
    process = started(tmp_path, "run", "tiny.yaml", *ENDLESS)
    assert process.stdout is not None
    assert "splitfed: seed 0" in process.stdout.readline()
    folder = tmp_path / "runs/tiny"
    while (folder / "rounds.csv").stat().st_size == 0:
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == code
    assert err == ""
    assert "interrupted" in out
    assert_stopped(folder)


def test_a_signal_just_before_signals_are_held_back_leaves_a_whole_result(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []

    @contextmanager
    def late() -> Iterator[None]:
        entered.append(True)
        if len(entered) == 1:
            raise KeyboardInterrupt
        with held_back():
            yield

    monkeypatch.setattr("cutlayer.sim.run.play.held_back", late)
    (result,) = run(load_scenario(cli.folder / "tiny.yaml"), executor="none", out=cli.folder / "x")
    assert result.status == "stopped"
    assert rows(cli.folder / "x" / "links.csv")
    assert len(entered) == 2


@needs_posix
def test_ctrl_c_ends_a_run_with_worker_processes(cli: CommandLine) -> None:
    """It comes twice; until then no other command can use its folder."""
    rounds = "training.rounds=20000"
    process = started(cli.folder, "run", "tiny.yaml", "--jobs", "2", "--set", rounds)
    folder = cli.folder / "runs/tiny"
    while not (folder / "rounds.csv").exists() or not (folder / "rounds.csv").stat().st_size:
        assert process.poll() is None
        time.sleep(0.05)
    second = cli("run", "tiny.yaml", "--executor", "none", "--out", "runs/tiny")
    assert_refused(second, "--out runs/tiny is in use by another command; name a new folder")
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    out, err = process.communicate()
    assert err == ""
    assert process.returncode == 130
    assert "interrupted" in out
    assert_stopped(folder)


@needs_posix
def test_a_reader_that_leaves_ends_a_run_like_ctrl_c(tmp_path: Path) -> None:
    lines = ["--executor", "none", "--set", "training.rounds=200"]
    with started(tmp_path, "run", "tiny.yaml", *lines) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert closed_early(process) == (141, "")
    assert_stopped(tmp_path / "runs/tiny")


@needs_posix
def test_unread_output_of_other_commands_is_not_an_error(tmp_path: Path) -> None:
    with started(tmp_path, "show", "tiny.yaml") as process:
        assert closed_early(process) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = started(tmp_path, "run", "tiny.yaml", *ENDLESS, stdout=full.fileno())
        _, err = process.communicate()
    assert process.returncode == 2
    assert err == "standard output cannot be written: No space left on device\n"


@needs_posix
def test_a_signal_that_is_ignored_from_outside_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts_handled():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_held_back_signals_come_at_the_end() -> None:
    done: list[str] = []

    def work() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("whole")
        done.append("never")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        work()
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is before
    with held_back():
        pass  # nothing is left over


def test_the_first_ctrl_c_requests_a_stop_and_the_second_interrupts() -> None:
    done: list[str] = []

    def work() -> None:
        with gently_stopped():
            assert not stop_requested()
            signal.raise_signal(signal.SIGINT)
            assert stop_requested()
            with held_back():
                signal.raise_signal(signal.SIGINT)
                done.append("whole")
            done.append("never")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        work()
    assert done == ["whole"]
    assert not stop_requested()
    assert signal.getsignal(signal.SIGINT) is before


@needs_posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_signals_do_not_wait_for_the_rounds_in_progress(name: str) -> None:
    with interrupts_handled(), gently_stopped(), pytest.raises(Interrupted):
        signal.raise_signal(getattr(signal, name))


def test_signals_are_let_in_where_work_may_end() -> None:
    done: list[str] = []

    def work() -> None:
        with held_back():
            try:
                with let_in():
                    signal.raise_signal(signal.SIGINT)
                    done.append("never")
            except KeyboardInterrupt:
                done.append("interrupted")
            signal.raise_signal(signal.SIGINT)
            done.append("whole")
            with let_in():
                done.append("never")

    with pytest.raises(Interrupted):
        work()
    assert done == ["interrupted", "whole"]


def test_an_interruption_that_a_library_discards_is_raised_at_the_end_of_the_block() -> None:
    done: list[str] = []

    def work() -> None:
        with held_back():
            with let_in():
                with suppress(KeyboardInterrupt):  # as numpy does in a comparison with an enum
                    signal.raise_signal(signal.SIGINT)
                done.append("discarded")
            done.append("never")

    with pytest.raises(Interrupted):
        work()
    assert done == ["discarded"]


def test_other_threads_hold_nothing_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[object] = []

    def work() -> None:
        with held_back(), let_in():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


class StopsAt(Progress):
    """Sends SIGINT, once or twice, at the n-th call of any function."""

    def __init__(self, call: int, times: int) -> None:
        self.left = call
        self.times = times

    def client_trained(self, method: MethodRun, done: int, total: int) -> None:
        self._count()

    def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
        self._count()

    def _count(self) -> None:
        self.left -= 1
        for _ in range(self.times if self.left == 0 else 0):
            signal.raise_signal(signal.SIGINT)


INLINE = [(1, 1, 1), (1, 3, 1), (1, 4, 2), (2, 1, 0), (2, 3, 1), (2, 4, 1), (2, 5, 1), (2, 6, 2)]


@pytest.mark.parametrize(
    ("executor", "times", "call", "closed"),
    [*(("inline", *case) for case in INLINE), ("processes", 1, 1, 1)],
)
def test_ctrl_c_closes_the_round_at_hand_and_twice_drops_it(
    tmp_path: Path, executor: str, times: int, call: int, closed: int
) -> None:
    """A round of two clients has three calls; its last is made when it is already committed."""
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY, encoding="utf-8")
    asked = ["methods=[splitfed]"]
    progress = StopsAt(call, times)
    loaded, out = load_scenario(file, asked), tmp_path / "out"
    (result,) = run(loaded, executor=executor, jobs=2, out=out, progress=progress)
    method = result.methods["splitfed"]
    assert result.status == "stopped"
    assert len(method.rounds) == closed
    if closed:
        (whole,) = run(load_scenario(file, [*asked, f"training.rounds={closed}"]))
        for name in ("learning_digest", "weights_digest", "event_digest", "curve"):
            assert getattr(method, name) == getattr(whole.methods["splitfed"], name), name
        assert method.rows_of("links") == whole.methods["splitfed"].rows_of("links")
    assert summary(tmp_path / "out")["methods"]["splitfed"]["rounds"] == closed


def test_an_interrupted_evaluation_undoes_its_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cutlayer.sim.learning.inline import Inline

    file = tmp_path / "tiny.yaml"
    file.write_text(TINY, encoding="utf-8")
    asked = ["methods=[splitfed]"]
    real: Callable[..., Completed[Evaluation]] = Inline.evaluate
    count = 0

    def interrupted(self: Inline, *models: object) -> Completed[Evaluation]:
        nonlocal count
        count += 1
        for _ in range(2 if count == 2 else 0):
            signal.raise_signal(signal.SIGINT)
        return real(self, *models)

    monkeypatch.setattr(Inline, "evaluate", interrupted)
    (result,) = run(load_scenario(file, asked))
    (whole,) = run(load_scenario(file, [*asked, "training.rounds=1"]))
    method, shorter = result.methods["splitfed"], whole.methods["splitfed"]
    assert (result.status, len(method.rounds)) == ("stopped", 1)
    for name in ("learning_digest", "weights_digest", "event_digest", "curve"):
        assert getattr(method, name) == getattr(shorter, name), name


def test_a_second_ctrl_c_while_finishing_leaves_the_pictures_out(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: RunProgress, method: MethodRun, closed: RoundResult) -> None:
        signal.raise_signal(signal.SIGINT)

    def again(result: RunResult, path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RunProgress, "round_closed", interrupted)
    monkeypatch.setattr("cutlayer.sim.commands.run.write_trace", again)
    assert cli.run().code == 130
    folder = cli.folder / "runs/tiny"
    assert_stopped(folder)
    assert "plots" not in files(folder)
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8"))["schema"] == 1


def test_ctrl_c_between_seeds_keeps_the_finished_ones(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    started = RunProgress.method_started

    def interrupted(self: RunProgress, method: MethodRun) -> None:
        begun.append(method.seed)
        if method.seed == 1:
            signal.raise_signal(signal.SIGINT)
        started(self, method)

    monkeypatch.setattr(RunProgress, "method_started", interrupted)
    assert cli.run("seeds=[0, 1, 2]", "methods=[splitfed]").code == 130
    folder = cli.folder / "runs/tiny"
    assert begun == [0, 1]
    assert summary(folder / "seed-0")["status"] == "complete"
    assert summary(folder / "seed-1")["status"] == "stopped"
    together = json.loads((folder / "seeds.json").read_text(encoding="utf-8"))
    assert together["status"] == "stopped"
    assert not (folder / "seed-2").exists()
