"""The learning layer, through which methods train.

It opens chains and folds them into states, when a round closes or at any other time. The executor, if
there is one, runs the chains. The states get new digests, which are the same without an executor.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from cutlayer.scenarios.batch_norm import STAYS
from cutlayer.sim.learning.aggregation import FEDAVG, Aggregation
from cutlayer.sim.learning.chain import Chain, Progress
from cutlayer.sim.learning.digest import Digest, Ingredient, node
from cutlayer.sim.learning.fold import Fold
from cutlayer.sim.learning.interleaved import Interleaved
from cutlayer.sim.learning.mixed_cuts import MixedCuts
from cutlayer.sim.learning.pending import Reports, TrainedRound
from cutlayer.sim.learning.personal import PersonalModels
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.learning.state_key import OPTIMIZER, StateKey, cache_of, local_of
from cutlayer.sim.learning.state_table import NOTHING, Before, StateTable, folded, in_order

if TYPE_CHECKING:
    from cutlayer.sim.learning.executor import Executor


class Learning:
    """The named states of a run: their digests and, with an `executor`, their tensors."""

    def __init__(
        self,
        recipe: Recipe,
        initial: Mapping[StateKey, Digest],
        shards: Callable[[int], Digest],
        executor: "Executor | None",
        aggregation: Aggregation = FEDAVG,
        mixed: MixedCuts | None = None,
        cached: Sequence[str] = (),
    ) -> None:
        self.recipe = recipe
        self._cached = cached  # the directions whose codec keeps values of a client's samples
        self.mixed = mixed
        self._initial = dict(initial)
        self._states = StateTable(
            {k: digest for k, digest in initial.items() if mixed is None or k.is_of_mixed_cuts}
        )
        self.shards = shards
        self.executor = executor
        self.aggregation = aggregation
        self.run_digest: Digest = node("run", None, [])
        self._base = recipe.digest()
        self._open: dict[Chain, Before] = {}
        # Of the folds since the last round closed: reports, and learning rates of chains.
        self._folded: tuple[list[Reports], list[float]] = ([], [])
        self.personal = PersonalModels()

    @property
    def trains(self) -> bool:
        """Return whether tensors are trained."""
        return self.executor is not None

    @property
    def digests(self) -> dict[StateKey, Digest]:
        """The current digest of each state."""
        return self._states.digests

    @property
    def versions(self) -> Mapping[StateKey, int]:
        """The current version of each state."""
        return self._states.versions

    def chain(
        self,
        round_index: int,
        client: int,
        samples: int,
        *,
        reads: Sequence[StateKey] = (),
        averages: Sequence[StateKey] = (),
        writes: Sequence[StateKey] = (),
        members: Sequence[int] = (),
        cut: int | None = None,
        batch_size: int | None = None,
        at_end: bool = False,
        scheduled_at: int | None = None,
        encodes: Sequence[int] | None = None,
    ) -> Chain:
        """Open a chain for `client`, whose shard of `samples` samples it may read.

        It reads the current versions of the states `reads`. `members` lists the clients, in order, whose
        shards a chain of several clients reads. `cut` is the client's: if clients have different ones,
        each part of the model means the states of its blocks. States that a chain writes are current
        for the chains opened after it or, with `at_end`, once it is folded or finished; averages once
        they are folded. `batch_size` is the recipe's unless given, and `scheduled_at` the round of the
        learning-rate schedule if it is not `round_index`. `encodes` are the clients whose messages a
        codec encodes: by default `client`, none of several.
        """
        reads, writes = list(reads), list(writes)
        if self.recipe.optimizer.state == "kept":
            trained = averages or [key for key in writes if key.is_module]
            own = [StateKey(key.part, client, OPTIMIZER) for key in trained]
            writes += own
            reads += [key for key in own if key in self.digests]
        if self.recipe.batch_norm in STAYS and not members:
            own = local_of(client, reads)
            reads += [key for key in own if key in self.digests]
            writes += own if averages or any(key.is_module for key in writes) else ()
        if self.mixed is None:
            cut = None
        else:
            assert cut is not None, "a chain of several clients needs one cut for all of them"
            reads, averages, writes = (
                self.mixed.expanded(keys, cut) for keys in (reads, averages, writes)
            )
            for key in reads:  # the states of cuts that no client has had are not in the run digest
                if key in self._initial and key not in self.digests:
                    self.digests[key], self._states.versions[key] = self._initial[key], 0
        if encodes is None:
            encodes = () if members else (client,)
        caches = [cache_of(d, sender, cut) for d in self._cached for sender in encodes]
        writes += caches
        reads += [key for key in caches if key in self.digests]
        lr = self.recipe.rate(round_index if scheduled_at is None else scheduled_at)
        described: dict[str, Ingredient] = {
            "client": client,
            "round": round_index,
            "lr": lr,
            "reads": [key.text for key in reads],
            "averages": [key.text for key in averages],
            "writes": [key.text for key in writes],
            "members": list(members),
        }
        if cut is not None:
            described["cut"] = cut
        if batch_size == self.recipe.batch_size:
            batch_size = None
        elif batch_size is not None:
            described["batch_size"] = batch_size
        read = [*map(self.shards, members or [client]), *map(self.digests.__getitem__, reads)]
        digest = node("chain", described, [self._base, *read])
        chain = Chain(
            client=client,
            round_index=round_index,
            lr=lr,
            weight=samples if self.recipe.averaging == "samples" else min(samples, 1),
            reads=tuple(reads),
            averages=tuple(averages),
            writes=tuple(writes),
            digest=digest,
            records=self.trains,
            cut=cut,
            batch_size=batch_size,
        )
        self._open[chain] = NOTHING
        if self.executor is not None:
            chain.versions = {key: self.versions.get(key, 0) for key in reads}
            self.executor.hold(chain)
        if writes and not at_end:
            self._open[chain] = self._states.write(chain, chain.digest)
        return chain

    def models(
        self, models: Sequence[tuple[StateKey, ...]], cuts: Mapping[int, int]
    ) -> tuple[Sequence[tuple[StateKey, ...]], Sequence[int]]:
        """Return models, named by their parts, by their states, and the weight of each.

        `cuts` has the number of clients by cut: if devices keep blocks frozen, the models of different
        cuts differ.
        """
        return (
            (models, [1] * len(models)) if self.mixed is None else self.mixed.models(models, cuts)
        )

    def interleave(self, trunk: Chain) -> Interleaved:
        """Let chains that join exchange tensors with `trunk`, which was opened with `at_end`."""
        return Interleaved(trunk)

    def drop(self, chain: Chain) -> None:
        """Drop a chain whose client dropped out: it is not run, and its states stay unchanged.

        Only for chains whose writes no other chain that is open reads.
        """
        self._states.restore(self._open.pop(chain))
        if self.executor is not None:
            self.executor.release(chain)

    def fold(
        self,
        chains: Sequence[Chain],
        aggregation: Aggregation | None = None,
        *,
        weights: Sequence[float] | None = None,
        total: float | None = None,
        deltas: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Run these chains and fold them into the states of which they are members.

        Chains are added in order, except those of weight 0. `weights` are by default the chains', and
        `aggregation` is the method's. See `Fold` for `total` and `deltas`.
        """
        aggregation = self.aggregation if aggregation is None else aggregation
        for chain in chains:
            if chain.group is not None:
                chain.digest = node("branch", chain.client, [chain.digest, chain.group.digest])
            if chain.writes and not self._open[chain]:
                self._open[chain] = self._states.write(chain, chain.digest)
        self.personal.add(chains)
        weights = [chain.weight for chain in chains] if weights is None else weights
        members: dict[StateKey, list[tuple[Chain, float]]] = {}
        for chain, weight in zip(chains, weights, strict=True):
            for key in chain.averages:
                if of_key := chain.weights.get(key, weight):
                    members.setdefault(key, []).append((chain, of_key))
        before = {key: self._states.before_fold(key, aggregation) for key in members}
        written = [state for key in members for state in folded(key, aggregation)]
        versions = {key: self._states.next_version(key) for key in written}
        if self.executor is not None:
            fold = Fold(aggregation, members, versions, total, deltas)
            self._folded[0].append(self.executor.run(chains, fold, progress))
            self._folded[1].extend(chain.lr for chain in chains)
        for key, pairs in members.items():
            described = [[chain.client, weight] for chain, weight in pairs]
            digests = [chain.digest for chain, _ in pairs]
            digest = aggregation.digest(key.text, described, before[key], digests)
            if deltas or total is not None:
                digest = node("fold", {"total": total, "deltas": deltas}, [*before[key], digest])
            self._states.set_folded(key, aggregation, digest)
        for chain in chains:
            del self._open[chain]
            if self.executor is not None:
                self.executor.release(chain)

    def merge(
        self,
        target: StateKey,
        members: Sequence[StateKey],
        weights: Sequence[float],
        aggregation: Aggregation | None = None,
    ) -> None:
        """Fold states of one part, such as those of edge nodes, into the state `target`."""
        aggregation = self.aggregation if aggregation is None else aggregation
        before = self._states.before_fold(target, aggregation)
        described: Ingredient = [
            [key.text, weight] for key, weight in zip(members, weights, strict=True)
        ]
        versions = {key: self._states.next_version(key) for key in folded(target, aggregation)}
        if self.executor is not None:
            pairs = list(zip(members, weights, strict=True))
            self.executor.merge(target, pairs, aggregation, versions)
        digests = [self.digests[key] for key in members]
        digest = aggregation.digest(target.text, described, before, digests)
        self._states.set_folded(target, aggregation, digest)

    def assign(self, target: StateKey, source: StateKey) -> None:
        """Set a state to the current value of another one of the same part."""
        self.digests[target] = self.digests[source]
        version = self._states.next_version(target)
        if self.executor is not None:
            self.executor.assign(target, source, version)

    def forget(self, keys: Iterable[StateKey]) -> None:
        """Forget states that nothing reads any more, such as those of edge nodes after a round."""
        for key in keys:
            self._states.forget(key)
            if self.executor is not None:
                self.executor.forget(key)

    def publish(self, group: Interleaved) -> None:
        """Make the trunk's states current with the operations so far; the trunk stays open."""
        self._states.write(group.trunk, group.digest)
        if self.executor is not None:
            self._folded[0].append(self.executor.publish(group))

    def close_round(self, progress: Progress | None = None) -> TrainedRound:
        """Run and fold the chains that are open, and close the round.

        Members of a part are weighted by their samples, or equally if the recipe says so, and added
        in the order in which their chains were opened (client order), not in which they finished.
        """
        self.fold(list(self._open), progress=progress)
        return self.close_window()

    def close_window(self) -> TrainedRound:
        """Update the run digest with the current states, and return the round's results.

        Open chains stay open; of the states that they write, the versions before them count.
        """
        digests = self.digests
        if self._open:
            digests = self._states.without(reversed(self._open.values()))
        texts, keys = in_order(tuple(digests))
        self.run_digest = node("round", texts, [self.run_digest, *(digests[key] for key in keys)])
        (reports, rates), self._folded = self._folded, ([], [])
        mark = None if self.executor is None else self.executor.mark()
        return TrainedRound(self.run_digest, mark, reports, rates)
