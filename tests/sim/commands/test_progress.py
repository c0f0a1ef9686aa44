"""The progress of a run: all methods at once on a terminal, lines with labels elsewhere."""

import io
import signal
from collections.abc import Sequence

import pytest
from rich.console import Console

from cutlayer import load_scenario, run
from cutlayer.sim.commands.progress import STOPPING, RunProgress
from cutlayer.sim.process.interrupts import gently_stopped
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.progress import MethodRun


@pytest.fixture(scope="module")
def result() -> MethodResult:
    """A method's result with two rounds."""
    (whole,) = run(load_scenario("quickstart", ["training.rounds=2"]), executor="none")
    return whole.methods["splitfed"]


@pytest.fixture
def closed(result: MethodResult) -> Sequence[RoundResult]:
    return result.rounds


def methods(count: int, seeds: int = 1) -> list[MethodRun]:
    return [MethodRun(seed, f"m{n}", 2, 4) for seed in range(seeds) for n in range(count)]


def terminal(height: int = 40) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, color_system=None, width=120, height=height
    )


def on_screen(progress: RunProgress) -> list[str]:
    """The lines that the next refresh shows."""
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(progress._bars.get_renderable())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_all_methods_are_shown_from_the_start(
    result: MethodResult, closed: Sequence[RoundResult]
) -> None:
    first, second = methods(2)
    with RunProgress(terminal()) as progress:
        progress.planned([first, second])
        lines = on_screen(progress)
        assert [line.split()[0] for line in lines] == ["m0", "m1"]
        assert all("0/2" in line and "rounds of 4 clients" in line for line in lines)
        progress.method_started(second)
        progress.client_trained(second, 4, 4)
        progress.round_closed(second, closed[0])
        lines = on_screen(progress)
        assert "0/2" in lines[0]
        assert "1/2" in lines[1]
        assert "virtual time" in lines[1]
        progress.round_closed(second, closed[1])
        progress.method_finished(second, result)
        assert "2/2" in on_screen(progress)[1]


def test_a_bar_never_moves_backwards(closed: Sequence[RoundResult]) -> None:
    """Clients of the next round may train before a round has closed."""
    (method,) = methods(1)
    with RunProgress(terminal()) as progress:
        progress.planned([method])
        progress.method_started(method)
        (task,) = progress._bars.tasks
        at = []
        for done in (2, 4, 1):
            progress.client_trained(method, done, 4)
            at.append(task.completed)
        progress.round_closed(method, closed[0])
        at.append(task.completed)
        progress.client_trained(method, 1, 4)
        at.append(task.completed)
    assert at == [0.5, 1.0, 1.0, 1.0, 1.25]


def test_a_low_terminal_shows_the_methods_in_progress_and_the_next_ones(
    result: MethodResult,
) -> None:
    many = methods(5, seeds=3)
    with RunProgress(terminal(height=10)) as progress:
        progress.planned(many)
        for method in many[:7]:
            progress.method_started(method)
        for method in many[:6]:
            progress.method_finished(method, result)
        lines = on_screen(progress)
        names = [" ".join(line.split()[:3]) for line in lines[:-1]]
        assert names == [
            f"m{n} (seed {s})" for s, n in [(1, 1), (1, 2), (1, 3), (1, 4), (2, 0), (2, 1)]
        ]
        assert lines[-1] == "... and 6 finished, 3 to come"
        for method in many[6:14]:
            progress.method_started(method)
            progress.method_finished(method, result)
        lines = on_screen(progress)
        assert lines[-2].startswith("m4 (seed 2)")
        assert lines[-1] == "... and 9 finished"


def test_lines_name_their_method(closed: Sequence[RoundResult]) -> None:
    console = Console(file=io.StringIO(), width=60)
    one, other = methods(1, seeds=2)
    with RunProgress(console) as progress:
        progress.planned([one, other])
        progress.method_started(one)
        progress.method_started(other)
        progress.round_closed(other, closed[0])
        progress.round_closed(one, closed[0])
    lines = printed(console)
    assert lines[:2] == [f"m0: seed {seed}, 2 rounds of 4 clients" for seed in (0, 1)]
    assert [line.partition(", virtual time")[0] for line in lines[2:]] == [
        "m0 (seed 1): round 1",
        "m0 (seed 0): round 1",
    ]


def test_ctrl_c_is_answered_on_a_terminal_and_elsewhere(closed: Sequence[RoundResult]) -> None:
    (method,) = methods(1)
    for console in (terminal(), Console(file=io.StringIO(), width=60)):
        with RunProgress(console) as progress, gently_stopped():
            progress.planned([method])
            progress.method_started(method)
            signal.raise_signal(signal.SIGINT)
            progress.client_trained(method, 1, 4)
            progress.round_closed(method, closed[0])
            if console.is_terminal:
                assert on_screen(progress)[-1] == STOPPING
            else:
                assert printed(console).count(STOPPING) == 1
