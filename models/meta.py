"""Running a module on torch's `meta` device: shapes without numbers, so without memory or time."""

from itertools import chain

import torch
from torch import Tensor, nn

from models.draws import borrowed_generators, seed_generators

State = dict[str, Tensor]


def meta_state(module: nn.Module) -> State:
    """Shadows, on `meta`, of the module's parameters and buffers by name."""
    return {
        name: torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)
        for name, tensor in chain(module.named_parameters(), module.named_buffers())
    }


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
