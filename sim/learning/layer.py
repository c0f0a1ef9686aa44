"""The learning layer: the one way from a method to tensors.

It opens chains, folds their digests, and closes a round: the chains are run by the executor (if there
is one), the averages are taken in client order, and the states get their new digests. With no executor
(`none`) all this happens to the digests alone: no tensor exists, and the digests are the same.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from cutlayer.sim.learning.chain import OPTIMIZER_STATE, Chain, StateAccess
from cutlayer.sim.learning.digest import Digest, node
from cutlayer.sim.learning.recipe import Recipe

Progress = Callable[[int, int], None]

TRAINED: Final = ("device", "server", "head")


def part_of(state: str) -> str:
    """Return the part of the model that a state's name begins with ("device" of "device/3")."""
    return state.partition("/")[0]


class Executor(Protocol):
    """Runs chains on real tensors."""

    def run(self, chains: Sequence[Chain], progress: Progress | None) -> None:
        """Run the chains of a closed round, then take its averages in the order of `chains`."""

    def accuracy(self, parts: Sequence[tuple[str, ...]]) -> float:
        """Return the test accuracy, mean over `parts`: names of the states that make up a model."""

    def finite(self, parts: Sequence[tuple[str, ...]]) -> bool:
        """Return whether the weights of the models that `parts` name are all finite."""

    def weights_digest(self) -> str:
        """Return a fingerprint of every bit of the global weights."""

    def undo(self) -> None:
        """Give the states back as they were before the last `run`."""


class Learning:
    """Named states of a run, their digests, and (unless `executor` is None) their tensors."""

    def __init__(
        self,
        recipe: Recipe,
        initial: dict[str, Digest],
        shards: Callable[[int], Digest],
        executor: Executor | None,
    ) -> None:
        self.recipe = recipe
        self.digests = dict(initial)
        self.shards = shards
        self.executor = executor
        self.run_digest: Digest = node("run", None, [])
        self._base = recipe.digest()
        self._chains: list[Chain] = []
        self._before: dict[Digest, dict[str, Digest | None]] = {}
        self._round_before: Digest = self.run_digest

    @property
    def trains(self) -> bool:
        """Whether there are tensors."""
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
        """Open a chain of a round for `client`, whose shard (of `samples` samples) it may read.

        `reads`, `averages` and `writes` name states; `members` lists the clients, in order, whose
        shards a chain passes through when it is not one client's own. What a chain writes can be
        read by the chains that are opened after it; averages are there from the next round on.
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
        access = StateAccess(client, weight, tuple(reads), tuple(averages), tuple(writes))
        chain = Chain(access, round_index, lr, digest, self.trains)
        self._chains.append(chain)
        self._before[digest] = {name: self.digests.get(name) for name in writes}
        for name in writes:
            self.digests[name] = node("write", name, [digest])
        return chain

    def drop(self, chain: Chain) -> None:
        """Forget a chain whose client was lost: it is not run, and what it would write stays as it was.

        Only for chains whose writes no other chain of the round reads.
        """
        self._chains.remove(chain)
        for name, digest in self._before[chain.digest].items():
            if digest is None:
                del self.digests[name]
            else:
                self.digests[name] = digest

    def close_round(self, progress: Progress | None = None) -> None:
        """Run what was issued, average, and move the digests on.

        Members of an average count by their samples, or all alike if the recipe says so, in the order
        in which their chains were opened (client order), whatever order they finished in.
        """
        if self.executor is not None:
            self.executor.run(self._chains, progress)
        members: dict[str, list[Chain]] = {}
        for chain in self._chains:
            for name in chain.access.averages:
                members.setdefault(name, []).append(chain)
        for name, chains in members.items():
            weights = [[chain.access.client, chain.access.weight] for chain in chains]
            self.digests[name] = node("average", [name, weights], [c.digest for c in chains])
        names = sorted(self.digests)
        self._round_before = self.run_digest
        self.run_digest = node(
            "round", list(names), [self.run_digest, *(self.digests[name] for name in names)]
        )
        self._chains = []
        self._before = {}

    def undo_round(self) -> None:
        """Give weights and digest of the run back as they were before the last round.

        For a run that is interrupted before the round counts; it cannot go on after that.
        """
        self.run_digest = self._round_before
        if self.executor is not None:
            self.executor.undo()
