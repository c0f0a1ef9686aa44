"""Which chains can run side by side, and which of them together."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from cutlayer.sim.learning.chain import Chain, Operation
from cutlayer.sim.learning.operations import (
    backward,
    forward,
    train_local,
    train_proximal,
    train_whole,
)
from cutlayer.sim.learning.stacked.stack import Issued, functions
from cutlayer.sim.learning.state_key import LOCAL, MODULES, OPTIMIZER


@dataclass(frozen=True)
class Fit:
    """Whether a chain can run beside others: `why_not` says why it cannot, otherwise it is None.

    Chains of equal `kind` can run together: they have the same cut, and replicas of the same parts.
    """

    why_not: str | None
    kind: Hashable = None


def fit(chain: Chain, known: Collection[Operation]) -> Fit:
    """Return whether a chain can run beside others; `known` are the operations with a stacked form."""
    if chain.group is not None:
        return Fit("chains that exchange tensors with others run one after another")
    if any(key.kind == LOCAL for key in (*chain.reads, *chain.writes)):
        return Fit("clients keep tensors of BatchNorm")
    operations = functions(chain)
    for operation, *_ in operations:
        if operation not in known:
            name = getattr(operation, "__qualname__", type(operation).__qualname__)
            return Fit(f"the operation {name} has no stacked form")
    returns = any(operation is backward for operation, *_ in operations)
    if returns and not _alternates(operations):
        return Fit("the device block is used between a forward pass and its backward pass")
    parts = {key.part for key in chain.reads if key.part in MODULES and key.kind != OPTIMIZER}
    return Fit(None, (chain.cut, frozenset(parts), returns))


def _alternates(operations: Sequence[Issued]) -> bool:
    """Return whether each forward pass of the device block is followed by its backward pass."""
    waiting: int | None = None
    for operation, arguments, _ in operations:
        if operation is backward:
            if arguments[0].number != waiting:
                return False
            waiting = None
        elif operation in _ON_DEVICE:
            if waiting is not None:
                return False
            waiting = arguments[1].number if operation is forward else None
    return waiting is None


_ON_DEVICE = frozenset({forward, train_whole, train_proximal, train_local})


def in_order_of_length(chains: Sequence[Chain]) -> list[Chain]:
    """Return chains with most operations first, so that those that run together are neighbours."""
    return sorted(chains, key=lambda chain: -len(chain.operations))
