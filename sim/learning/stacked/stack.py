"""A stack: chains whose operations run side by side, each chain in a lane of its own."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.sim.learning.chain import Batch, Chain, Operation, TensorRef
from cutlayer.sim.learning.deferred import function_of
from cutlayer.sim.learning.stacked.check import Checks
from cutlayer.sim.learning.stacked.lane import LaneRun
from cutlayer.sim.learning.stacked.lanes import Lanes
from cutlayer.sim.learning.stacked.part import SharedPart, StackedPart, Turn
from cutlayer.sim.learning.state_key import OPTIMIZER, StateKey
from cutlayer.sim.learning.workspace import Workspace

Arguments = list[Any]
Issued = tuple[Operation, tuple[Any, ...], TensorRef]


@dataclass(frozen=True)
class Form:
    """The stacked form of an operation.

    Lanes whose arguments have the same `shape` run together: `run` gets them and the arguments of each,
    and returns one result per lane.
    """

    run: "Callable[[Stack, Lanes, Sequence[Arguments]], Sequence[Any]]"
    shape: "Callable[[Stack, int, Arguments], Hashable]"


@dataclass(frozen=True, eq=False)
class Waiting:
    """Activations [lanes, batch, ...] of a forward pass, whose graph waits for gradients."""

    turn: Turn
    activations: Tensor


class Stack:
    """Lanes of chains with the same parts, and the parts' weights for all of them.

    Nothing of the run changes before its chains are folded, so a stack that fails can be abandoned.
    """

    def __init__(
        self,
        chains: Sequence[Chain],
        workspace: Workspace,
        forms: Mapping[Operation, Form],
        checks: Checks,
    ) -> None:
        self.workspace = workspace
        self.task = workspace.task
        self.runs = [
            LaneRun(chain, workspace, self.part, lane) for lane, chain in enumerate(chains)
        ]
        self.waiting: dict[tuple[int, int], Waiting] = {}  # by lane and batch number
        self._forms = forms
        self._checks = checks
        self._cut = chains[0].cut
        self._parts: dict[str, StackedPart] = {}
        self._frozen: dict[str, SharedPart | StackedPart] = {}
        self._borrowed: list[tuple[str, nn.Module]] = []

    def execute(self) -> None:
        """Run the operations of all lanes, and complete what their chains write.

        Raises NotStackedError for a model that cannot run side by side.
        """
        try:
            self._run_operations()
            for run in self.runs:
                run.write_states()
        finally:
            for part, module in self._borrowed:
                self.workspace.give_back(part, module, self._cut)

    def _run_operations(self) -> None:
        """Run the operation for which most lanes are ready, until all lanes have ended."""
        ahead = [deque(functions(run.chain)) for run in self.runs]
        values: list[dict[TensorRef, Any]] = [{} for _ in self.runs]
        while any(ahead):
            ready: dict[tuple[Operation, Hashable], list[int]] = {}
            for lane, operations in enumerate(ahead):
                if operations:
                    operation, given, _ = operations[0]
                    known = values[lane]
                    arguments = [known[a] if isinstance(a, TensorRef) else a for a in given]
                    shape = operation, self._forms[operation].shape(self, lane, arguments)
                    ready.setdefault(shape, []).append(lane)
            complete = [shape for shape, lanes in ready.items() if _complete(shape[1], lanes)]
            shape = max(complete, key=lambda one: len(ready[one]))
            self._run_together(shape[0], ready[shape], ahead, values)

    def _run_together(
        self,
        operation: Operation,
        lanes: Sequence[int],
        ahead: Sequence[deque[Issued]],
        values: Sequence[dict[TensorRef, Any]],
    ) -> None:
        taken = [ahead[lane].popleft() for lane in lanes]
        arguments = [
            [values[lane].pop(a) if isinstance(a, TensorRef) else a for a in given]
            for lane, (_, given, _) in zip(lanes, taken, strict=True)
        ]
        results = self._forms[operation].run(self, Lanes(lanes), arguments)
        for lane, (_, _, ref), value in zip(lanes, taken, results, strict=True):
            values[lane][ref] = value

    def part(self, name: str) -> StackedPart:
        """Return the replicas of a part, created from the lanes' states on first use."""
        if name not in self._parts:
            states = [run.received(name) for run in self.runs]
            part = self._stacked(name, states)
            part.module.train()
            keys = [StateKey(name, run.chain.client, OPTIMIZER) for run in self.runs]
            saved = [
                run.read(key) if run.may_read(key) else None
                for run, key in zip(self.runs, keys, strict=True)
            ]
            lrs = [run.chain.lr for run in self.runs]
            part.optimize(self.workspace.recipe.optimizer, lrs, saved)
            self._parts[name] = part
        return self._parts[name]

    def received(self, name: str, lanes: Lanes) -> Mapping[str, Tensor]:
        """Return the weights from which lanes start, [lanes, ...], or [1, ...] if all are equal."""
        states = [run.received(name) for run in self.of(lanes)]
        if all(_same(state, states[0]) for state in states[1:]):
            del states[1:]
        names = self.part(name).names.items()
        return {own: torch.stack([state[key] for state in states]) for key, own in names}

    def of(self, lanes: Lanes) -> Sequence[LaneRun]:
        """Return the runs of lanes."""
        return [self.runs[number] for number in lanes.numbers]

    def _stacked(self, name: str, states: Sequence[Mapping[str, Tensor]]) -> StackedPart:
        frozen = self.workspace.frozen.keys()
        return StackedPart(self._module(name, states[0]), [dict(s) for s in states], frozen)

    def _module(self, name: str, state: Mapping[str, Tensor]) -> nn.Module:
        module = self.workspace.module(name, dict(state), self._cut, exclusive=True)
        self._borrowed.append((name, module))
        return module

    def outputs(self, name: str, turn: Turn, inputs: Tensor) -> Tensor:
        """Return the outputs [lanes, batch, ...] of a part. Raises NotStackedError."""
        which = name, self._cut, turn.part.module.training
        return self._checks.outputs(which, turn, turn.plain, inputs)

    def frozen_outputs(self, name: str, lanes: Lanes, inputs: Tensor) -> Tensor:
        """Return the outputs [lanes, batch, ...] of a part that is not trained."""
        if name not in self._frozen:
            states = [run.received(name) for run in self.runs]
            if all(_same(state, states[0]) for state in states[1:]):
                self._frozen[name] = SharedPart(self._module(name, states[0]))
            else:
                self._frozen[name] = self._stacked(name, states)
                self._frozen[name].module.eval()
        part = self._frozen[name]
        with torch.no_grad():
            if isinstance(part, SharedPart):
                return self._checks.outputs((name, self._cut, "shared"), part, part.module, inputs)
            return self.outputs(name, part.turn(lanes), inputs)

    def batches(self, lanes: Lanes, which: Sequence[tuple[int, Batch]]) -> tuple[Tensor, Tensor]:
        """Return inputs [lanes, batch, *input shape] and labels [lanes, batch]."""
        each = zip(self.of(lanes), which, strict=True)
        pairs = [run.prepared_batch(*one) for run, one in each]
        images, labels = (torch.stack(own) for own in zip(*pairs, strict=True))
        return self.workspace.on_device((images, labels))


def functions(chain: Chain) -> Sequence[Issued]:
    """Return the operations of a chain, imported."""
    return [(function_of(operation), own, ref) for operation, own, ref in chain.operations]


def _complete(shape: Hashable, lanes: Sequence[int]) -> bool:
    """Return whether all lanes of a graph are there, if it waits for their gradients."""
    return not isinstance(shape, Waiting) or len(shape.turn.lanes) == len(lanes)


def _same(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(value is other[name] for name, value in state.items())
