"""Blocks of a traced model: the operations between two boundaries as a module.

A block has the submodules and tensors that it uses, under their own names. Numbers that its operations
need (sizes) are constants or computed from the batch size, and tensors that depend on no data are
computed in each block that uses them, so that neither crosses a boundary. Nor does a tensor that a
smaller one determines: of an attention mask, the mask of the tokens crosses.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from cutlayer.models.traced.boundaries import Leaf
from cutlayer.models.traced.failures import TracingError
from cutlayer.models.traced.operations import may_draw
from cutlayer.models.traced.packing import Crossing, Pack, unpacked
from cutlayer.models.traced.values import BATCHES, Run, leaves

Forward = Callable[..., Any]


class Scope(nn.Module):
    """Holds submodules and tensors under a name, and computes nothing itself."""

    draws = False


class TracedBlock(nn.Module):
    """Runs the operations between two boundaries.

    It is called with what crosses the boundary before it: a tensor, packed if there are several, or the
    tuple that another block returned. `exit` packs what it returns, if that is a tuple.
    """

    channels_last = False  # the memory format of the model's input

    def __init__(self, code: "BlockCode", root: nn.Module, kept: Sequence[str]) -> None:
        super().__init__()
        self.exit = code.exit
        self._entry = code.entry
        self._forwards = code.forwards
        for path in code.modules:
            _scope(self, path).add_module(path.rpartition(".")[2], root.get_submodule(path))
        for path in code.tensors:
            home, _, name = path.rpartition(".")
            tensor, scope = getattr(root.get_submodule(home), name), _scope(self, path)
            if isinstance(tensor, nn.Parameter):
                scope.register_parameter(name, tensor)
            else:
                scope.register_buffer(name, tensor, persistent=path in kept)

    def forward(self, value: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        """Return what crosses the boundary after the block."""
        values = (
            unpacked(value, self._entry, self.channels_last) if isinstance(value, Tensor) else value
        )
        result: Tensor | tuple[Tensor, ...] = self._forwards[self.training](self, *values)
        return (result,) if self.exit is not None and isinstance(result, Tensor) else result


class QuietBlock(TracedBlock):
    """A block whose own operations draw no random numbers; its layers say so themselves."""

    draws = False


def _scope(block: nn.Module, path: str) -> nn.Module:
    for name in path.split(".")[:-1]:
        if name not in block._modules:
            block.add_module(name, Scope())
        inner = block._modules[name]
        assert inner is not None
        block = inner
    return block


@dataclass(frozen=True)
class BlockCode:
    """What a block computes in training and in evaluation, and what it needs for it."""

    forwards: Mapping[bool, Forward]
    entry: tuple[Crossing, ...]
    exit: Pack | None
    modules: tuple[str, ...]
    tensors: tuple[str, ...]
    quiet: bool

    def block(self, root: nn.Module, kept: Sequence[str]) -> TracedBlock:
        """Return a block of a module; `kept` are the buffers that belong to its state."""
        return (QuietBlock if self.quiet else TracedBlock)(self, root, kept)


class Segment:
    """Writes the graph of a block from those operations of a run that lie in it."""

    def __init__(
        self, run: Run, ins: Sequence[Leaf], nodes: Sequence[fx.Node], outs: Sequence[Leaf]
    ) -> None:
        self._run = run
        self._graph = fx.Graph()
        self._known: dict[fx.Node, Any] = {}
        self._of_tensor: dict[int, fx.Node] = {}
        self._first: fx.Node | None = None
        self._first_value: Tensor | None = None
        self._first_dimension = 0
        for number, (node, path) in enumerate(ins):
            placeholder = self._graph.placeholder(f"value{number}")
            tensor = _inner(run.values[0][node], path)
            self._of_tensor[id(tensor)] = placeholder
            if self._first is None:
                self._first, self._first_value = placeholder, tensor
                other = _inner(run.values[1][node], path)
                sizes = zip(tensor.shape, other.shape, strict=True)
                self._first_dimension = [a != b for a, b in sizes].index(True)
        self.drawing = False
        for node in nodes:
            if node in run.data or not run.tensors[node]:
                self._copy(node)
                self.drawing |= node.op != "call_module" and may_draw(node)
        results = [self._leaf(leaf) for leaf in outs]
        self._graph.output(results[0] if len(results) == 1 else tuple(results))

    def forward(self, root: nn.Module) -> Forward:
        """Return the function of a block, which is called with the block and its inputs."""
        made: Forward = type(fx.GraphModule(root, self._graph)).forward
        return made

    def targets(self, *operations: str) -> list[str]:
        """Return the submodules (`call_module`) or tensors (`get_attr`) that the graph uses."""
        return [str(node.target) for node in self._graph.nodes if node.op in operations]

    def as_whole_numbers(self) -> None:
        """Convert the first input."""
        assert self._first is not None
        with self._graph.inserting_after(self._first):
            whole = self._graph.call_method("long", (self._first,))
        self._first.replace_all_uses_with(whole, lambda user: user is not whole)

    def _copy(self, node: fx.Node) -> fx.Node:
        self._known[node] = new = self._graph.node_copy(node, self._argument)
        new.meta.clear()
        for path, tensor in leaves(self._run.values[0][node]):
            if not path:  # what a layer that changes its input returns is that input
                self._of_tensor[id(tensor)] = new
        return new

    def _argument(self, node: fx.Node) -> Any:
        if node in self._known:
            return self._known[node]
        if not self._run.tensors[node]:
            return self._number(*(values[node] for values in self._run.values))
        if node.op == "get_attr" or node not in self._run.data:
            return self._copy(node)
        value = self._run.values[0][node]
        if node in self._run.recomputable and id(value) not in self._of_tensor:
            return self._copy(node)
        return self._received(value)

    def _received(self, value: Any) -> Any:
        """Return what stands for a value of an earlier block."""
        if isinstance(value, tuple | list):
            return tuple(self._received(item) for item in value)
        return self._of_tensor[id(value)] if isinstance(value, Tensor) else value

    def _leaf(self, leaf: Leaf) -> Any:
        node, path = leaf
        found = self._argument(node)
        for position in path:
            if isinstance(found, tuple):
                found = found[position]
            else:
                found = self._graph.call_function(operator.getitem, (found, position))
        return found

    def _number(self, value: Any, other: Any) -> Any:
        """Return a value without tensors: a constant, or computed from the batch size."""
        if isinstance(value, tuple | list):
            return tuple(self._number(a, b) for a, b in zip(value, other, strict=True))
        if isinstance(value, torch.device):
            return self._graph.call_function(getattr, (self._first, "device"))
        if value == getattr(self._first_value, "dtype", None):
            return self._graph.call_function(getattr, (self._first, "dtype"))
        if value == other:
            return value
        if not isinstance(value, int) or (other - value) % (BATCHES[1] - BATCHES[0]):
            raise TracingError(f"a number ({value}) depends on the batch size in an unusual way")
        times = (other - value) // (BATCHES[1] - BATCHES[0])
        shape = self._graph.call_function(getattr, (self._first, "shape"))
        size = self._graph.call_function(operator.getitem, (shape, self._first_dimension))
        if times != 1:
            size = self._graph.call_function(operator.mul, (size, times))
        rest = value - times * BATCHES[0]
        return self._graph.call_function(operator.add, (size, rest)) if rest else size


def _inner(value: Any, path: Sequence[int]) -> Tensor:
    for position in path:
        value = value[position]
    assert isinstance(value, Tensor)
    return value
