"""Running a module on torch's `meta` device: shapes without numbers, so without memory or time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.models.draws import borrowed_generators, seed_generators

State = dict[str, Tensor]


def meta_state(module: nn.Module) -> State:
    """Shadows, on `meta`, of the module's parameters and buffers by name.

    A counter (one whole number) is real, since a module may decide by it: BatchNorm with `momentum=None`
    divides by its batches.
    """
    return {
        name: _shadow(tensor)
        for name, tensor in chain(module.named_parameters(), module.named_buffers())
    }


def _shadow(tensor: Tensor) -> Tensor:
    if tensor.ndim == 0 and not tensor.is_floating_point():
        real = torch.zeros_like(tensor, device="cpu")
        return real if tensor.is_meta else real.copy_(tensor)
    return torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)


@contextmanager
def answering(
    module: nn.Module, rules: Mapping[type[nn.Module], Callable[[Any, Tensor], Tensor]]
) -> Iterator[None]:
    """Let rules answer for the layers of some types in a module; each gets the layer and its input.

    Torch itself decomposes such layers on `meta` in Python, for which it imports its compiler: seconds.
    """
    answered = []
    try:
        for layer in module.modules():
            for kind, rule in rules.items():
                if isinstance(layer, kind) and type(layer).forward is kind.forward:
                    layer.__dict__["forward"] = partial(rule, layer)
                    answered.append(layer)
        yield
    finally:
        for layer in answered:
            del layer.__dict__["forward"]


def linear_shape(layer: nn.Linear, x: Tensor) -> Tensor:
    """An empty tensor like the layer's output. Raises ValueError where the input does not fit."""
    if x.shape[-1] != layer.in_features:
        raise ValueError(f"a linear layer of {layer.in_features} inputs got {x.shape[-1]}")
    return x.new_empty((*x.shape[:-1], layer.out_features))


def meta_call(module: nn.Module, inputs: Tensor, state: State | None = None) -> Tensor:
    """The module's output for an input on `meta`, its own tensors replaced by their shadows.

    The module itself stays as it is. What it draws is the same every time, and real, so that it can
    decide by it. Raises ValueError if its output is not a tensor.
    """
    shadows = meta_state(module) if state is None else state
    with borrowed_generators(), torch.device("cpu"):
        seed_generators(0)
        output = torch.func.functional_call(module, shadows, (inputs,))
    if not isinstance(output, Tensor):
        raise ValueError(f"it gives a {type(output).__name__} instead of a tensor")
    return output
