"""Operations of a traced graph: their values, and whether they draw or change anything."""

import operator
from collections.abc import Callable
from typing import Any, Final

from torch import Tensor, fx, nn
from torch._ops import OpOverload


def compute(
    node: fx.Node, root: nn.Module, value_of: Callable[[fx.Node], Any], example: Tensor
) -> Any:
    """Return the value of a node from those of others."""
    if node.op == "placeholder":
        return example
    if node.op == "get_attr":
        path, _, name = str(node.target).rpartition(".")
        return getattr(root.get_submodule(path), name)
    args, kwargs = fx.map_arg(node.args, value_of), fx.map_arg(node.kwargs, value_of)
    if node.op == "call_module":
        return root.get_submodule(str(node.target))(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def has_effect(node: fx.Node) -> bool:
    """Return whether a node may do something besides returning its value."""
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if isinstance(node.target, OpOverload):
        return bool(node.target._schema.is_mutable)
    return node.op == "call_module" or node.target is operator.setitem


_DRAWING: Final = (
    *("rand", "normal", "bernoulli", "dropout", "multinomial", "poisson", "exponential", "rrelu"),
    *(
        "lstm",
        "gru",
        "rnn",
        "uniform",
        "gumbel",
        "cauchy",
        "geometric",
        "scaled_dot_product",
        "multi_head",
        "fractional",
    ),
)


def may_draw(node: fx.Node) -> bool:
    """Return whether an operation may draw random numbers; layers say so themselves."""
    if node.op == "call_method":
        name = str(node.target)
    else:
        name = getattr(node.target, "__name__", "")
        home = str(getattr(node.target, "__module__", None) or "")
        known = home.partition(".")[0] in ("", "torch", "_operator", "builtins", "math")
        if not known:
            return True
    return any(part in name for part in _DRAWING)
