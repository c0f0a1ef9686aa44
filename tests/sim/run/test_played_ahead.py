"""Rounds that are played on the clock before the training of the one before is done."""

import signal
from collections.abc import Callable, Generator, Iterator

import pytest
from tiny_runs import digits, only, tiny

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.inline import Inline, InlineRuntime
from cutlayer.sim.learning.inline_mark import InlineMark
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.process.interrupts import gently_stopped
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.play import empty_result, play_steps
from cutlayer.sim.run.played import Played

METHODS = (
    "splitfed",
    "{ecofed: {init: random, period: 2}}",
    "fedasync",
    "gas",
    "{classic_fl: {aggregation: {fedadam: {lr: 0.1}}}}",
)


class LateMark(InlineMark):
    """A mark that is done when it has been waited for."""

    done = False

    def result(self) -> None:
        self.done = True


class Ahead(Inline):
    """Inline, which lets one round be played ahead, and whose rounds are done when waited for."""

    ahead = 1

    def mark(self) -> InlineMark:
        return LateMark(self.workspace.states)


class AheadRuntime(InlineRuntime):
    def executor(self, workspace: Workspace) -> Inline:
        return Ahead(workspace)


def steps(
    result: Callable[..., MethodResult], *overrides: str
) -> tuple[MethodResult, Generator[Played, None, bool], list[str]]:
    """A method's result, its steps with a round ahead, and what happens, in order."""
    plan = plan_checked(tiny(*overrides), trains=True)[0]
    entry = plan.scenario.methods[0]
    found, seen = result(plan, entry), []
    progress = RoundProgress(lambda closed: seen.append(f"closed {closed.index}"))
    running = play_steps(
        plan,
        entry,
        digits(plan.seed),
        result=found,
        progress=progress,
        runtime=AheadRuntime(ExecutorSettings()),
    )
    return found, running, seen


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_plays_ahead_is_the_same(method: str) -> None:
    asked = (f"methods=[{method}]", "training.rounds=4")
    found, running, seen = steps(empty_result, *asked)
    for played in running:
        seen.append(f"wait {played.row.index}")
        played.wait()
    assert seen == [f"{what} {index}" for index in range(4) for what in ("wait", "closed")]
    whole = only(*asked)
    assert found.rounds == whole.rounds
    assert found.curve == whole.curve
    for name in ("learning_digest", "weights_digest", "event_digest"):
        assert getattr(found, name) == getattr(whole, name), name
    for table in ("links", "devices", "updates"):
        assert found.rows_of(table) == whole.rows_of(table), table


@pytest.mark.parametrize("method", METHODS)
def test_rounds_that_are_not_committed_leave_no_trace(method: str) -> None:
    asked = f"methods=[{method}]"
    found, running, _ = steps(empty_result, asked, "training.rounds=6")
    for played in running:
        if played.row.index == 2:  # round 3 has been played
            break
        played.wait()
    running.close()
    shorter = only(asked, "training.rounds=2")
    assert [closed.index for closed in found.rounds] == [0, 1]
    assert found.rounds == shorter.rounds
    for name in ("learning_digest", "weights_digest", "event_digest"):
        assert getattr(found, name) == getattr(shorter, name), name
    for table in ("links", "devices", "updates"):
        assert found.rows_of(table) == shorter.rows_of(table), table


def test_a_run_that_may_stop_at_an_accuracy_plays_no_round_ahead() -> None:
    asked = ("methods=[splitfed]", "training.rounds=5", "stop.target_accuracy=0.01")
    found, running, _ = steps(empty_result, *asked)
    for played in running:
        played.wait()
    assert len(found.rounds) == 1
    assert found.weights_digest == only(*asked).weights_digest


@pytest.mark.parametrize("method", ["splitfed", "fedasync"])
def test_ctrl_c_closes_the_round_at_hand_and_drops_the_one_played_ahead(method: str) -> None:
    asked = f"methods=[{method}]"
    found, running, _ = steps(empty_result, asked, "training.rounds=6")
    returned = []

    def all_of() -> Iterator[Played]:
        returned.append((yield from running))

    with gently_stopped():
        for played in all_of():
            if played.row.index == 2:  # round 3 has been played
                signal.raise_signal(signal.SIGINT)
            played.wait()
    assert returned == [False]
    shorter = only(asked, "training.rounds=3")
    assert found.rounds == shorter.rounds
    assert found.weights_digest == shorter.weights_digest


def test_ctrl_c_in_the_last_round_leaves_a_whole_run() -> None:
    found, running, _ = steps(empty_result, "methods=[splitfed]", "training.rounds=2")
    returned = []

    def all_of() -> Iterator[Played]:
        returned.append((yield from running))

    with gently_stopped():
        for played in all_of():
            if played.row.index == 1:
                signal.raise_signal(signal.SIGINT)
            played.wait()
    assert returned == [True]
    assert len(found.rounds) == 2
