"""Groups of interleaved chains: the operations that a group has issued since the last time are one task.

A group that is not finished is passed as a value from one of these tasks, its segments, to the next.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from cutlayer.sim.learning.chain import Chain, Operation, TensorRef
from cutlayer.sim.learning.digest import Digest
from cutlayer.sim.learning.graph.set_up import INPUTS, Inputs, SetUp
from cutlayer.sim.learning.graph.task_graph import Value
from cutlayer.sim.learning.graph.tasks import Version, Wanted, outputs
from cutlayer.sim.learning.interleaved import Interleaved
from cutlayer.sim.learning.interleaved_execution import GroupRun
from cutlayer.sim.learning.values import decode, encode
from cutlayer.sim.process.tasks import Note, Outcome

Read = tuple[Version, Value]
PendingOperation = tuple[Chain, Operation, tuple[Any, ...], tuple[TensorRef, ...]]


class Issued(NamedTuple):
    """An operation of the chain at a position, and the references to its results."""

    chain: int
    operation: Operation
    arguments: tuple[Any, ...]
    results: tuple[TensorRef, ...]


@dataclass(frozen=True)
class SegmentTask:
    """Runs operations of a group in order; reports a list with the reports of the `finished` chains.

    The last input is the group, unless it `begins`. The outputs are those of the finished chains and, if
    the group `goes_on`, the group. The chains `leaving` have no operations after these; a trunk that is
    published is finished and stays. `refs` are the numbers of the references in use afterwards.
    """

    name: str
    set_up: SetUp
    chains: tuple[Chain, ...]
    reads: tuple[Version, ...]
    operations: tuple[Issued, ...]
    finished: tuple[Wanted, ...]
    leaving: tuple[Chain, ...]
    refs: frozenset[int]
    begins: bool
    goes_on: bool

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        """Run the operations; return the outputs."""
        del note
        with self.set_up.looking_in():
            end = INPUTS + len(self.reads)
            states = Inputs(dict(zip(self.reads, inputs[INPUTS:end], strict=True)))
            workspace = self.set_up.workspace(inputs, states)
            group = _Group([], self.refs | {ref.number for ref in self._references()})
            if self.begins:
                run = GroupRun(group, workspace)
            else:
                run = GroupRun.load(group, workspace, decode(inputs[end]), self.chains)
            group.pending = [
                (self.chains[chain], operation, arguments, results)
                for chain, operation, arguments, results in self.operations
            ]
            return self._outcome(run, group)

    def _outcome(self, run: GroupRun, group: "_Group") -> Outcome:
        reports, written = [], []
        for chain, members in self.finished:
            finished = run.finished(chain)
            reports.append(finished.report())
            written += outputs(finished, members)
            finished.written.clear()
        for chain in self.leaving:
            run.leave(chain)
        if self.goes_on:
            group.refs = self.refs
            written.append(encode(run.dump()))
        for chain in self.chains:
            run.leave(chain)
        return Outcome(reports, tuple(written))

    def _references(self) -> list[TensorRef]:
        found = [ref for issued in self.operations for ref in (*issued.arguments, *issued.results)]
        return [ref for ref in found if isinstance(ref, TensorRef)]


@dataclass(eq=False)
class _Group:
    """The part of a group that its operations need: the numbers of the references in use."""

    pending: list[PendingOperation]
    refs: frozenset[int]
    digest: Digest = None

    def issue(self, *_: object) -> None:
        """Issue nothing: all operations are known."""
        raise AssertionError


@dataclass
class OpenGroup:
    """A group that is not finished, between two segments.

    `value` is the group after the last segment. `chains` are those that the next segment has to know,
    and what they read. `refs` are the numbers of the references to tensors in `value`.
    """

    value: Value | None = None
    chains: dict[Chain, list[Read]] = field(default_factory=dict)
    refs: frozenset[int] = frozenset()


def segment_of(
    group: Interleaved,
    finished: Sequence[Wanted],
    before: OpenGroup,
    leaving: Container[Chain],
    make: Callable[..., SegmentTask],
) -> SegmentTask:
    """Return the task for the operations of a group so far; `make` gets the remaining fields."""
    numbers = {chain: number for number, chain in enumerate(before.chains)}
    copies = [replace(chain, group=None, operations=[]) for chain in before.chains]
    references: dict[TensorRef, TensorRef] = {}

    def copied(value: Any) -> Any:
        if not isinstance(value, TensorRef):
            return value
        return references.setdefault(value, _reference(value.number))

    operations = tuple(
        Issued(numbers[chain], operation, tuple(map(copied, given)), tuple(map(copied, results)))
        for chain, operation, given, results in group.pending
    )
    issued = before.refs | {reference.number for reference in references.values()}
    references.clear()
    group.pending = []  # only references that are used elsewhere remain
    return make(
        chains=tuple(copies),
        operations=operations,
        finished=tuple(Wanted(copies[numbers[chain]], members) for chain, members in finished),
        leaving=tuple(copies[numbers[chain]] for chain in before.chains if chain in leaving),
        refs=frozenset(number for number in issued if number in group.refs),
        begins=before.value is None,
        goes_on=any(chain not in leaving for chain in before.chains),
    )


def _reference(number: int) -> TensorRef:
    reference = TensorRef()
    reference.number = number
    return reference
