"""Per-tensor symmetric linear quantisation of activations to 2-16 bits, packed without gaps.

EcoFed (arXiv 2304.05495) uses 8 bits: scale = max|x| / 127, zero point 0. A message carries the packed
bytes; the bytes of the scale belong to its framing.
"""

from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from cutlayer.errors import UserError

MIN_BITS, MAX_BITS = 2, 16


class QuantisationError(UserError):
    """A tensor that cannot be quantised, or a number of bits out of range."""


@dataclass(frozen=True, eq=False)
class Quantised:
    """`prod(shape)` signed integers of `bits` bits, packed; value = integer * scale.

    Integers are two's complement, least significant bit first, without gaps between them. `dtype` is
    the type after dequantisation: float64 for a float64 tensor, otherwise float32.
    """

    packed: Tensor
    scale: float
    bits: int
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32


def quantise(tensor: Tensor, bits: int = 8, *, peak: float | None = None) -> Quantised:
    """Round a tensor to multiples of scale = max|x| / (2^(bits-1) - 1) and pack them.

    `peak` is max|x|, if it is known: an accelerator need not be waited for then.
    The error of a value is at most scale / 2, up to rounding (2^-22 of the largest value in float32).
    Raises QuantisationError for NaN and infinite values, and for bits outside 2 to 16.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise QuantisationError(f"bits must be {MIN_BITS} to {MAX_BITS}, got {bits}")
    if not tensor.is_floating_point():
        raise QuantisationError(f"only floating-point tensors are quantised, got {tensor.dtype}")
    dtype = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    values = tensor.detach().to(dtype).reshape(-1)
    levels = 2 ** (bits - 1) - 1
    if peak is None:
        peak = values.abs().max().item() if values.numel() else 0.0
    if not isfinite(peak):
        bad = int((~values.isfinite()).sum())
        raise QuantisationError(
            f"{bad} of {values.numel()} values of a tensor of shape {tuple(tensor.shape)} are NaN "
            "or infinite and cannot be quantised: training has diverged"
        )
    # The smallest normal number avoids a division by zero or by a denormal scale.
    scale = max(peak / levels, torch.finfo(dtype).tiny)
    codes = (values / scale).round_().clamp_(-levels, levels).to(torch.int16)
    return Quantised(_pack(codes, bits), scale, bits, tuple(tensor.shape), dtype)


def dequantise(quantised: Quantised) -> Tensor:
    """Return the tensor of the quantised values, on the device of the packed bytes."""
    count = torch.Size(quantised.shape).numel()
    codes = _unpack(quantised.packed, count, quantised.bits)
    values = codes.to(quantised.dtype) * quantised.scale
    # The largest integer times the rounded scale may exceed the type's largest number.
    largest = torch.finfo(quantised.dtype).max
    return values.clamp_(-largest, largest).reshape(quantised.shape)


def _pack(codes: Tensor, bits: int) -> Tensor:
    if bits == 16:
        return codes.view(torch.uint8)
    if bits == 8:
        return codes.to(torch.int8).view(torch.uint8)
    stream = (codes[:, None] >> _positions(bits, codes)).bitwise_and_(1).to(torch.uint8).view(-1)
    gap = -len(stream) % 8
    stream = torch.nn.functional.pad(stream, (0, gap)).view(-1, 8)
    return (stream << _positions(8, stream)).sum(dim=1, dtype=torch.uint8)


def _unpack(packed: Tensor, count: int, bits: int) -> Tensor:
    if bits == 16:
        return packed.view(torch.int16)
    if bits == 8:
        return packed.view(torch.int8)
    stream = (packed[:, None] >> _positions(8, packed)).bitwise_and_(1).view(-1)
    digits = stream[: count * bits].view(count, bits).to(torch.int32)
    unsigned = (digits << _positions(bits, digits)).sum(dim=1, dtype=torch.int32)
    return unsigned - (digits[:, -1] << bits)


def _positions(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device)
