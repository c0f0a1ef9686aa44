"""Interleaved chains: the chains of several clients exchange tensors with one chain of the server.

If one server block serves several clients (SplitFed v2), the result depends on the order of its steps.
The operations of all these chains run in the order in which they were issued, and the order of the
clients is an ingredient of their digests.
"""

from collections.abc import Container
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary

from cutlayer.sim.learning.chain import Chain, Operation, TensorRef, contents
from cutlayer.sim.learning.digest import Digest, node


class Interleaved:
    """A group of chains: the `trunk`, which is the server's, and the clients' chains that join it.

    `pending` are the operations that have not run yet, in order, with their chains and results.
    """

    def __init__(self, trunk: Chain) -> None:
        self.trunk = trunk
        self.pending: list[tuple[Chain, Operation, tuple[Any, ...], tuple[TensorRef, ...]]] = []
        self._refs: WeakValueDictionary[int, TensorRef] = WeakValueDictionary()
        self._issued = 0
        self._joined: Digest = trunk.digest
        self._order = blake2b(digest_size=16)
        trunk.group = self

    @property
    def refs(self) -> Container[int]:
        """The numbers of the references to results that are still in use."""
        return self._refs

    def join(self, chain: Chain) -> "SharedChain":
        """Add a client's chain; return the trunk as this client's endpoint uses it."""
        chain.group = self
        self._joined = node("join", chain.client, [self._joined, chain.digest])
        return SharedChain(self, chain.client)

    def record_order(self, *clients: int) -> None:
        """Add the clients of the trunk's next operations, or other numbers about them, to the digest."""
        self._order.update(f"{clients}".encode())

    def issue(
        self,
        chain: Chain,
        operation: Operation,
        arguments: tuple[Any, ...],
        results: tuple[TensorRef, ...],
    ) -> None:
        """Issue an operation on one of the chains, and number its results."""
        for ref in results:
            ref.number = self._issued
            self._refs[ref.number] = ref
            self._issued += 1
        self.pending.append((chain, operation, arguments, results))

    def do(self, count: int, operation: Operation, *arguments: Any) -> tuple[TensorRef | None, ...]:
        """Issue an operation on the trunk that returns a sequence of `count` results."""
        return self.do_on(self.trunk, count, operation, *arguments)

    def do_on(
        self, chain: Chain, count: int, operation: Operation, *arguments: Any
    ) -> tuple[TensorRef | None, ...]:
        """Issue an operation on one of the chains that returns a sequence of `count` results."""
        if not chain.records:
            return (None,) * count
        results = tuple(TensorRef() for _ in range(count))
        self.issue(chain, operation, contents(arguments), results)
        return results

    @property
    def digest(self) -> Digest:
        """The digest of the order so far, and of the chains that have joined."""
        return node("turns", self._order.hexdigest(), [self._joined])


class SharedChain:
    """The trunk of a group, as the chain of one client's server endpoint."""

    def __init__(self, group: Interleaved, client: int) -> None:
        self.group = group
        self.client = client

    @property
    def round_index(self) -> int:
        """The round of the trunk."""
        return self.group.trunk.round_index

    def do(self, operation: Operation, *arguments: Any) -> TensorRef | None:
        """Issue an operation of the server for this client."""
        self.group.record_order(self.client)
        return self.group.trunk.do(operation, *arguments)
