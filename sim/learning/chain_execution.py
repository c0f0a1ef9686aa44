"""Execution of a chain: its replicas, the states that it may read, and those that it writes."""

from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.sim.learning.chain import OPTIMIZER_STATE, Batch, Chain, TensorRef, part_of
from cutlayer.sim.learning.replica import Replica, make_optimizer
from cutlayer.sim.learning.workspace import Workspace


class ChainRun:
    """The context in which operations run. Access to an undeclared state is an assertion error."""

    def __init__(self, chain: Chain, workspace: Workspace) -> None:
        self.chain = chain
        self.workspace = workspace
        self.written: dict[str, Any] = {}
        self._replicas: dict[str, Replica] = {}
        self._frozen: dict[str, nn.Module] = {}
        self._values: dict[TensorRef, Any] = {}

    def execute(self) -> None:
        """Run every operation of the chain in order."""
        chain = self.chain
        with self.workspace.drawing("module", chain.client, chain.round_index) as begin:
            for operation, arguments, result in chain.operations:
                resolved = [
                    self._values.pop(a) if isinstance(a, TensorRef) else a for a in arguments
                ]
                begin(getattr(operation, "__qualname__", type(operation).__qualname__))
                self._values[result] = operation(self, *resolved)
            self._write_states()

    def replica(self, part: str) -> Replica:
        """Return this chain's replica of a part, created from the part's state on first use.

        The client's own state ("device/3") is used if the chain declares it, otherwise the shared one.
        """
        if part not in self._replicas:
            client, recipe = self.chain.client, self.workspace.recipe
            own, saved = f"{part}/{client}", f"{OPTIMIZER_STATE}/{part}/{client}"
            weights = self.read(own if self.may_read(own) else part)
            module = self.workspace.module(part, weights).train()
            state = self.read(saved) if self.may_read(saved) else None
            optimizer = make_optimizer(module, recipe.optimizer, self.chain.lr, state)
            self._replicas[part] = Replica(module, optimizer)
        return self._replicas[part]

    def frozen(self, part: str) -> nn.Module:
        """Return a part in evaluation mode, which is not trained."""
        if part not in self._frozen:
            self._frozen[part] = self.workspace.module(part, self.read(part)).eval()
        return self._frozen[part]

    def may_read(self, name: str) -> bool:
        """Return whether the chain declared that it reads the state `name`."""
        return name in self.chain.reads

    def read(self, name: str) -> Any:
        """Return the state `name`, which the chain must have declared."""
        assert self.may_read(name), f"{name} is read but not declared"
        return self.workspace.states[name]

    def fill(self, name: str) -> list[Any]:
        """Return the list that becomes the state `name` when the chain ends."""
        assert name in self.chain.writes, f"{name} is written but not declared"
        entries: list[Any] = self.written.setdefault(name, [])
        return entries

    def table(self, name: str, client: int, columns: int) -> Tensor:
        """Return the table that becomes the state `name` when the chain ends, [shard size, columns].

        It starts as a copy of the state if the chain reads it; rows never written are NaN.
        """
        assert name in self.chain.writes, f"{name} is written but not declared"
        if name not in self.written:
            shape = (self.workspace.feed.shard_size(client), columns)
            self.written[name] = (
                self.read(name).clone()
                if self.may_read(name)
                else torch.full(shape, torch.nan, dtype=self.workspace.dtype)
            )
        table: Tensor = self.written[name]
        return table

    def batch(self, client: int, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return inputs [n, *input shape] and labels [n] of a batch of this round."""
        images, labels = self.workspace.feed.batch(client, self.chain.round_index, batch)
        return self.workspace.converted(images), labels

    def samples(self, client: int, batch: Batch) -> Tensor:
        """Return the positions of a batch's samples in the client's shard, int64 [n]."""
        return self.workspace.feed.samples(client, self.chain.round_index, batch)

    def _write_states(self) -> None:
        for name in self.chain.writes:
            if name.startswith(f"{OPTIMIZER_STATE}/"):
                optimizer = self.replica(name.split("/")[1]).optimizer
                self.written[name] = None if optimizer is None else optimizer.state_dict()
            elif name not in self.written:
                self.written[name] = self.replica(part_of(name)).state()
