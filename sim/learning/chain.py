"""Chains: the operations on one set of replicas, in the order in which a method issued them.

A chain reads named states of the run ("device", "server", "buffer/7", ...), works on replicas of its
own, and leaves states behind: members of the round's averages, or states that it alone writes. Chains
of a round do not touch each other's replicas, so an executor may run them one after another or side
by side. What a chain reads and writes is declared when it is opened, since its digest is made of that;
the executor enforces it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cutlayer.sim.learning.digest import Digest


class Batch(NamedTuple):
    """A batch of a client's round: its number in the round, local epoch, number in it, and size."""

    number: int
    epoch: int
    position: int
    size: int


class TensorRef:
    """Stands for the result of an operation that may not have run yet; used exactly once."""

    __slots__ = ()


Operation = Callable[..., Any]

ALL_CLIENTS: Final = -1  # the client index of a chain or shard of all clients together
# State names enter learning digests: the spelling must stay as it is in recorded digests.
OPTIMIZER_STATE: Final = "optimiser"


@dataclass(frozen=True)
class StateAccess:
    """Who opens a chain and what it reads, averages and writes (names of states).

    `weight` is how much it counts in averages.
    """

    client: int
    weight: int
    reads: tuple[str, ...]
    averages: tuple[str, ...]
    writes: tuple[str, ...]


class Chain:
    """Collects operations; without tensors (`records=False`) it only stands for its digest."""

    __slots__ = ("access", "digest", "lr", "operations", "records", "round_index")

    def __init__(
        self, access: StateAccess, round_index: int, lr: float, digest: Digest, records: bool
    ) -> None:
        self.access = access
        self.round_index = round_index
        self.lr = lr
        self.digest = digest
        self.records = records
        self.operations: list[tuple[Operation, tuple[Any, ...], TensorRef]] = []

    def do(self, operation: Operation, *arguments: Any) -> TensorRef | None:
        """Issue an operation on this chain's replicas; return a reference to its result."""
        if not self.records:
            return None
        result = TensorRef()
        self.operations.append((operation, arguments, result))
        return result
