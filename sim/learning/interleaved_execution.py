"""Execution of interleaved chains: their operations in the order in which they were issued."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from cutlayer.sim.learning.chain import Chain, Group, TensorRef
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.workspace import Workspace


class GroupRun:
    """The replicas of the chains of a group, and the tensors that they exchange.

    A tensor that was sent to or by a client that dropped out is freed.
    """

    def __init__(self, group: Group, workspace: Workspace) -> None:
        self._group = group
        self._workspace = workspace
        self._runs: dict[Chain, ChainRun] = {}
        self._values: WeakKeyDictionary[TensorRef, Any] = WeakKeyDictionary()

    def executed(self, chain: Chain) -> ChainRun:
        """Run the operations issued so far, and return the context of a chain."""
        operations, self._group.pending = self._group.pending, []
        with self._workspace.drawing(self._run(chain).streams):
            for owner, operation, arguments, results in operations:
                run = self._run(owner)
                self._workspace.streams = run.streams
                resolved = [
                    self._values.pop(a, None) if isinstance(a, TensorRef) else a for a in arguments
                ]
                value = run.run(operation, resolved)
                values: Sequence[Any] = (value,) if len(results) == 1 else value
                pairs = zip(results, values, strict=True)
                self._values.update({ref: value for ref, value in pairs if value is not None})
        return self._run(chain)

    def finished(self, chain: Chain) -> ChainRun:
        """Run the operations issued so far, and complete what a chain writes."""
        run = self.executed(chain)
        run.write_states()
        return run

    def leave(self, chain: Chain) -> None:
        """Return the modules of a chain after its last operation."""
        if self._group.pending:
            self.executed(chain)  # others need what it has sent
        if chain in self._runs:
            self._runs.pop(chain).give_back()

    def _run(self, chain: Chain) -> ChainRun:
        if chain not in self._runs:
            self._runs[chain] = ChainRun(chain, self._workspace, exclusive=True)
        return self._runs[chain]
