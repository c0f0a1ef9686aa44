"""Execution of interleaved chains: their operations in the order in which they were issued."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from cutlayer.sim.learning.chain import Chain, Group, TensorRef
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.chain_values import (
    ForwardPass,
    buffers_read,
    dump,
    load,
    passed,
    waiting,
)
from cutlayer.sim.learning.workspace import Workspace


class GroupRun:
    """The replicas of the chains of a group, and the tensors that they exchange.

    A tensor that was sent to or by a client that dropped out is freed with the next operations.
    """

    def __init__(self, group: Group, workspace: Workspace) -> None:
        self._group = group
        self._workspace = workspace
        self._runs: dict[Chain, ChainRun] = {}
        self._values: dict[int, Any] = {}  # by the numbers of their references
        self._passes: defaultdict[Chain, list[ForwardPass]] = defaultdict(list)

    def executed(self, chain: Chain) -> ChainRun:
        """Run the operations issued so far, and return the context of a chain."""
        operations, self._group.pending = self._group.pending, []
        with self._workspace.drawing(self._run(chain).streams):
            for owner, operation, arguments, results in operations:
                run = self._run(owner)
                self._workspace.streams = run.streams
                resolved = [
                    self._values.pop(a.number, None) if isinstance(a, TensorRef) else a
                    for a in arguments
                ]
                before, calls = waiting(run), dict(run.streams.calls)
                buffers = buffers_read(run)
                value = run.run(operation, resolved)
                passes = [one for one in self._passes[owner] if one.waiting(run)]
                if added := frozenset(waiting(run) - before):
                    passes.append(passed(run, operation, resolved, calls, buffers, added))
                self._passes[owner] = passes
                values: Sequence[Any] = (value,) if len(results) == 1 else value
                pairs = zip(results, values, strict=True)
                self._values.update(
                    {ref.number: value for ref, value in pairs if value is not None}
                )
        self._free()
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
        self._passes.pop(chain, None)

    def dump(self) -> Any:
        """Return everything between two operations as a value that `values.encode` takes.

        It shares tensors with the group: encode it before the next operation. Pending operations of the
        group are not part of it.
        """
        self._free()
        runs = [
            [chain.client, chain.round_index, dump(run, self._passes[chain])]
            for chain, run in self._runs.items()
        ]
        return self._workspace.on_cpu({"runs": runs, "values": self._values})

    @classmethod
    def load(
        cls, group: Group, workspace: Workspace, value: Any, chains: Iterable[Chain]
    ) -> "GroupRun":
        """Return a run that continues from the value of `dump`, which it then owns.

        `chains` are those of the group that are open; a client has at most one of a round.
        """
        loaded = cls(group, workspace)
        value = workspace.on_device(value)
        of_name = {(chain.client, chain.round_index): chain for chain in chains}
        for client, round_index, run in value["runs"]:
            chain = of_name[client, round_index]
            loaded._runs[chain], loaded._passes[chain] = load(chain, workspace, run)
        loaded._values = workspace.on_device(value["values"])
        return loaded

    def _free(self) -> None:
        """Free tensors that nothing will use."""
        refs = self._group.refs
        self._values = {number: value for number, value in self._values.items() if number in refs}

    def _run(self, chain: Chain) -> ChainRun:
        if chain not in self._runs:
            self._runs[chain] = ChainRun(chain, self._workspace, exclusive=True)
        return self._runs[chain]
