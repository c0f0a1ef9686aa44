"""Chains: the operations on one set of replicas, in the order in which a method issued them.

A chain reads states of the run, trains replicas of its own, and produces members of averages or states
that no other chain writes. It reads the versions of the states that are current when it is opened,
however late it runs. Its reads and writes are declared at that time, since its digest covers them; the
executor enforces this. Chains share no replicas, so an executor may run them in sequence or in
parallel, except those that are interleaved (`cutlayer.sim.learning.interleaved`).
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from cutlayer.sim.learning.digest import Digest
from cutlayer.sim.learning.state_key import StateKey


class Batch(NamedTuple):
    """A batch of a client: its number in the round, local epoch, position in the epoch, and size."""

    number: int
    epoch: int
    position: int
    size: int


class TensorRef:
    """A reference to the result of an operation that may not have run yet; used at most once.

    The references of a group are numbered in the order in which it issued them.
    """

    __slots__ = ("__weakref__", "number")

    def __init__(self) -> None:
        self.number = -1


class Carrier:
    """Something that carries the result of an operation, such as a payload: its `content`."""

    __slots__ = ()

    content: TensorRef | None


def contents(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with each carrier replaced by its content."""
    return tuple(value.content if isinstance(value, Carrier) else value for value in arguments)


Operation = Callable[..., Any]
Progress = Callable[[int, int], None]  # called with the numbers of chains that are done and in all


class Group(Protocol):
    """Chains that exchange tensors, see `cutlayer.sim.learning.interleaved`."""

    pending: "list[tuple[Chain, Operation, tuple[Any, ...], tuple[TensorRef, ...]]]"

    @property
    def refs(self) -> Container[int]:
        """The numbers of the references to results that are still in use."""

    @property
    def digest(self) -> Digest:
        """The digest of the operations so far."""

    def issue(
        self,
        chain: "Chain",
        operation: Operation,
        arguments: tuple[Any, ...],
        results: tuple[TensorRef, ...],
    ) -> None:
        """Issue an operation on one of the chains."""


@dataclass(eq=False, slots=True)
class Chain:
    """Collects operations; without tensors (`records=False`) it only has a digest.

    `reads`, `averages` and `writes` are the states that the chain reads, is averaged into and writes.
    `weight` is its weight in averages, and `weights` has those of single states. `versions` has the
    versions of the states that it reads, `written` those of the states that it writes, once other chains
    may read them. `cut` is its client's, if clients have different ones; `batch_size` is set if it is
    not the recipe's.
    """

    client: int
    round_index: int
    lr: float
    weight: int
    reads: tuple[StateKey, ...]
    averages: tuple[StateKey, ...]
    writes: tuple[StateKey, ...]
    digest: Digest
    records: bool
    cut: int | None = None
    batch_size: int | None = None
    versions: Mapping[StateKey, int] = field(default_factory=dict)
    written: dict[StateKey, int] = field(default_factory=dict)
    weights: Mapping[StateKey, int] = field(default_factory=dict)
    group: Group | None = None
    operations: list[tuple[Operation, tuple[Any, ...], TensorRef]] = field(default_factory=list)

    def do(self, operation: Operation, *arguments: Any) -> TensorRef | None:
        """Issue an operation on this chain's replicas; return a reference to its result.

        A carrier among the arguments is replaced by its content.
        """
        if not self.records:
            return None
        result = TensorRef()
        arguments = contents(arguments)
        if self.group is not None:
            self.group.issue(self, operation, arguments, (result,))
        else:
            self.operations.append((operation, arguments, result))
        return result

    def sources(self, part: str) -> Sequence[StateKey]:
        """Return the states from which a replica of a part starts: the client's own if declared.

        A part has one state or, if clients have different cuts, one for each of its blocks.
        """
        if self.cut is not None and part != "head":
            blocks = [key for key in self.reads if key.block is not None]
            return [key for key in blocks if self.part_of(key) == part]
        declared = [key for key in self.reads if key.part == part and key.is_module]
        assert declared, f"{part} is read but not declared"
        of_client = [key for key in declared if key.owner == self.client]
        return (of_client or declared)[:1]

    def part_of(self, key: StateKey) -> str:
        """Return the part of this chain's model to which a state belongs."""
        if key.block is None:
            return key.part
        assert self.cut is not None, "blocks have states of their own only with a cut"
        return "device" if key.block < self.cut else "server"
