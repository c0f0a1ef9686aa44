"""The tasks of the graph: chains, folds and evaluations, each a function of its inputs alone.

The first inputs of chains and evaluations are those of the set-up; `reads` names the others, in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cutlayer.sim.learning.aggregation import Aggregation, Shared
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.evaluation import all_finite, evaluate_batches, modules_of
from cutlayer.sim.learning.graph.set_up import INPUTS, Inputs, SetUp
from cutlayer.sim.learning.replica import State
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.values import decode, encode
from cutlayer.sim.process.tasks import Note, Outcome

Version = tuple[StateKey, int]


class Wanted(NamedTuple):
    """A chain, and the states of which it is a member: their values become one output."""

    chain: Chain
    members: tuple[StateKey, ...]


def outputs_of(wanted: Wanted) -> int:
    """Return the number of outputs: one for each state that the chain writes, and the members."""
    return len(wanted.chain.writes) + bool(wanted.members)


def outputs(run: ChainRun, members: Sequence[StateKey]) -> list[bytes]:
    """Return what a chain that has run writes, in order, and its members."""
    written = [encode(run.written[key]) for key in run.chain.writes]
    return written + ([encode([run.member(key) for key in members])] if members else [])


@dataclass(frozen=True)
class ChainTask:
    """Runs a chain; reports a list with the chain's report."""

    name: str
    set_up: SetUp
    wanted: Wanted
    reads: tuple[Version, ...]

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        """Run the operations of the chain; return what it writes, and its members."""
        del note
        with self.set_up.looking_in():
            states = Inputs(dict(zip(self.reads, inputs[INPUTS:], strict=True)))
            run = ChainRun(self.wanted.chain, self.set_up.workspace(inputs, states))
            run.execute()
            return Outcome([run.report()], tuple(outputs(run, self.wanted.members)))


class Addition(NamedTuple):
    """A share of a member, which is added to the sum of a state; inputs are identified by position.

    `item` is the member's position if the input is a list, None if the input is the member. With
    `difference`, the current weights minus those that the member started from are added as well.
    """

    key: StateKey
    share: float
    source: int
    item: int | None = None
    difference: tuple[int, int] | None = None


class Closing(NamedTuple):
    """The positions of the weights and, if there are any, of the moments of a state before a fold."""

    key: StateKey
    weights: int
    moments: int | None


@dataclass(frozen=True)
class FoldTask:
    """Adds members to the sums of states, in order, and closes the sums.

    Without `closings`, the output is the sums, which are the input `sums` of the next task. Otherwise
    there are outputs for each state: its weights and, if the aggregation has any, moments.
    """

    name: str
    set_up: SetUp
    aggregation: Aggregation
    additions: tuple[Addition, ...]
    sums: int | None
    closings: tuple[Closing, ...]

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        """Return the sums, or the states that they give."""
        del note
        with self.set_up.looking_in():
            sums: dict[StateKey, State] = {} if self.sums is None else decode(inputs[self.sums])
            views = [decode(content, copy=False) for content in inputs]
            for key, share, source, item, difference in self.additions:
                member: State = views[source] if item is None else views[source][item]
                total = sums.setdefault(key, {})
                self.aggregation.add(total, member, share)
                if difference is not None:
                    current, start = (views[position] for position in difference)
                    self.aggregation.add_difference(total, current, start, share)
            if not self.closings:
                return Outcome(None, (encode(sums),))
            written = []
            for key, weights, moments in self.closings:
                before = Shared(views[weights], {} if moments is None else views[moments])
                after = self.aggregation.close(before, sums[key], self.set_up.parameters(key))
                written.append(encode(after.weights))
                if self.aggregation.moments:
                    written.append(encode(after.moments))
            return Outcome(None, tuple(written))


@dataclass(frozen=True)
class EvaluationTask:
    """Evaluates a model, named by the states of its parts, on the test batches from `first` to `end`.

    Its report has the results of the batches, and whether all weights are finite, which only the task of
    the first batch checks.
    """

    name: str
    set_up: SetUp
    keys: tuple[StateKey, ...]
    first: int
    end: int

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        """Return the report."""
        del note
        with self.set_up.looking_in():
            workspace = self.set_up.workspace(inputs, Inputs({}))
            self.set_up.share_test_batches(workspace.feed)
            states = [decode(content, copy=False) for content in inputs[INPUTS:]]
            modules = modules_of(workspace, self.keys, states)
            counts = evaluate_batches(workspace, modules, self.first, self.end)
            return Outcome((counts, self.first > 0 or all_finite(states)))
