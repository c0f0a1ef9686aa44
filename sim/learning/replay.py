"""Replay rounds that an earlier run has trained, from their reports, and then continue training.

The clock plays these rounds again; their operations are dropped. At the close of the last of them, the
wrapped executor restores the states of that moment, with the chains and groups that are open.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from cutlayer.errors import UserError
from cutlayer.sim.learning.aggregation import Aggregation
from cutlayer.sim.learning.chain import Chain, Progress
from cutlayer.sim.learning.executor import Executor, Runtime
from cutlayer.sim.learning.fold import Fold
from cutlayer.sim.learning.interleaved import Interleaved
from cutlayer.sim.learning.pending import ChainReport, Completed, Evaluation, Mark, Pending, Reports
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.workspace import Workspace


@dataclass(frozen=True)
class RoundReport:
    """What a round reported: its chains in the order in which they were folded, and its evaluation."""

    chains: Sequence[ChainReport]
    evaluation: Evaluation | None


@dataclass(frozen=True)
class SavedStates:
    """The contents of a mark, see `Mark`."""

    values: Mapping[tuple[StateKey, int], Any]
    versions: Mapping[StateKey, int]
    groups: Sequence[Any]


@dataclass(frozen=True)
class Recorded:
    """Trained rounds, at least one, and a function that reads the states at the close of the last."""

    rounds: Sequence[RoundReport]
    states: Callable[[], SavedStates]


class ReplayError(UserError):
    """A round that is replayed differs from the recorded one."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} differs from the recorded one, so that the run cannot continue: its files, its code"
            " or its environment have changed; start it again in a new folder"
        )


class ReplayRuntime(Runtime):
    """A runtime whose executors first replay recorded rounds."""

    def __init__(self, inner: Runtime, recorded: Recorded) -> None:
        self._inner = inner
        self._recorded = recorded

    @property
    def jobs(self) -> int:
        """The number of tasks that run at the same time."""
        return self._inner.jobs

    @property
    def queued(self) -> int:
        """The number of tasks that run or could run now."""
        return self._inner.queued

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the wrapped runtime open."""

    def executor(self, workspace: Workspace) -> Executor:
        """Return an executor that replays the rounds."""
        return Replay(self._inner.executor(workspace), self._recorded)

    def wait(self) -> None:
        """Wait until some work that was issued is done."""
        self._inner.wait()

    def numerics(self) -> dict[str, Any]:
        """Return what determines the bits of a training in addition to its digest."""
        return self._inner.numerics()


class Replay:
    """Replays recorded rounds, and then calls the wrapped executor.

    It treats chains and groups as executors do, but runs no operations: those of a group are dropped
    when they would have run.
    """

    def __init__(self, inner: Executor, recorded: Recorded) -> None:
        self._inner = inner
        self._states: Callable[[], SavedStates] | None = recorded.states
        self._open: dict[Chain, None] = {}
        self._rounds = deque(recorded.rounds)
        self._reports = deque(self._rounds[0].chains)  # of the round at hand
        self._evaluation: Evaluation | None = None  # of the round that has closed
        self.ahead = inner.ahead

    @property
    def replays(self) -> bool:
        """Whether the round at hand is a recorded one."""
        return bool(self._rounds)

    def hold(self, chain: Chain) -> None:
        """Keep the versions that a chain reads until `release`."""
        if self.replays:
            self._open[chain] = None
        else:
            self._inner.hold(chain)

    def release(self, chain: Chain) -> None:
        """Free the versions of a chain that has run, or will not run."""
        if self.replays:
            _drop_operations(chain)
            del self._open[chain]
        else:
            self._inner.release(chain)

    def run(self, chains: Sequence[Chain], fold: Fold, progress: Progress | None) -> Reports:
        """Return the reports of chains that have run, or run them."""
        if not self.replays:
            return self._inner.run(chains, fold, progress)
        for chain in chains:
            _drop_operations(chain)
        if len(chains) > len(self._reports):
            raise ReplayError("a round that is replayed")
        return Completed([self._reports.popleft() for _ in chains])

    def merge(
        self,
        target: StateKey,
        members: Sequence[tuple[StateKey, float]],
        aggregation: Aggregation,
        versions: Mapping[StateKey, int],
    ) -> None:
        """Fold states into another one of the same part."""
        if not self.replays:
            self._inner.merge(target, members, aggregation, versions)

    def assign(self, target: StateKey, source: StateKey, version: int) -> None:
        """Set a state to the value of another one."""
        if not self.replays:
            self._inner.assign(target, source, version)

    def forget(self, key: StateKey) -> None:
        """Remove a state that nothing reads any more."""
        if not self.replays:
            self._inner.forget(key)

    def publish(self, group: Interleaved) -> Reports:
        """Run the operations so far, and make the trunk's states current; return its report."""
        if not self.replays:
            return self._inner.publish(group)
        _drop_operations(group.trunk)
        if not self._reports:
            raise ReplayError("a round that is replayed")
        return Completed([self._reports.popleft()])

    def evaluate(
        self, models: Sequence[tuple[StateKey, ...]], weights: Sequence[int]
    ) -> Pending[Evaluation]:
        """Return the recorded evaluation of the round that has closed, or evaluate models."""
        evaluation, self._evaluation = self._evaluation, None
        if evaluation is not None:
            return Completed(evaluation)
        if self.replays:
            raise ReplayError("a round that is replayed")
        return self._inner.evaluate(models, weights)

    def mark(self) -> Mark:
        """Return the states of a round that closes; those of the last recorded one are restored."""
        if not self.replays:
            return self._inner.mark()
        if self._reports:
            raise ReplayError("a round that is replayed")
        self._evaluation = self._rounds.popleft().evaluation
        if self.replays:
            self._reports = deque(self._rounds[0].chains)
            return _ReplayedMark()
        assert self._states is not None, "the states are restored once"
        states, self._states = self._states(), None
        self._inner.restore(states.values, states.versions, list(self._open), states.groups)
        self._open.clear()
        return self._inner.mark()

    def close(self) -> None:
        """Free everything."""
        self._inner.close()

    def restore(
        self,
        values: Mapping[tuple[StateKey, int], Any],
        versions: Mapping[StateKey, int],
        chains: Sequence[Chain],
        groups: Sequence[Any],
    ) -> None:
        """Continue from a mark without a replay."""
        self._rounds.clear()
        self._inner.restore(values, versions, chains, groups)


def _drop_operations(chain: Chain) -> None:
    """Drop the operations that are pending in the group of a chain, as if they had run."""
    if chain.group is not None:
        chain.group.pending.clear()
    chain.operations.clear()


_UNKNOWN = "the states of a round that was replayed are unknown"


class _ReplayedMark:
    """The close of a round that was replayed, but not the last of them: its states are unknown."""

    done = True

    def result(self) -> None:
        """Return at once."""

    def weights_digest(self) -> str | None:
        """Return None."""
        return None

    def values(self) -> Mapping[tuple[StateKey, int], Any]:
        """Raise: the states are unknown."""
        raise AssertionError(_UNKNOWN)

    def tokens(self) -> Mapping[tuple[StateKey, int], object]:
        """Raise: the states are unknown."""
        raise AssertionError(_UNKNOWN)

    def versions(self) -> Mapping[StateKey, int]:
        """Raise: the states are unknown."""
        raise AssertionError(_UNKNOWN)

    def groups(self) -> Sequence[Any]:
        """Raise: the states are unknown."""
        raise AssertionError(_UNKNOWN)

    def release(self) -> None:
        """Do nothing."""
