"""Calls of plain layers in place of the operations that torch.export records for them.

So their costs, their draws and the rules for BatchNorm are those of the layers.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from torch import Tensor, fx, nn

from cutlayer.models.traced.proxies import VALUE

_PREFIX: Final = "torch.nn.modules."
_PLAIN: Final = (  # modules of torch whose layers map one tensor to one, except `_OTHERS`
    *("activation", "batchnorm", "conv", "dropout", "flatten", "instancenorm", "linear"),
    *("normalization", "padding", "pixelshuffle", "pooling", "sparse", "upsampling"),
)
_OTHERS: Final = ("MultiheadAttention", "Bilinear", "EmbeddingBag", "Unpool", "Transpose")


def call_layers(graph: fx.Graph, root: nn.Module) -> None:
    """Replace the operations of each call of a plain layer by the call, where they are nothing else."""
    calls = [node for node in graph.nodes if node.op.startswith("call")]
    for path, group in groupby(calls, key=_layer_called):
        if path is not None and _is_plain(layer := root.get_submodule(path[1])):
            _replace(graph, path[1], layer, list(group))


def _layer_called(node: fx.Node) -> tuple[str, str] | None:
    """Return the key of the innermost call that a node belongs to, and the path of the layer."""
    stack = node.meta.get("nn_module_stack")
    if not stack or node.op == "call_method":  # `detach`, which is not a part of a layer
        return None
    key, (path, _) = list(stack.items())[-1]
    return (key, path) if path else None


def _is_plain(layer: nn.Module) -> bool:
    kind = type(layer)
    home = kind.__module__.removeprefix(_PREFIX)
    return home in _PLAIN and not any(name in kind.__name__ for name in _OTHERS)


def _replace(graph: fx.Graph, path: str, layer: nn.Module, group: Sequence[fx.Node]) -> None:
    own = {f"{path}.{name}" for name, _ in [*layer.named_parameters(), *layer.named_buffers()]}
    inside = {*group}
    sources = dict.fromkeys(s for node in group for s in node.all_input_nodes if s not in inside)
    data = [s for s in sources if s.op != "get_attr" and isinstance(s.meta.get(VALUE), Tensor)]
    foreign = [s for s in sources if s.op == "get_attr" and s.target not in own]
    used = [node for node in group if any(user not in inside for user in node.users)]
    if len(data) != 1 or foreign or used != [group[-1]]:
        return
    with graph.inserting_after(group[-1]):
        call = graph.call_module(path, (data[0],))
    call.meta = dict(group[-1].meta)
    group[-1].replace_all_uses_with(call)
    for node in reversed(group):
        graph.erase_node(node)
