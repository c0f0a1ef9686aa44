"""The learning layer, through which methods train.

It opens chains and closes rounds: the executor, if there is one, runs the chains and folds their members
in client order, and the states get new digests. Without an executor (`none`) only the digests are
computed; they are the same.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cutlayer.sim.learning.aggregation import FEDAVG, Aggregation
from cutlayer.sim.learning.chain import (
    MOMENTS,
    OPTIMIZER_STATE,
    TRAINED,
    Chain,
    Progress,
    part_of,
)
from cutlayer.sim.learning.digest import Digest, node
from cutlayer.sim.learning.recipe import Recipe

if TYPE_CHECKING:
    from cutlayer.sim.learning.inline import Inline


class Learning:
    """The named states of a run: their digests and, with an `executor`, their tensors."""

    def __init__(
        self,
        recipe: Recipe,
        initial: dict[str, Digest],
        shards: Callable[[int], Digest],
        executor: "Inline | None",
        aggregation: Aggregation = FEDAVG,
    ) -> None:
        self.recipe = recipe
        self.digests = dict(initial)
        self.shards = shards
        self.executor = executor
        self.aggregation = aggregation
        self.run_digest: Digest = node("run", None, [])
        self._base = recipe.digest()
        self._chains: list[Chain] = []
        self._before: dict[Digest, dict[str, Digest | None]] = {}
        self._round_before: Digest = self.run_digest

    @property
    def trains(self) -> bool:
        """Return whether tensors are trained."""
        return self.executor is not None

    def chain(
        self,
        round_index: int,
        client: int,
        samples: int,
        *,
        reads: Sequence[str] = (),
        averages: Sequence[str] = (),
        writes: Sequence[str] = (),
        members: Sequence[int] = (),
    ) -> Chain:
        """Open a chain for `client`, whose shard of `samples` samples it may read.

        `reads`, `averages` and `writes` are names of states. `members` lists the clients, in order,
        whose shards a chain of several clients reads. States that a chain writes are available to chains
        opened after it; averages from the next round on.
        """
        reads, writes = list(reads), list(writes)
        if self.recipe.optimizer.state == "kept":
            own = [part_of(name) for name in writes if part_of(name) in TRAINED]
            for part in averages or own:
                name = f"{OPTIMIZER_STATE}/{part}/{client}"
                writes.append(name)
                if name in self.digests:
                    reads.append(name)
        lr = self.recipe.schedule.rate(self.recipe.optimizer.lr, round_index)
        digest = node(
            "chain",
            {
                "client": client,
                "round": round_index,
                "lr": lr,
                "reads": reads,
                "averages": list(averages),
                "writes": writes,
                "members": list(members),
            },
            [
                self._base,
                *(self.shards(member) for member in members or [client]),
                *(self.digests[name] for name in reads),
            ],
        )
        weight = samples if self.recipe.averaging == "samples" else min(samples, 1)
        states = tuple(reads), tuple(averages), tuple(writes)
        chain = Chain(client, round_index, lr, weight, *states, digest, self.trains)
        self._chains.append(chain)
        self._before[digest] = {name: self.digests.get(name) for name in writes}
        for name in writes:
            self.digests[name] = node("write", name, [digest])
        return chain

    def drop(self, chain: Chain) -> None:
        """Drop a chain whose client dropped out: it is not run, and its states stay unchanged.

        Only for chains whose writes no other chain of the round reads.
        """
        self._chains.remove(chain)
        for name, digest in self._before[chain.digest].items():
            if digest is None:
                del self.digests[name]
            else:
                self.digests[name] = digest

    def close_round(self, progress: Progress | None = None) -> None:
        """Run the issued operations, fold the members, and update the digests.

        Members of a part are weighted by their samples, or equally if the recipe says so, and added
        in the order in which their chains were opened (client order), not in which they finished.
        """
        if self.executor is not None:
            self.executor.run(self._chains, self.aggregation, progress)
        averaged = dict.fromkeys(name for chain in self._chains for name in chain.averages)
        for name in averaged:
            chains = [chain for chain in self._chains if name in chain.averages]
            weights = [[chain.client, chain.weight] for chain in chains]
            kept = f"{MOMENTS}/{name}"
            shared = [self.digests[state] for state in (name, kept) if state in self.digests]
            members = [chain.digest for chain in chains]
            self.digests[name] = self.aggregation.digest(name, weights, shared, members)
            if self.aggregation.moments:
                self.digests[kept] = node("write", kept, [self.digests[name]])
        names = sorted(self.digests)
        self._round_before = self.run_digest
        states = [self.digests[name] for name in names]
        self.run_digest = node("round", names, [self.run_digest, *states])
        self._chains = []
        self._before = {}

    def undo_round(self) -> None:
        """Restore the weights and the run digest from before the last round.

        For a run that is interrupted before the round counts; it cannot continue.
        """
        self.run_digest = self._round_before
        if self.executor is not None:
            self.executor.undo()
