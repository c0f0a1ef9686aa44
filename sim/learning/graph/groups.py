"""Groups of interleaved chains: the operations that a group has issued since the last time are one task.

A group that goes on travels as a value from one of these tasks, its segments, to the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from cutlayer.sim.learning.chain import Chain, Operation, TensorRef
from cutlayer.sim.learning.digest import Digest
from cutlayer.sim.learning.graph.nodes import Value
from cutlayer.sim.learning.graph.set_up import INPUTS, Inputs, SetUp
from cutlayer.sim.learning.graph.tasks import Version, Wanted, outputs
from cutlayer.sim.learning.interleaved import Interleaved
from cutlayer.sim.learning.interleaved_execution import GroupRun
from cutlayer.sim.learning.values import decode, encode
from cutlayer.sim.process.tasks import Note, Outcome

Read = tuple[Version, Value]
Pending = tuple[Chain, Operation, tuple[Any, ...], tuple[TensorRef, ...]]


class Issued(NamedTuple):
    """An operation of the chain at a position, and the references to its results."""

    chain: int
    operation: Operation
    arguments: tuple[Any, ...]
    results: tuple[TensorRef, ...]


@dataclass(frozen=True)
class SegmentTask:
    """Runs operations of a group in order; its report has those of the chains that end with it.

    The last input is the group, unless it `begins`. The chains `ending` and the one `leaving` have no
    operations after these. The outputs are those of the chains that end, what the `trunk` would write,
    if it is open, and the group, if it `goes_on`. `refs` are the numbers of references in use then.
    """

    name: str
    set_up: SetUp
    chains: tuple[Chain, ...]
    reads: tuple[Version, ...]
    operations: tuple[Issued, ...]
    ending: tuple[Wanted, ...]
    leaving: Chain | None
    trunk: Chain | None
    refs: frozenset[int]
    begins: bool
    goes_on: bool
    published: bool  # the trunk, after the segment before

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
            if self.published and self.trunk is not None:
                run.executed(self.trunk).written.clear()
            group.pending = [
                (self.chains[chain], operation, arguments, results)
                for chain, operation, arguments, results in self.operations
            ]
            return self._outcome(run, group)

    def _outcome(self, run: GroupRun, group: "_Group") -> Outcome:
        reports, written = [], []
        for chain, members in self.ending:
            ended = run.finished(chain)
            reports.append(ended.report())
            written += outputs(ended, members)
        if self.trunk is not None:
            of_trunk = run.executed(self.trunk)
            before = dict(of_trunk.written)
            of_trunk.write_states()
            written += outputs(of_trunk, ())
            of_trunk.written.clear()
            of_trunk.written.update(before)
        if self.goes_on:
            if self.leaving is not None:
                run.leave(self.leaving)
            for chain, _ in self.ending:
                run.leave(chain)
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

    pending: list[Pending]
    refs: frozenset[int]
    digest: Digest = None

    def issue(self, *_: object) -> None:
        """Issue nothing: all operations are known."""
        raise AssertionError


@dataclass
class OpenGroup:
    """A group that goes on, between two segments.

    `value` is the group after the last segment, and `states` what the trunk would write, if known.
    `chains` are those that the next segment has to know, and what they read. `refs` are the numbers of
    the references to tensors in `value`.
    """

    value: Value | None = None
    states: Sequence[Value] | None = None
    published: bool = False
    chains: dict[Chain, list[Read]] = field(default_factory=dict)
    refs: frozenset[int] = frozenset()


def segment_of(
    group: Interleaved,
    ending: Sequence[Wanted],
    before: OpenGroup,
    make: Callable[..., SegmentTask],
    *,
    leaving: Chain | None,
    goes_on: bool,
    is_open: bool,
) -> SegmentTask:
    """Return the task of the operations of a group so far, `make` with more arguments.

    The group `goes_on` after this segment, and its trunk `is_open`.
    """
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
    group.pending = []  # only what others still use is left of the references
    return make(
        chains=tuple(copies),
        operations=operations,
        ending=tuple(Wanted(copies[numbers[chain]], members) for chain, members in ending),
        leaving=None if leaving is None else copies[numbers[leaving]],
        trunk=copies[numbers[group.trunk]] if is_open else None,
        refs=frozenset(number for number in issued if number in group.refs),
        begins=before.value is None,
        goes_on=goes_on,
        published=before.published,
    )


def _reference(number: int) -> TensorRef:
    reference = TensorRef()
    reference.number = number
    return reference
