"""Turn the context of a chain into a value, and the value into a context, in another process or later.

Weights, optimizers and results are copied. Graphs of forward passes that wait for gradients are not:
loading runs these passes again, with the random streams that they had.
"""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cutlayer.errors import UserError
from cutlayer.sim.learning.chain import Chain, Operation
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.deferred import operation_name, operation_named
from cutlayer.sim.learning.replica import Replica, make_optimizer
from cutlayer.sim.learning.workspace import Workspace


class UnsavableRunError(UserError):
    """A context that cannot be turned into a value."""


@dataclass(frozen=True)
class ForwardPass:
    """An operation whose graphs wait for gradients: its arguments, and what it started from.

    `calls` are those of the random streams, `buffers` those of each part that the pass may read.
    `weights` numbers the state of the weights, which must not change while it waits.
    """

    operation: Operation
    arguments: list[Any]
    calls: dict[str, int]
    buffers: dict[str, dict[str, Tensor]]
    waits: frozenset[tuple[str, int]]  # part and batch number
    weights: int

    def waiting(self, run: ChainRun) -> bool:
        """Return whether a graph of it still waits."""
        return not self.waits.isdisjoint(waiting(run))


def waiting(run: ChainRun) -> set[tuple[str, int]]:
    """Return the parts and batch numbers of the graphs that wait for gradients."""
    replicas = run.replicas.items()
    return {(part, number) for part, replica in replicas for number in replica.pending}


def weights_number(run: ChainRun) -> int:
    """Return a number that grows with every change of a replica's weights."""
    return sum(p._version for replica in run.replicas.values() for p in replica.module.parameters())


def buffers_read(run: ChainRun) -> dict[str, dict[str, Tensor]]:
    """Return copies of the buffers of each part that its forward pass may read in training.

    BatchNorm's statistics are not among them, so that most models have none.
    """
    return {
        part: {name: buffer.clone() for name, buffer in _own_buffers(replica)}
        for part, replica in run.replicas.items()
    }


def passed(
    run: ChainRun,
    operation: Operation,
    arguments: list[Any],
    calls: dict[str, int],
    buffers: dict[str, dict[str, Tensor]],
    waits: frozenset[tuple[str, int]],
) -> ForwardPass:
    """Return a forward pass that has just run; its graphs `waits` wait for gradients."""
    for part in run.replicas.keys() - buffers.keys():
        received = run.received(part)
        own = _own_buffers(run.replicas[part])
        buffers[part] = {name: received[name].clone() for name, _ in own if name in received}
    return ForwardPass(operation, arguments, calls, buffers, waits, weights_number(run))


def dump(run: ChainRun, passes: list[ForwardPass]) -> dict[str, Any]:
    """Return the value of a context, which shares its tensors: encode it before the chain continues.

    `passes` are the forward passes that wait for gradients.
    """
    if any(one.weights != weights_number(run) for one in passes):
        raise UnsavableRunError(
            "a forward pass that waits for its gradient while its weights change cannot be saved"
            " or sent to another process: run the passes one after another"
        )
    return {
        "replicas": {part: _of_replica(replica) for part, replica in run.replicas.items()},
        "written": run.written,
        "kept": run.kept,
        "calls": dict(run.streams.calls),
        "passes": [
            [operation_name(one.operation), one.arguments, one.calls, one.buffers] for one in passes
        ],
    }


def load(
    chain: Chain, workspace: Workspace, value: dict[str, Any]
) -> tuple[ChainRun, list[ForwardPass]]:
    """Return the context of a chain and its waiting forward passes; the context owns the value."""
    run = ChainRun(chain, workspace, exclusive=True)
    value = value | {"kept": workspace.on_device(value["kept"])}
    for part, of_part in value["replicas"].items():
        run.replicas[part] = _replica(chain, workspace, part, of_part)
    passes = [
        _passed_again(
            run, operation_named(name), arguments, calls, buffers, deepcopy(value["kept"])
        )
        for name, arguments, calls, buffers in workspace.on_device(value["passes"])
    ]
    for part, of_part in value["replicas"].items():
        _set_buffers(run.replicas[part].module, of_part["buffers"])
    run.written, run.kept = value["written"], value["kept"]
    run.streams.calls = Counter(value["calls"])
    return run, passes


def _passed_again(
    run: ChainRun,
    operation: Operation,
    arguments: list[Any],
    calls: dict[str, int],
    buffers: dict[str, dict[str, Tensor]],
    kept: dict[str, Any],
) -> ForwardPass:
    before = waiting(run)
    for part, of_part in buffers.items():
        _set_buffers(run.replicas[part].module, of_part)
    run.kept, run.streams.calls = kept, Counter(calls)
    with run.workspace.drawing(run.streams), torch.enable_grad():
        run.run(operation, deepcopy(arguments))
    made = frozenset(waiting(run) - before)
    return ForwardPass(operation, arguments, calls, buffers, made, weights_number(run))


def _own_buffers(replica: Replica) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers of modules that may read them in training, without those that are frozen."""
    for path, child in replica.module.named_modules():
        if not isinstance(child, _BatchNorm):
            for name, buffer in child.named_buffers(recurse=False):
                full = f"{path}.{name}" if path else name
                if full not in replica.frozen:
                    yield full, buffer


def _set_buffers(module: nn.Module, values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        module.get_buffer(name).data.copy_(value)  # graphs do not notice a change of `data`


def _of_replica(replica: Replica) -> dict[str, Any]:
    module, optimizer = replica.module, replica.optimizer
    return {
        "weights": replica.weights(),
        "buffers": {  # including those that are not in `state_dict`
            name: value for name, value in module.named_buffers() if name not in replica.frozen
        },
        "gradients": {name: p.grad for name, p in _with_gradients(module)},
        "optimizer": None if optimizer is None else optimizer.state_dict(),
    }


def _replica(chain: Chain, workspace: Workspace, part: str, value: dict[str, Any]) -> Replica:
    module = workspace.module(part, value["weights"], chain.cut, exclusive=True).train()
    frozen = workspace.frozen.keys()
    optimizer = make_optimizer(module, workspace.recipe.optimizer, chain.lr, None, frozen)
    if optimizer is not None:
        optimizer.load_state_dict(value["optimizer"])
    for name, gradient in value["gradients"].items():
        parameter = module.get_parameter(name)
        parameter.grad = gradient.to(parameter.device)
    return Replica(module, optimizer, frozen)


def _with_gradients(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in module.named_parameters() if p.grad is not None)
