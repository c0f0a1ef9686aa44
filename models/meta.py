"""Run a module on torch's `meta` device, which computes shapes only and so takes no memory or time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.models.draws import Draws, borrowed_generators, seed_generators

State = dict[str, Tensor]


def meta_state(module: nn.Module) -> State:
    """Return copies on `meta` of the module's parameters and buffers, by name.

    A counter (one whole number) keeps its value, since a module may depend on it: BatchNorm with
    `momentum=None` divides by the number of batches.
    """
    return {
        name: _meta_copy(tensor)
        for name, tensor in chain(module.named_parameters(), module.named_buffers())
    }


def _meta_copy(tensor: Tensor) -> Tensor:
    if tensor.ndim == 0 and not tensor.is_floating_point():
        real = torch.zeros_like(tensor, device="cpu")
        return real if tensor.is_meta else real.copy_(tensor)
    return torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)


@contextmanager
def forward_replaced(
    module: nn.Module, rules: Mapping[type[nn.Module], Callable[[Any, Tensor], Tensor]]
) -> Iterator[None]:
    """Replace the forward pass of a module's layers by the rules for their types.

    A rule is called with the layer and its input. Torch would decompose such layers on `meta` in Python
    and import its compiler for it, which takes seconds.
    """
    replaced = []
    try:
        for layer in module.modules():
            for kind, rule in rules.items():
                if isinstance(layer, kind) and type(layer).forward is kind.forward:
                    layer.__dict__["forward"] = partial(rule, layer)
                    replaced.append(layer)
        yield
    finally:
        for layer in replaced:
            del layer.__dict__["forward"]


def linear_shape(layer: nn.Linear, x: Tensor) -> Tensor:
    """Return an empty tensor of the output's shape. Raises ValueError if the input does not fit."""
    if x.shape[-1] != layer.in_features:
        raise ValueError(f"a linear layer of {layer.in_features} inputs got {x.shape[-1]}")
    return x.new_empty((*x.shape[:-1], layer.out_features))


def meta_call(
    module: nn.Module,
    inputs: Tensor,
    state: State | None = None,
    draws: Draws = Draws.ANYTHING,
) -> Tensor:
    """Return the module's output for an input on `meta`, using `meta` copies of its own tensors.

    The module is not changed. Random numbers that it draws are real, since it may depend on them, and
    the same in every call; `draws` are the generators that it may draw from (`draws_of`). Raises
    ValueError if the output is not a tensor.
    """
    output = meta_outputs(module, inputs, state, draws, "cpu")
    if not isinstance(output, Tensor):
        raise ValueError(f"it returns a {type(output).__name__} instead of a tensor")
    return output


def meta_outputs(
    module: nn.Module,
    inputs: Any,
    state: State | None = None,
    draws: Draws = Draws.ANYTHING,
    device: str = "meta",
) -> Any:
    """Return whatever a module returns for inputs on `meta`; tensors that it makes are on `device`."""
    tensors = meta_state(module) if state is None else state
    borrowed = nullcontext() if draws == Draws.NOTHING else borrowed_generators()
    with borrowed, torch.device(device):
        if draws != Draws.NOTHING:
            seed_generators(0)
        return torch.func.functional_call(module, tensors, (inputs,))
