"""The executor that turns what a method asks for into tasks; it submits them and does not wait.

States are values that may not exist yet. What a chain reads, which members a fold takes and in which
order they are added is fixed when the method asks, as in `inline`, so that the order in which tasks end
does not matter.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

from cutlayer.sim.learning.aggregation import Aggregation
from cutlayer.sim.learning.chain import Chain, Group, Progress
from cutlayer.sim.learning.fold import Fold
from cutlayer.sim.learning.graph.evaluating import evaluation_of
from cutlayer.sim.learning.graph.folding import Folding
from cutlayer.sim.learning.graph.groups import OpenGroup, Read, SegmentTask, segment_of
from cutlayer.sim.learning.graph.results import GraphMark, ReportsOf
from cutlayer.sim.learning.graph.set_up import SetUp
from cutlayer.sim.learning.graph.submitted_chain import SubmittedChain, submitted_chain
from cutlayer.sim.learning.graph.task_graph import ALONE, CHAIN, Graph, Value
from cutlayer.sim.learning.graph.tasks import ChainTask, Wanted, outputs_of
from cutlayer.sim.learning.interleaved import Interleaved
from cutlayer.sim.learning.pending import Evaluation, Pending, Reports
from cutlayer.sim.learning.state_key import ALL_CLIENTS, MOMENTS, StateKey
from cutlayer.sim.learning.states import States
from cutlayer.sim.learning.values import encode


class GraphExecutor:
    """Submits chains and folds as tasks of a graph; gives the same bits as `inline`.

    `inputs` are those of the set-up. `ended` is called with the name of the set-up when the run closes.
    """

    ahead = 1

    def __init__(
        self,
        graph: Graph,
        set_up: SetUp,
        inputs: Sequence[Value],
        states: Mapping[StateKey, Value],
        test_batches: int,
        ended: Callable[[str], None],
    ) -> None:
        self._graph = graph
        self._set_up = set_up
        self._inputs = list(inputs)
        self._states = States(states)
        self._test_batches = test_batches
        self._ended = ended
        self._open: dict[Chain, None] = {}
        self._groups: dict[Interleaved, OpenGroup] = {}
        self._early: dict[
            Chain, SubmittedChain
        ] = {}  # chains that are submitted and not folded yet

    def hold(self, chain: Chain) -> None:
        """Keep the versions that a chain reads until `release`."""
        self._open[chain] = None
        self._states.hold(chain.versions)

    def release(self, chain: Chain) -> None:
        """Free the versions of a chain that has run, or will not run."""
        self._early.pop(chain, None)
        group = chain.group
        if group is not None:
            self._leave(_interleaved(group), chain)
        del self._open[chain]
        self._states.release(chain.versions)

    def run(self, chains: Sequence[Chain], fold: Fold, progress: Progress | None) -> Reports:
        """Submit chains and the fold of their members; return their reports, in order."""
        weights = {key: dict(members) for key, members in fold.members.items()}
        totals = {key: fold.total_of(key) for key in weights}
        wanted = [
            Wanted(chain, tuple(key for key in chain.averages if chain in weights.get(key, ())))
            for chain in chains
        ]
        folding = Folding(self._graph, self._set_up, fold.aggregation, self._name(chains))
        groups: dict[Interleaved, dict[Chain, SubmittedChain]] = {}
        ran = []
        for one in wanted:
            chain = one.chain
            group = chain.group
            if group is None:
                run = self._chain_ran(one, ALONE if len(chains) == 1 else CHAIN)
            else:
                group = _interleaved(group)
                if group not in groups:
                    ending = [other for other in wanted if other.chain.group is group]
                    leaving = {other.chain for other in ending}
                    groups[group] = self._segment(group, ending, leaving)
                run = groups[group][chain]
            ran.append(run)
            for key in one.members:
                share = weights[key][chain] / totals[key]
                start, current = None, self._states[key]
                if fold.deltas:
                    start = self._states.read(key, chain.versions[key])
                folding.add(key, share, *run.members[key], current, start)
            if one.members:
                folding.next_member()
            for key, value in run.written.items():
                self._states.put(key, chain.written[key], value)
        for key in folding.keys:
            missing = totals[key] - sum(weights[key].values())
            if missing:
                folding.add(key, missing / totals[key], self._states[key])
        self._close(folding, fold.versions)
        return ReportsOf(self._graph, [(run.node, run.position) for run in ran], progress)

    def merge(
        self,
        target: StateKey,
        members: Sequence[tuple[StateKey, float]],
        aggregation: Aggregation,
        versions: Mapping[StateKey, int],
    ) -> None:
        """Fold states into another one of the same part."""
        name = f"{self._set_up.recipe.method}, {target.text}"
        folding = Folding(self._graph, self._set_up, aggregation, name)
        weight = sum(weight for _, weight in members)
        for key, own in members:
            folding.add(target, own / weight, self._states[key])
            folding.next_member()
        self._close(folding, versions)

    def assign(self, target: StateKey, source: StateKey, version: int) -> None:
        """Set a state to the value of another one."""
        self._states.put(target, version, self._states[source])

    def forget(self, key: StateKey) -> None:
        """Remove a state."""
        self._states.remove(key)

    def publish(self, group: Interleaved) -> Reports:
        """Submit the operations so far, and make the trunk's states current; return its report."""
        ran = self._segment(group, [Wanted(group.trunk, ())], leaving=())[group.trunk]
        for key, value in ran.written.items():
            self._states.put(key, group.trunk.written[key], value)
        return ReportsOf(self._graph, [(ran.node, ran.position)], None)

    def evaluate(
        self, models: Sequence[tuple[StateKey, ...]], weights: Sequence[int]
    ) -> Pending[Evaluation]:
        """Submit the evaluation of models, each in slices of the test set, which workers share."""
        inputs = [[*self._inputs, *(self._states[key] for key in keys)] for keys in models]
        each = list(zip(models, inputs, strict=True))
        return evaluation_of(self._graph, self._set_up, each, weights, self._test_batches)

    def mark(self) -> GraphMark:
        """Return the states of a round that closes."""
        groups = dict.fromkeys(_interleaved(c.group) for c in self._open if c.group is not None)
        values = [self._groups[one].value if one in self._groups else None for one in groups]
        return GraphMark(self._graph, self._states, values)

    def restore(
        self,
        values: Mapping[tuple[StateKey, int], Any],
        versions: Mapping[StateKey, int],
        chains: Sequence[Chain],
        groups: Sequence[Any],
    ) -> None:
        """Continue from a mark of an earlier run, before any chain is held."""
        assert not self._open, "chains have been opened"
        put = {which: self._graph.put(encode(value)) for which, value in values.items()}
        self._states.restore(put, versions)
        for chain in chains:
            self.hold(chain)
        of_group: dict[Interleaved, dict[Chain, list[Read]]] = {}
        for chain in chains:
            if chain.group is not None:
                of_group.setdefault(_interleaved(chain.group), {})[chain] = self._reads(chain)
            elif any(versions.get(key, -1) >= own for key, own in chain.written.items()):
                # It has run, since another chain has read what it writes. It runs again as a member.
                run = self._submit(Wanted(chain, chain.averages), ALONE)
                self._early[chain] = replace(run, written={})
        for (group, members), value in zip(of_group.items(), groups, strict=True):
            if value is not None:
                refs = frozenset(value["values"])
                self._groups[group] = OpenGroup(self._graph.put(encode(value)), members, refs)

    def close(self) -> None:
        """Cancel what has not run, and free the states."""
        self._graph.cancel()
        self._states = States({})
        self._inputs = []
        self._early.clear()
        self._groups.clear()
        self._ended(self._set_up.name)

    def _chain_ran(self, wanted: Wanted, priority: int) -> SubmittedChain:
        """Submit a chain, and those before it that write what it reads, unless they are submitted."""
        early = self._early.get(wanted.chain)
        if early is None:
            self._submit_writers(wanted.chain)
            return self._submit(wanted, priority)
        return replace(early, written={})  # what it writes was made current when it was submitted

    def _submit_writers(self, chain: Chain) -> None:
        """Submit chains early that write what a chain reads, if they are folded after it."""
        for key, version in chain.versions.items():
            if self._states.has(key, version):
                continue
            writer = next(one for one in self._open if one.written.get(key) == version)
            self._submit_writers(writer)
            run = self._early[writer] = self._submit(Wanted(writer, writer.averages), ALONE)
            for own, value in run.written.items():
                self._states.put(own, writer.written[own], value)

    def _submit(self, wanted: Wanted, priority: int) -> SubmittedChain:
        chain = wanted.chain
        reads = dict(self._reads(chain))
        inputs = [*self._inputs, *reads.values()]
        frozen = wanted._replace(chain=replace(chain, operations=list(chain.operations)))
        task = ChainTask(self._name([chain]), self._set_up, frozen, tuple(reads))
        node, values = self._graph.add(task, inputs, outputs_of(wanted), priority)
        return submitted_chain(node, 0, wanted, values)

    def _segment(
        self, group: Interleaved, finished: Sequence[Wanted], leaving: Container[Chain]
    ) -> dict[Chain, SubmittedChain]:
        """Submit the operations of a group so far; return its chains that are then finished."""
        before = self._groups.pop(group, OpenGroup())
        for chain in self._open:
            if chain.group is group and chain not in before.chains:
                before.chains[chain] = self._reads(chain)
        reads = dict(pair for reads in before.chains.values() for pair in reads)
        name = self._name([one.chain for one in finished])
        make = partial(SegmentTask, name, self._set_up, reads=tuple(reads))
        task = segment_of(group, finished, before, leaving, make)
        inputs = [*self._inputs, *reads.values()]
        if before.value is not None:
            inputs.append(before.value)
        ends = [*accumulate(map(outputs_of, finished), initial=0)]
        node, values = self._graph.add(task, inputs, ends[-1] + task.goes_on, ALONE)
        if task.goes_on:
            chains = {chain: own for chain, own in before.chains.items() if chain not in leaving}
            self._groups[group] = OpenGroup(values.pop(), chains, task.refs)
        return {
            one.chain: submitted_chain(node, position, one, values[first:end])
            for position, (one, (first, end)) in enumerate(
                zip(finished, pairwise(ends), strict=True)
            )
        }

    def _leave(self, group: Interleaved, chain: Chain) -> None:
        """Remove a chain from its group after its operations so far, whose results others may need."""
        opened = self._groups.get(group, OpenGroup())
        if all(other is chain or other.group is not group for other in self._open):
            self._groups.pop(group, None)
        elif group.pending or chain in opened.chains:
            self._segment(group, (), leaving=(chain,))

    def _reads(self, chain: Chain) -> list[Read]:
        """Return the states that a chain reads."""
        return [((key, v), self._states.read(key, v)) for key, v in chain.versions.items()]

    def _close(self, folding: Folding, versions: Mapping[StateKey, int]) -> None:
        """Submit the end of a fold, and make the states that it gives current."""
        closings = [
            (key, self._states[key], self._states.get(key.of_kind(MOMENTS))) for key in folding.keys
        ]
        for key, value in folding.closed(closings).items():
            self._states.put(key, versions[key], value)

    def _name(self, chains: Sequence[Chain]) -> str:
        """Return the name of a task in messages."""
        clients = [chain.client for chain in chains if chain.client != ALL_CLIENTS]
        whose = ""
        if len(chains) == len(clients) == 1:
            whose = f", client {clients[0]}"
        at = f", round {chains[0].round_index}" if chains else ""
        return f"{self._set_up.recipe.method}{at}{whose}"


def _interleaved(group: Group) -> Interleaved:
    assert isinstance(group, Interleaved)
    return group
