"""A chain of a stack: it has its own reads, writes and batches; its replicas are lanes of the stack."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.replica import Replica, State
from cutlayer.sim.learning.stacked.part import StackedPart
from cutlayer.sim.learning.workspace import Workspace


class LaneReplica(Replica):
    """One lane of a part, for what a chain contributes and writes at its end."""

    def __init__(self, part: StackedPart, lane: int) -> None:
        super().__init__(part.module, None)
        self._part, self._lane = part, lane

    def weights(self, prefix: str = "") -> State:
        """Return the lane's weights themselves whose names begin with `prefix`."""
        return self._part.weights(self._lane, prefix)

    def optimizer_state(self) -> Mapping[str, Any] | None:
        """Return the state dict of the lane's optimizer; None for a part without parameters."""
        optimizer = self._part.optimizer
        return None if optimizer is None else optimizer.state_dict(self._lane)


class LaneRun(ChainRun):
    """The context of a chain in a stack; `part` returns a part of all lanes."""

    def __init__(
        self, chain: Chain, workspace: Workspace, part: Callable[[str], StackedPart], lane: int
    ) -> None:
        super().__init__(chain, workspace, exclusive=True)
        self._part, self._lane = part, lane

    def replica(self, part: str) -> LaneReplica:
        """Return this chain's lane of a part."""
        return LaneReplica(self._part(part), self._lane)

    def frozen(self, part: str) -> nn.Module:
        """Raise AssertionError: operations on frozen parts have stacked forms."""
        raise AssertionError(f"an operation of a stack runs the frozen part {part} of one lane")

    def give_back(self) -> None:
        """Do nothing: the stack returns its modules."""
