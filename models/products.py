"""FLOPs of what libraries compute as products of matrices: convolutions, attention, recurrent layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The class and the FLOPs of one operation on a whole batch."""

    op_class: str
    forward_flops: int
    backward_flops: int
    column_bytes: int = 0


def product(name: str, args: Sequence[Any], output: Tensor) -> Arithmetic:
    """Return the cost of a product of matrices or vectors, or of three factors (`_trilinear`)."""
    if name == "_trilinear":
        return _trilinear(args)
    left, right = args[1:3] if name.startswith(("add", "badd")) else args[:2]
    flops = 2 * output.numel() * (1 if name == "addr" else left.shape[-1])
    if name == "addbmm":  # adds up the products of a batch
        flops *= left.shape[0]
    return Arithmetic("linear", flops, flops * (left.requires_grad + right.requires_grad))


def convolution(args: Sequence[Any], output: Tensor) -> Arithmetic:
    """Return the cost of a convolution of any number of dimensions."""
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


def attention(query: Tensor, key: Tensor, value: Tensor) -> Arithmetic:
    """Return the cost of fused scaled dot product attention on [batch, heads, tokens, width].

    Forward: scores and their product with the values. Backward, as torch.utils.flop_counter counts it
    (sdpa_backward_flop_count): the scores again, since they are not stored, and the gradients of the
    scores, values, queries and keys (Dao et al., FlashAttention, NeurIPS 2022, appendix B). A causal
    mask saves nothing in either count.
    """
    pairs = 2 * prod(query.shape[:-1]) * key.shape[-2]
    inner, outer = query.shape[-1], value.shape[-1]
    needed = any(tensor.requires_grad for tensor in (query, key, value))
    back = pairs * (3 * inner + 2 * outer)
    return Arithmetic("linear", pairs * (inner + outer), back * needed)


def recurrent(args: Sequence[Any]) -> Arithmetic:
    """Return the cost of a layer, in one direction, on [steps, batch, inputs].

    Every step multiplies its input and the state before it by the weights of all gates. The gradient of
    the state is needed wherever there is one at all.
    """
    inputs, of_inputs, of_state = args[:3]
    rows = 2 * inputs.shape[0] * inputs.shape[1]
    first, second = rows * of_inputs.numel(), rows * of_state.numel()
    weights = of_inputs.requires_grad, of_state.requires_grad
    back = first * (weights[0] + inputs.requires_grad)
    back += second * (weights[1] + any((*weights, inputs.requires_grad)))
    return Arithmetic("linear", first + second, back)


def counted_by_torch(
    function: torch._ops.OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor
) -> Arithmetic | None:
    """Return the cost by the formula in torch's own registry, None if it has none.

    The registry also has the formulas of a user (`torch.utils.flop_counter.register_flop_formula`).
    Backward: as much for every factor that needs a gradient; of attention five products for two.
    """
    from torch.utils.flop_counter import flop_registry

    formula = flop_registry.get(function._overloadpacket)
    if formula is None:
        return None
    flops = int(formula(*args, **kwargs, out_val=output))
    factors = sum(arg.requires_grad for arg in args if isinstance(arg, Tensor))
    attends = "attention" in function._schema.name
    return Arithmetic(
        "linear", flops, flops * 5 // 2 * (factors > 0) if attends else flops * factors
    )


def _trilinear(args: Sequence[Any]) -> Arithmetic:
    """Return the cost of a sum over products of three factors, which `nn.Bilinear` computes.

    Two multiplications and an addition for each product; the gradient of a factor takes as much.
    """
    factors, expanded, summed = args[:3], args[3:6], args[6]
    shapes = []
    for factor, dims in zip(factors, expanded, strict=True):
        shape = list(factor.shape)
        for dim in sorted(dims):
            shape.insert(dim, 1)
        shapes.append(shape)
    assert all(dim < len(shapes[0]) for dim in summed)
    flops = 3 * prod(map(max, *shapes))
    return Arithmetic("linear", flops, flops * sum(factor.requires_grad for factor in factors))
