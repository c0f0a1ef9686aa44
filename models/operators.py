"""Cost rules: the FLOPs of one tensor operation.

A multiply-accumulate is 2 FLOPs; adding a bias is not counted. Normalisation, pooling and elementwise
operations are counted per value; on a device they mostly cost the bytes that they move. An operation
without a rule here has the forward FLOPs that torch's own `torch.utils.flop_counter` counts. If torch
has no formula either, it is an error and never free. A user's model can bring rules of its own
(`Model.cost_rules`). docs/reference/operations.md lists the operations with a rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Any, Final

import torch
from torch import Tensor

from cutlayer.models.covered import COVERED, KIND_OF
from cutlayer.models.errors import CostError
from cutlayer.models.products import (
    Arithmetic,
    attention,
    convolution,
    counted_by_torch,
    product,
    recurrent,
)

__all__ = [
    "COVERED",
    "KIND_OF",
    "NO_RULES",
    "Arithmetic",
    "Operation",
    "Rule",
    "arithmetic",
    "is_free",
    "rows_bytes",
    "table_bytes",
]

# Batch normalisation, per value. Forward: mean 1, variance 3, scale and shift 2. Backward: sum of
# the gradient 1, its product with the centred input 3, gradient with respect to the input 5.
NORM_FORWARD, NORM_BACKWARD = 6, 9
# Values of the input from which an interpolation computes a value of its output.
INTERPOLATED: Final = {
    "linear": 2,
    "bilinear": 4,
    "trilinear": 8,
    "bicubic": 16,
    "grid_sampler_2d": 4,
    "grid_sampler_3d": 8,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A call of an operator: its arguments and its first output, whole batches on `meta`."""

    function: torch._ops.OpOverload
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    output: Tensor

    @property
    def name(self) -> str:
        """The operator's name, with its namespace if that is not torch's `aten`."""
        return self.function._schema.name.removeprefix("aten::")

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, those in lists included."""
        flat = (one for arg in self.args for one in (arg if isinstance(arg, list) else [arg]))
        return [one for one in flat if isinstance(one, Tensor)]


# Computes the cost from an operation's arguments and its (first) output, whole batches on `meta`.
Rule = Callable[[Sequence[Any], Tensor], Arithmetic]
NO_RULES: Mapping[str, Rule] = {}


def arithmetic(call: Operation, own: Mapping[str, Rule] = NO_RULES) -> Arithmetic:
    """Return the cost of an operation.

    `own` are the model's rules, by operation, for those without a rule here. Raises CostError if there
    is no rule at all.
    """
    name, args, output, tensors = call.name, call.args, call.output, call.tensors
    needed = any(tensor.requires_grad for tensor in tensors)
    size = output.numel()
    match KIND_OF.get(name):
        case "convolution":
            return convolution(args, output)
        case "linear":
            return product(name, args, output)
        case "attention":
            return attention(*args[:3])
        case "recurrent":
            return recurrent(args)
        case "window pool":
            window = (args[1],) if isinstance(args[1], int) else tuple(args[1])
            sides = 3 if "3d" in name else 2
            flops = size * prod(window * sides if len(window) == 1 else window)
            back = flops if "avg" in name else size
            return Arithmetic("pool", flops, back * needed)
        case "pool":
            flops = tensors[0].numel()
            return Arithmetic("pool", flops, flops * needed)
        case "interpolation":
            flops = size * _interpolation(name)
            return Arithmetic("elementwise", flops, flops * needed)
        case "fourier":
            flops = _fourier(args, output)
            return Arithmetic("elementwise", flops, flops * needed)
        case "sort":
            flops = size * max(1, ceil(log2(max(1, _sorted_length(args, output)))))
            return Arithmetic("elementwise", flops, size * needed)
        case "draws" | "discrete":
            return Arithmetic("elementwise", size, 0)
        case "bag":  # adds up the rows of its indices
            flops = args[1].numel() * args[0].shape[-1]
            return Arithmetic("elementwise", flops, flops * needed)
        case "unfold":  # backward adds up what was copied
            most = max(size, tensors[0].numel())
            return Arithmetic("elementwise", most, most * needed)
        case "moves":
            return Arithmetic("elementwise", 0, 0)
        case "elementwise" | "rearrangement" | "lookup":  # a lookup reads rows of a table, not all
            return Arithmetic("elementwise", size, size * needed)
    if any(part in name for part in COVERED["norm"]):
        return Arithmetic("norm", NORM_FORWARD * size, NORM_BACKWARD * size * needed)
    if torch.Tag.pointwise in call.function.tags:
        return Arithmetic("elementwise", size, size * needed)
    if name in own:
        return own[name](args, output)
    counted = counted_by_torch(call.function, args, call.kwargs, output)
    if counted is not None:
        return counted
    raise CostError(
        f"no cost rule for the operation {name!r}; a model of your own can bring one "
        "(`cost_rules`), or a scenario prices it by its bytes (`model: {unpriced: bytes}`)"
    )


def rows_bytes(args: Sequence[Any]) -> int:
    """Return the bytes of the rows that a lookup reads from its table, the first argument."""
    table: Tensor = args[0]
    indices: Tensor = args[1]
    return indices.numel() * table.shape[-1] * table.element_size()


def table_bytes(name: str, args: Sequence[Any]) -> int:
    """Return the bytes of the gradient of a lookup's table: the whole table, unless it is sparse."""
    table: Tensor = args[0]
    at = 5 if KIND_OF[name] == "bag" else 4  # where `sparse` stands
    sparse = len(args) > at and bool(args[at])
    return table.nbytes if table.requires_grad and not sparse else 0


def is_free(function: torch._ops.OpOverload, operation: str) -> bool:
    """Return whether an operation is a view or creates a tensor without reading one."""
    arguments, returns = function._schema.arguments, function._schema.returns
    makes = not any("Tensor" in str(argument.type) for argument in arguments)
    view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
    return operation in COVERED["free"] or makes or view


def _interpolation(name: str) -> int:
    """Return the FLOPs of a value: it is copied, or a weighted sum of its neighbours."""
    for kind, neighbours in sorted(INTERPOLATED.items(), key=lambda item: -len(item[0])):
        if kind in name:
            return 2 * neighbours
    return 1


def _fourier(args: Sequence[Any], output: Tensor) -> int:
    """Return 5 N log2 N for a complex transform of N values, half of it if one side is real."""
    inputs, dims = args[:2]
    real = not (inputs.is_complex() and output.is_complex())
    full = output if inputs.is_complex() else inputs
    length = prod(full.shape[dim] for dim in dims)
    return int(5 * full.numel() * log2(max(2, length))) // (2 if real else 1)


def _sorted_length(args: Sequence[Any], output: Tensor) -> int:
    """Return the length of what `sort(input, dim=-1)` sorts; the overload with `stable` has it first."""
    dim = next((arg for arg in args[1:] if isinstance(arg, int) and not isinstance(arg, bool)), -1)
    return output.shape[dim] if output.ndim else 1
