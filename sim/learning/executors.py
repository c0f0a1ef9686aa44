"""The executors by name. An executor runs the operations of chains.

A new executor is a class with the methods of `Executor`, and an entry of EXECUTORS. The training
methods do not depend on it, and all executors give the same bits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion

if TYPE_CHECKING:
    from cutlayer.sim.learning.aggregation import Aggregation
    from cutlayer.sim.learning.chain import Chain, Progress
    from cutlayer.sim.learning.fold import Fold
    from cutlayer.sim.learning.interleaved import Interleaved
    from cutlayer.sim.learning.state_key import StateKey
    from cutlayer.sim.learning.workspace import Workspace


class Executor(Protocol):
    """Holds the states of a run and runs chains on them; `Learning` calls it."""

    def hold(self, chain: "Chain") -> None:
        """Keep the versions that a chain reads until `release`."""

    def release(self, chain: "Chain") -> None:
        """Free the versions of a chain that has run, or will not run."""

    def run(self, chains: "Sequence[Chain]", fold: "Fold", progress: "Progress | None") -> None:
        """Run chains, apply their writes and fold their members, in the order of `chains`.

        If it is interrupted, the states become those of the last closed round.
        """

    def merge(
        self,
        target: "StateKey",
        members: "Sequence[tuple[StateKey, float]]",
        aggregation: "Aggregation",
        versions: "Mapping[StateKey, int]",
    ) -> None:
        """Fold states into another one of the same part."""

    def assign(self, target: "StateKey", source: "StateKey", version: int) -> None:
        """Set a state to the value of another one."""

    def forget(self, key: "StateKey") -> None:
        """Remove a state that nothing reads any more."""

    def publish(self, group: "Interleaved") -> None:
        """Run the operations so far, and make the trunk's states current."""

    def checkpoint(self) -> None:
        """Remember the states of a round that closes."""

    def undo(self, rounds: int = 0) -> None:
        """Restore the states of the last closed round, or of the one before it."""

    def accuracy(
        self, models: "Sequence[tuple[StateKey, ...]]", weights: Sequence[int] | None = None
    ) -> float:
        """Return the weighted mean test accuracy of models, each named by the states of its parts."""

    def finite(self, models: "Sequence[tuple[StateKey, ...]]") -> bool:
        """Return whether all weights of models are finite."""

    def weights_digest(self) -> str:
        """Return a fingerprint of all trained weights, which does not depend on the cut."""


@dataclass(frozen=True)
class Training:
    """The training of an executor: `make` returns it, and equal `numerics` give equal bits."""

    make: "Callable[[Workspace], Executor]"
    numerics: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class ExecutorEntry:
    """An executor of the registry; without `training`, no tensors exist."""

    summary: str
    training: Training | None = None

    @property
    def trains(self) -> bool:
        """Whether it trains, which needs data and weights."""
        return self.training is not None


class UnknownExecutorError(UserError):
    """A name of no executor."""


def _inline(workspace: "Workspace") -> Executor:
    from cutlayer.sim.learning.inline import Inline

    return Inline(workspace)


def _inline_numerics() -> dict[str, Any]:
    from cutlayer.sim.learning.inline import numerics

    return dict(numerics())


EXECUTORS: Final[Mapping[str, ExecutorEntry]] = {
    "none": ExecutorEntry("simulates time and bytes only, without tensors and data"),
    "inline": ExecutorEntry(
        "trains in this process, client after client", Training(_inline, _inline_numerics)
    ),
}


def executor_entry(name: str) -> ExecutorEntry:
    """Return the executor of a name. Raises UnknownExecutorError."""
    if name not in EXECUTORS:
        raise UnknownExecutorError(
            f"executor: unknown executor {name!r}{suggestion(name, EXECUTORS)}"
        )
    return EXECUTORS[name]
