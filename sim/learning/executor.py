"""The protocols of executors, which run chains, and of runtimes, which open executors.

Methods do not depend on the executor, and all executors give the same bits unless their `numerics`
say otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from cutlayer.scenarios.numerics import DEFAULT, Numerics
from cutlayer.sim.learning.pending import Evaluation, Mark, Pending, Reports

if TYPE_CHECKING:
    from cutlayer.sim.learning.aggregation import Aggregation
    from cutlayer.sim.learning.chain import Chain, Progress
    from cutlayer.sim.learning.fold import Fold
    from cutlayer.sim.learning.interleaved import Interleaved
    from cutlayer.sim.learning.state_key import StateKey
    from cutlayer.sim.learning.workspace import Workspace


class Executor(Protocol):
    """Holds the states of a run and runs chains on them; `Learning` calls it.

    `ahead` is the number of rounds that may be played on the clock before the one at hand is trained.
    Calls may return before the work is done. It is done in the order of the calls, or with the same
    results.
    """

    ahead: int

    def hold(self, chain: "Chain") -> None:
        """Keep the versions that a chain reads until `release`."""

    def release(self, chain: "Chain") -> None:
        """Free the versions of a chain that has run, or will not run."""

    def run(self, chains: "Sequence[Chain]", fold: "Fold", progress: "Progress | None") -> Reports:
        """Run chains, apply their writes and fold their members; return their reports, in order.

        Members are folded in the order of `chains`, in whichever order these run.
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

    def publish(self, group: "Interleaved") -> Reports:
        """Run the operations so far, and make the trunk's states current; return the trunk's report."""

    def evaluate(
        self, models: "Sequence[tuple[StateKey, ...]]", weights: Sequence[int]
    ) -> Pending[Evaluation]:
        """Evaluate models, each named by the states of its parts, on the test set."""

    def mark(self) -> Mark:
        """Return the states of a round that closes."""

    def restore(
        self,
        values: "Mapping[tuple[StateKey, int], Any]",
        versions: "Mapping[StateKey, int]",
        chains: "Sequence[Chain]",
        groups: Sequence[Any],
    ) -> None:
        """Continue from a mark of an earlier run, before any chain is held, with the mark's contents.

        `chains` are those that are open, in the order in which they were opened. None has run here.
        """

    def close(self) -> None:
        """Free everything."""


def no_note(_: str) -> None:
    """Drop a line. Settings are sent to the workers of a cluster, so this is not a lambda."""


@dataclass(frozen=True)
class ExecutorSettings:
    """Where an executor runs: worker processes, torch threads each, a cluster, a device of torch.

    `numerics` are the scenario's, with which a command trains. `folders` are those of a user's own
    objects. `note` gets lines about the work.
    """

    jobs: int | None = None
    threads: int = 1
    scheduler: str | None = None
    device: str = "cpu"
    folders: tuple[str, ...] = ()
    note: Callable[[str], None] = no_note
    numerics: Numerics = DEFAULT


class Runtime(AbstractContextManager[Any], Protocol):
    """Runs the work of a command's executors: in this process, worker processes or a Dask cluster."""

    @property
    def jobs(self) -> int:
        """The number of tasks that run at the same time; if it is 1, methods run one after another."""

    @property
    def queued(self) -> int:
        """The number of tasks that run or could run now; another method begins when there are few."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def executor(self, workspace: "Workspace") -> Executor:
        """Return an executor for a method's run; it trains with the settings of the workspace."""

    def wait(self) -> None:
        """Wait until some work that was issued is done; return at once if there is none."""

    def numerics(self) -> dict[str, Any]:
        """Return what determines the bits of a training in addition to its digest."""
