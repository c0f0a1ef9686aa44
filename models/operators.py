"""Cost rules: the FLOPs of one tensor operation.

A multiply-accumulate is 2 FLOPs; adding a bias is not counted. Normalisation, pooling and elementwise
operations are counted per value; on a device they mostly cost the bytes that they move. An operation
without a rule is an error and never free. A user's model can bring
rules of its own (`Model.cost_rules`). docs/reference/operations.md lists the operations with a rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from cutlayer.models.errors import CostError

# Batch normalisation, per value. Forward: mean 1, variance 3, scale and shift 2. Backward: sum of
# the gradient 1, its product with the centred input 3, gradient with respect to the input 5.
NORM_FORWARD, NORM_BACKWARD = 6, 9

# Operations with a rule, by name, in addition to all that torch tags as pointwise. Those of `norm` match
# parts of names (native_batch_norm). `free` operations, like views, cost nothing.
COVERED: Mapping[str, tuple[str, ...]] = {
    "convolution": ("convolution", "_convolution"),
    "linear": ("mm", "bmm", "mv", "linear", "addmm", "addmv", "baddbmm"),
    "norm": ("batch_norm", "layer_norm", "group_norm"),
    "window pool": ("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"),
    "pool": ("_adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "sum", "amax"),
    "elementwise": (
        *("_softmax", "_safe_softmax", "_log_softmax", "native_dropout", "bernoulli_"),
        *("hardswish", "hardswish_", "hardsigmoid", "hardsigmoid_"),
    ),
    "lookup": ("embedding",),
    "draws": ("rand_like", "randn_like", "randint_like", "uniform_", "normal_", "random_"),
    "moves": ("clone", "cat", "stack", "copy_", "_to_copy", "constant_pad_nd", "repeat"),
    "free": (
        *("detach", "_unsafe_view", "_reshape_alias", "lift_fresh", "empty_like", "new_empty"),
        *("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"),
    ),
}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The class and the FLOPs of one operation on a whole batch."""

    op_class: str
    forward_flops: int
    backward_flops: int
    column_bytes: int = 0


# Computes the cost from an operation's arguments and its (first) output, whole batches on `meta`.
Rule = Callable[[Sequence[Any], Tensor], Arithmetic]
NO_RULES: Mapping[str, Rule] = {}


def arithmetic(
    operation: str,
    tagged: bool,
    args: Sequence[Any],
    output: Tensor,
    own: Mapping[str, Rule] = NO_RULES,
) -> Arithmetic:
    """Return the cost of an aten operation (`tagged`: torch tags it as pointwise).

    `own` are the model's rules, by operation, for those without a rule here. Raises CostError if there
    is no rule at all.
    """
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    needed = any(tensor.requires_grad for tensor in tensors)
    size = output.numel()
    if operation in COVERED["convolution"]:
        return _convolution(args, output)
    if operation in COVERED["linear"]:
        left, right = args[1:3] if "add" in operation else args[:2]
        flops = 2 * size * left.shape[-1]
        return Arithmetic("linear", flops, flops * (left.requires_grad + right.requires_grad))
    if any(kind in operation for kind in COVERED["norm"]):
        return Arithmetic("norm", NORM_FORWARD * size, NORM_BACKWARD * size * needed)
    if operation in COVERED["window pool"]:
        window = (args[1],) if isinstance(args[1], int) else tuple(args[1])
        flops = size * prod(window * 2 if len(window) == 1 else window)
        back = flops if operation == "avg_pool2d" else size
        return Arithmetic("pool", flops, back * needed)
    if operation in COVERED["pool"]:
        flops = tensors[0].numel()
        return Arithmetic("pool", flops, flops * needed)
    if operation in COVERED["draws"]:
        return Arithmetic("elementwise", size, 0)
    if operation in COVERED["lookup"]:  # reads rows of a table, not all of it
        return Arithmetic("elementwise", size, size * needed)
    if operation in COVERED["moves"]:
        return Arithmetic("elementwise", 0, 0)
    if tagged or operation in COVERED["elementwise"]:
        return Arithmetic("elementwise", size, size * needed)
    if operation in own:
        return own[operation](args, output)
    raise CostError(
        f"no cost rule for the operation {operation!r}; a model of your own can bring one "
        "(`cost_rules`)"
    )


def is_free(function: torch._ops.OpOverload, operation: str) -> bool:
    """Return whether an operation is a view or creates a tensor without reading one."""
    arguments, returns = function._schema.arguments, function._schema.returns
    makes = not any("Tensor" in str(argument.type) for argument in arguments)
    view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
    return operation in COVERED["free"] or makes or view


def _convolution(args: Sequence[Any], output: Tensor) -> Arithmetic:
    inputs, weight, transposed, groups = args[0], args[1], args[6], args[8]
    # One filter, weight.shape[1:], is applied once for each output value; in a transposed convolution
    # once for each input value.
    applications = (inputs if transposed else output).numel()
    flops = 2 * applications * prod(weight.shape[1:])
    channels = inputs.shape[1]
    op_class = "conv"
    if groups == channels and groups > 1:
        op_class = "depthwise"
    elif channels <= 4:
        op_class = "conv_input"
    elif prod(weight.shape[2:]) == 1:
        op_class = "pointwise"
    positions = applications // weight.shape[0]
    column = 0
    if op_class != "depthwise" and prod(weight.shape[2:]) > 1:
        column = positions * groups * prod(weight.shape[1:]) * weight.element_size()
    gradients = inputs.requires_grad + weight.requires_grad
    return Arithmetic(op_class, flops, flops * gradients, column)
