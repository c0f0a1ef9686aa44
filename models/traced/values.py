"""The values of a graph on the `meta` device, with two batch sizes, and what happens to them."""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cutlayer.models.draws import borrowed_generators, seed_generators
from cutlayer.models.meta import forward_replaced, linear_shape
from cutlayer.models.traced.operations import compute, has_effect, may_draw
from cutlayer.models.traced.proxies import BATCH, OTHER_BATCHES

BATCHES: Final = (BATCH, OTHER_BATCHES[0])

Values = dict[fx.Node, Any]


@dataclass
class Run:
    """The operations of a graph in order, and their values with each of `BATCHES`.

    `channels_last` are the values with such an input, which differ in their strides. `data` are the
    nodes whose values depend on an input, a parameter or a draw. `changed` has, by the position of an
    operation that changes tensors in place, the nodes that share their memory. `recomputable` are the
    nodes that a pure function computes from a single value of `data`, such as masks, without parameters.
    """

    root: nn.Module
    nodes: tuple[fx.Node, ...]
    output: fx.Node
    values: tuple[Values, Values]
    data: set[fx.Node] = field(default_factory=set)
    changed: dict[int, set[fx.Node]] = field(default_factory=dict)
    tensors: dict[fx.Node, bool] = field(default_factory=dict)
    recomputable: set[fx.Node] = field(default_factory=set)
    channels_last: Values = field(default_factory=dict)

    @property
    def inputs(self) -> fx.Node:
        """The node of the model's input."""
        return next(node for node in self.values[0] if node.op == "placeholder")


def run_graph(
    graph: fx.Graph, root: nn.Module, input_shape: Sequence[int], dtype: torch.dtype
) -> Run:
    """Compute all values of a graph of a module on `meta`."""
    _gather_items(graph)
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    assert isinstance(output, fx.Node), "the module returns a single tensor"
    changed: dict[int, set[fx.Node]] = {}
    every = [node for node in graph.nodes if node.op != "output"]
    inputs = [torch.empty(n, *input_shape, device="meta", dtype=dtype) for n in BATCHES]
    values = [_values(every, root, example, changed) for example in inputs]
    last = values[0]
    if inputs[0].dim() == 4:
        ordered = inputs[0].contiguous(memory_format=torch.channels_last)
        last = _values(every, root, ordered, {})
    tensors = {node: any(True for _ in leaves(values[0][node])) for node in every}
    run = Run(root, (), output, (values[0], values[1]), tensors=tensors, channels_last=last)
    touched = {node for nodes in changed.values() for node in nodes}
    run.data = _dependent(every, run, touched)
    run.recomputable = _recomputable(every, run, touched)
    run.nodes = _early(
        [
            node
            for position, node in enumerate(every)
            if node.op not in ("placeholder", "get_attr")
            and (has_effect(node) or position in changed or (tensors[node] and node.users))
        ],
        run,
    )
    positions = {node: position for position, node in enumerate(run.nodes)}
    for at, found in changed.items():
        if every[at] in positions:
            run.changed[positions[every[at]]] = found
    return run


def _early(nodes: Sequence[fx.Node], run: Run) -> tuple[fx.Node, ...]:
    """Return the nodes with the recomputable ones moved to where their data are ready.

    What a model computes from its input alone, such as a mask, is then ready at each cut, and the input
    itself need not cross.
    """
    after: dict[fx.Node, list[fx.Node]] = {}
    rest: list[fx.Node] = []
    for node in nodes:
        if node in run.recomputable:
            (source,) = (source for source in node.all_input_nodes if source in run.data)
            after.setdefault(source, []).append(node)
        else:
            rest.append(node)

    def followed(node: fx.Node) -> Iterator[fx.Node]:
        for one in after.pop(node, ()):
            yield one
            yield from followed(one)

    order = [*followed(run.inputs)]
    for node in rest:
        order += [node, *followed(node)]
    return tuple(order)


def _values(
    nodes: Sequence[fx.Node],
    root: nn.Module,
    example: Tensor,
    changed: dict[int, set[fx.Node]],
) -> Values:
    values: Values = {}
    versions: dict[fx.Node, list[int]] = {}
    rules = {
        **dict.fromkeys((_BatchNorm, nn.GroupNorm), lambda _, x: torch.empty_like(x)),
        **dict.fromkeys((nn.Conv2d, nn.ConvTranspose2d), _convolved),
        nn.Linear: linear_shape,
    }
    with (
        borrowed_generators(),
        torch.device("meta"),
        torch.enable_grad(),
        forward_replaced(root, rules),
    ):
        seed_generators(0)
        for position, node in enumerate(nodes):
            values[node] = compute(node, root, values.__getitem__, example)
            before = {source: versions[source] for source in node.all_input_nodes}
            versions[node] = _versions(values[node])
            if any(_versions(values[source]) != old for source, old in before.items()):
                for other in nodes[:position]:
                    if (now := _versions(values[other])) != versions[other]:
                        versions[other] = now
                        changed.setdefault(position, set()).add(other)
    return values


def _convolved(layer: nn.Module, x: Tensor) -> Tensor:
    """Return an empty output of a convolution: in `channels_last` if the input is, unlike on `meta`."""
    output: Tensor = type(layer).forward(layer, x)
    last = x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=_LAST)
    return output.contiguous(memory_format=_LAST) if last else output


_LAST: Final = torch.channels_last


def _versions(value: Any) -> list[int]:
    return [tensor._version for _, tensor in leaves(value)]


def leaves(value: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """Yield the tensors of a value, which may be a tuple of tuples, each with its place in it."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, tuple | list):
        for position, item in enumerate(value):
            yield from leaves(item, (*path, position))


def _gather_items(graph: fx.Graph) -> None:
    """Move the items that are taken from a tuple right after what returns the tuple."""
    for node in list(graph.nodes):
        if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
            source, last = node.args[0], node.args[0]
            while last.next.target is operator.getitem and last.next.args[0] is source:
                if last.next is node:
                    break
                last = last.next
            fixed = not any(isinstance(item, fx.Node) for item in node.args[1:])
            if fixed and last.next is not node and _is_tuple(source):
                last.append(node)


def _is_tuple(node: fx.Node) -> bool:
    return isinstance(node.meta.get("value"), tuple | list)


def _dependent(nodes: Sequence[fx.Node], run: Run, touched: set[fx.Node]) -> set[fx.Node]:
    """Return the nodes of tensors that depend on an input, a parameter, a layer or a draw.

    A tensor that is changed in place, which `touched` are, counts as data.
    """
    found: set[fx.Node] = set()
    for node in nodes:
        if not run.tensors[node]:
            continue
        parameter = node.op == "get_attr" and isinstance(run.values[0][node], nn.Parameter)
        own = node.op in ("placeholder", "call_module") or parameter or node in touched
        drawn = node.op.startswith("call") and may_draw(node)
        if own or drawn or any(source in found for source in node.all_input_nodes):
            found.add(node)
    return found


def _recomputable(nodes: Sequence[fx.Node], run: Run, touched: set[fx.Node]) -> set[fx.Node]:
    found: set[fx.Node] = set()
    weighted = {*touched}
    for node in nodes:
        if node not in run.data or node.op == "placeholder":
            continue
        sources = [source for source in node.all_input_nodes if source in run.data]
        function = node.op in ("call_function", "call_method")
        pure = function and not (may_draw(node) or has_effect(node))
        if not pure or node in weighted or any(source in weighted for source in sources):
            weighted.add(node)  # depends on parameters or draws, or is changed in place
        elif len(sources) == 1 and isinstance(run.values[0][node], Tensor):
            found.add(node)
    return found
