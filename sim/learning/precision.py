"""The scenario's `numerics` applied to tensors and modules: their memory format and their type."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.errors import UserError
from cutlayer.scenarios.numerics import Numerics


class UnsupportedNumericsError(UserError):
    """Numerics that a device cannot compute with."""


def stored_type(numerics: Numerics) -> torch.dtype:
    """Return the type of weights and inputs; bfloat16 is used within blocks only."""
    return torch.float64 if numerics.dtype == "float64" else torch.float32


def ordered(value: Tensor, numerics: Numerics) -> Tensor:
    """Return a tensor with four dimensions in the memory format, others unchanged."""
    if value.dim() != 4:
        return value
    last = numerics.memory_format == "channels_last"
    return value.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def apply_to_module(module: nn.Module, numerics: Numerics) -> nn.Module:
    """Return a module with its weights in the type and, if they have four dimensions, in the format."""
    for part in module.modules():
        if hasattr(part, "channels_last"):  # a block of a traced model, or what packs its outputs
            part.channels_last = numerics.memory_format == "channels_last"  # type: ignore[assignment]
    for parameter in module.parameters():
        parameter.data = ordered(parameter.data, numerics)
    return module.to(stored_type(numerics))


def compute_in_bfloat16(block: nn.Module) -> None:
    """Let a block compute under autocast; what it returns is float32.

    Blocks do so one by one, so that a model computes the same bits wherever it is cut.
    """
    block.forward = partial(_in_bfloat16, block.forward)


def _in_bfloat16(forward: Any, inputs: Any) -> Any:
    """Run the forward pass of a block; between blocks of a traced model there may be several tensors."""
    first: Tensor = inputs[0] if isinstance(inputs, tuple) else inputs
    with torch.autocast(first.device.type, torch.bfloat16):
        output = forward(inputs)
    return tuple(map(_as_float, output)) if isinstance(output, tuple) else output.float()


def _as_float(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def check_numerics(numerics: Numerics, device: str = "cpu") -> None:
    """Compute a step of a small model.

    Raises UnsupportedNumericsError if the device does not support the type.
    """
    try:
        layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 2)
        part = apply_to_module(nn.Sequential(*layers), numerics).to(device)
        if numerics.dtype == "bfloat16":
            compute_in_bfloat16(part)
        inputs = torch.ones(2, 3, 8, 8, dtype=stored_type(numerics)).to(device)
        torch.autograd.backward(part(ordered(inputs, numerics)).sum())
    except (RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UnsupportedNumericsError(
            f"numerics.dtype: the device {device} of this machine cannot compute with it ({reason})"
            f" (got {numerics.dtype}), use float32"
        ) from None
