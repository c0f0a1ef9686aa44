"""Execution of a chain: its replicas, the states that it may read, and those that it writes."""

from typing import Any, Final

import torch
from torch import Tensor, nn

from cutlayer.models.draws import Draws
from cutlayer.sim.learning.chain import Batch, Chain, Operation, TensorRef
from cutlayer.sim.learning.pending import ChainReport
from cutlayer.sim.learning.replica import Replica, State, make_optimizer
from cutlayer.sim.learning.state_key import CODEC, LOCAL, OPTIMIZER, StateKey
from cutlayer.sim.learning.workspace import Streams, Workspace
from cutlayer.sim.tasks.objective import Objective

LOSSES: Final = "losses"  # the key in `ChainRun.kept`: a loss and a number of samples for each step


class ChainRun:
    """The context in which operations run. Access to an undeclared state is an assertion error.

    A chain that is interleaved with others is `exclusive`: it borrows modules from the workspace, since
    the replicas of the others exist at the same time. `kept` has values that its operations share.
    """

    def __init__(self, chain: Chain, workspace: Workspace, *, exclusive: bool = False) -> None:
        self.chain = chain
        self.workspace = workspace
        self.exclusive = exclusive
        self.written: dict[StateKey, Any] = {}
        self.kept: dict[str, Any] = {}
        self._replicas: dict[str, Replica] = {}
        self._frozen: dict[str, nn.Module] = {}
        self.streams = Streams(
            workspace.recipe.seed,
            "module",
            chain.client,
            chain.round_index,
            device=workspace.device,
        )

    def execute(self) -> None:
        """Run every operation of the chain in order, and write its states."""
        values: dict[TensorRef, Any] = {}
        with self.workspace.drawing(self.streams):
            for operation, arguments, result in self.chain.operations:
                resolved = [values.pop(a) if isinstance(a, TensorRef) else a for a in arguments]
                values[result] = self.run(operation, resolved)
            self.write_states()

    def run(self, operation: Operation, arguments: list[Any]) -> Any:
        """Run one operation, with its own random streams."""
        silent = getattr(operation, "draws_nothing", False)
        draws = self.workspace.draws if silent else Draws.ANYTHING
        self.streams.begin(getattr(operation, "__qualname__", type(operation).__qualname__), draws)
        return operation(self, *arguments)

    def record_loss(self, loss: Tensor, samples: int) -> None:
        """Record the mean training loss of a step on `samples` samples, for `report`."""
        self.kept.setdefault(LOSSES, []).append([loss.detach(), samples])

    def report(self) -> ChainReport:
        """Return the mean loss of the steps since the last report, weighted by their samples."""
        losses = self.kept.pop(LOSSES, [])
        if not losses:
            return ChainReport()
        # One transfer from a device.
        values = torch.stack([loss for loss, _ in losses]).cpu().tolist()
        samples = sum(count for _, count in losses)
        total = sum(value * count for value, (_, count) in zip(values, losses, strict=True))
        return ChainReport(total / samples, samples)

    @property
    def task(self) -> Objective:
        """The loss of the task."""
        return self.workspace.task

    @property
    def replicas(self) -> dict[str, Replica]:
        """The replicas that operations have used, by part."""
        return self._replicas

    def replica(self, part: str) -> Replica:
        """Return this chain's replica of a part, created from the part's state on first use.

        The client's own state is used if the chain declares it, otherwise the shared one.
        """
        if part not in self._replicas:
            recipe = self.workspace.recipe
            saved = StateKey(part, self.chain.client, OPTIMIZER)
            module = self._module(part).train()
            state = self.read(saved) if self.may_read(saved) else None
            frozen = self.workspace.frozen.keys()
            optimizer = make_optimizer(module, recipe.optimizer, self.chain.lr, state, frozen)
            self._replicas[part] = Replica(module, optimizer, frozen)
        return self._replicas[part]

    def frozen(self, part: str) -> nn.Module:
        """Return a part in evaluation mode, which is not trained."""
        if part not in self._frozen:
            self._frozen[part] = self._module(part).eval()
        return self._frozen[part]

    def received(self, part: str) -> State:
        """Return the weights from which a replica of a part starts, with what stays at its client."""
        states = [self.read(key) for key in self.chain.sources(part)]
        own = StateKey(part, self.chain.client, LOCAL)
        if self.may_read(own):
            states.append(self.read(own))
        if len(states) == 1:
            (weights,) = states
            return weights  # type: ignore[no-any-return]
        return {name: value for state in states for name, value in state.items()}

    def _module(self, part: str) -> nn.Module:
        return self.workspace.module(
            part, self.received(part), self.chain.cut, exclusive=self.exclusive
        )

    def member(self, key: StateKey) -> State:
        """Return this chain's weights for the average `key`, valid until its modules are used again."""
        state = self.replica(self.chain.part_of(key)).weights(key.prefix)
        return self.workspace.at_home(key, state)

    def give_back(self) -> None:
        """Return borrowed modules to the workspace, after the last operation of the chain."""
        if self.exclusive:
            for part, replica in self._replicas.items():
                self.workspace.give_back(part, replica.module, self.chain.cut)
            for part, module in self._frozen.items():
                self.workspace.give_back(part, module, self.chain.cut)

    def may_read(self, key: StateKey) -> bool:
        """Return whether the chain declared that it reads a state."""
        return key in self.chain.versions

    def read(self, key: StateKey) -> Any:
        """Return the version of a state that was current when the chain was opened."""
        assert self.may_read(key), f"{key.text} is read but not declared"
        return self.workspace.states.read(key, self.chain.versions[key])

    def fill(self, key: StateKey) -> list[Any]:
        """Return the list that becomes the state `key` when the chain ends."""
        assert key in self.chain.writes, f"{key.text} is written but not declared"
        entries: list[Any] = self.written.setdefault(key, [])
        return entries

    def table(self, key: StateKey, client: int, columns: int) -> Tensor:
        """Return the table that becomes the state `key` when the chain ends, [shard size, columns].

        It starts as a copy of the state if the chain reads it; rows never written are NaN. It is on the
        CPU.
        """
        assert key in self.chain.writes, f"{key.text} is written but not declared"
        if key not in self.written:
            shape = (self.workspace.feed.shard_size(client), columns)
            before = self.read(key) if self.may_read(key) else None
            self.written[key] = (
                torch.full(shape, torch.nan, dtype=self.workspace.dtype)
                if before is None
                else before.clone()
            )
        table: Tensor = self.written[key]
        return table

    def batch(self, client: int, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return inputs [n, *input shape] and labels [n] of a batch of this round."""
        return self.workspace.on_device(self.prepared_batch(client, batch))

    def prepared_batch(self, client: int, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return inputs and labels of a batch on the CPU; see `batch`."""
        chain = self.chain
        images, labels = self.workspace.feed.batch(
            client, chain.round_index, batch, chain.batch_size
        )
        return self.workspace.converted(images), labels

    def samples(self, client: int, batch: Batch) -> Tensor:
        """Return the positions of a batch's samples in the client's shard, int64 [n]."""
        chain = self.chain
        return self.workspace.feed.samples(client, chain.round_index, batch, chain.batch_size)

    def label_shares(self, client: int, classes: int) -> Tensor:
        """Return the share of each label in a client's shard, [classes]."""
        counts = self.workspace.feed.labels(client).bincount(minlength=classes)
        return self.workspace.on_device(counts.to(self.workspace.dtype) / counts.sum())

    def write_states(self) -> None:
        """Complete `written` with the chain's own weights and optimizers."""
        for key in self.chain.writes:
            if key.kind == OPTIMIZER:
                self.written[key] = self.replica(key.part).optimizer_state()
            elif key.kind == LOCAL:
                state = self.replica(key.part).state()
                names = self.workspace.local_names(key.part)
                self.written[key] = {name: state[name] for name in sorted(names)}
            elif key.kind == CODEC and key not in self.written:  # the client sent nothing
                self.written[key] = self.read(key) if self.may_read(key) else None
            elif key not in self.written:
                self.written[key] = self.replica(self.chain.part_of(key)).state(key.prefix)
            self.written[key] = self.workspace.at_home(key, self.written[key])
