"""Chains: the operations on one set of replicas, in the order in which a method issued them.

A chain reads named states of the run ("device", "server", "buffer/7", ...), trains replicas of its own,
and produces members of the round's averages or states that no other chain writes. Chains of a round
share no replicas, so an executor may run them in sequence or in parallel. The states that a chain reads
and writes are declared when it is opened, since its digest covers them; the executor enforces this.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cutlayer.sim.learning.digest import Digest


class Batch(NamedTuple):
    """A batch of a client: its number in the round, local epoch, position in the epoch, and size."""

    number: int
    epoch: int
    position: int
    size: int


class TensorRef:
    """A reference to the result of an operation that may not have run yet; used exactly once."""

    __slots__ = ()


Operation = Callable[..., Any]
Progress = Callable[[int, int], None]  # called with the numbers of chains that are done and in all

ALL_CLIENTS: Final = -1  # the client index of a chain or shard of all clients together
# The first part of a state's name. State names are part of learning digests, hence the old spelling.
OPTIMIZER_STATE: Final = "optimiser"
MOMENTS: Final = "moments"  # of an aggregation: "moments/server"
TRAINED: Final = ("device", "server", "head")


def part_of(state: str) -> str:
    """Return the part of the model that a state's name begins with ("device" of "device/3")."""
    return state.partition("/")[0]


@dataclass(eq=False, slots=True)
class Chain:
    """Collects operations; without tensors (`records=False`) it only has a digest.

    `reads`, `averages` and `writes` are the names of the states that the chain of `client` reads, is
    averaged into and writes. `weight` is its weight in averages.
    """

    client: int
    round_index: int
    lr: float
    weight: int
    reads: tuple[str, ...]
    averages: tuple[str, ...]
    writes: tuple[str, ...]
    digest: Digest
    records: bool
    operations: list[tuple[Operation, tuple[Any, ...], TensorRef]] = field(default_factory=list)

    def do(self, operation: Operation, *arguments: Any) -> TensorRef | None:
        """Issue an operation on this chain's replicas; return a reference to its result."""
        if not self.records:
            return None
        result = TensorRef()
        self.operations.append((operation, arguments, result))
        return result
