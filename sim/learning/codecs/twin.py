"""The base of codecs on tensors: encode a batch into the parts of its message, and decode them.

A part is quantised, or a tensor of values with the bits of each in its message. Packing these changes
no value, so that a training does without (`packed` does it).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from cutlayer.models.quantise import QuantisationError, Quantised

HALF_LARGEST: Final = 65504.0  # of IEEE half precision


class Values(NamedTuple):
    """A part of a message: numbers, each of which takes `bits` bits in it."""

    numbers: Tensor
    bits: int


Part = Quantised | Values
Parts = tuple[Part, ...]


class Twin(ABC):
    """A codec on tensors, with the settings of its `spec` (`cutlayer.sim.codecs.codec.Codec.spec`).

    `values` are float32, [n, *shape]. `before` are the values of these samples that an end keeps, of the
    same shape; NaN for samples that have none, and None if nothing is kept.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec

    @abstractmethod
    def encode(self, values: Tensor, before: Tensor | None) -> Parts:
        """Return the parts of the message."""

    @abstractmethod
    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:
        """Return the values [n, *shape] that the receiver has."""

    def mask(self, parts: Parts, shape: torch.Size) -> Tensor | None:  # noqa: ARG002
        """Return which values were sent; None if the gradient passes unchanged."""
        return None

    def keep(self, values: Tensor, before: Tensor | None, decoded: Tensor) -> Tensor:  # noqa: ARG002
        """Return what is kept of these samples after the message: by default what was decoded."""
        return decoded


def known(before: Tensor | None, like: Tensor) -> Tensor:
    """Return the kept values, 0 for samples that have none."""
    return torch.zeros_like(like) if before is None else before.where(~before.isnan(), 0.0)


def in_bits(values: Tensor, bits: int) -> Values:
    """Return floating-point values in 16 or 32 bits."""
    if bits == 32:
        return Values(values, bits)
    return Values(values.clamp(-HALF_LARGEST, HALF_LARGEST).to(torch.float16), bits)


def check_finite(values: Tensor) -> None:
    """Raise QuantisationError if a value is NaN or infinite."""
    bad = int((~values.isfinite()).sum())
    if bad:
        raise QuantisationError(
            f"{bad} of {values.numel()} values of a tensor of shape {tuple(values.shape)} are NaN "
            "or infinite and cannot be encoded: training has diverged"
        )


def packed(part: Part) -> Tensor:
    """Return the bytes of a part, uint8: numbers without gaps, least significant bit first."""
    if isinstance(part, Quantised):
        return part.packed
    numbers, bits = part
    if numbers.is_floating_point():
        return numbers.contiguous().view(torch.uint8).reshape(-1)
    places = torch.arange(bits, device=numbers.device)
    stream = (numbers.reshape(-1, 1).to(torch.int64) >> places).bitwise_and_(1).reshape(-1)
    stream = torch.nn.functional.pad(stream, (0, -len(stream) % 8)).reshape(-1, 8)
    weights = 1 << torch.arange(8, device=numbers.device)
    return (stream * weights).sum(dim=1).to(torch.uint8)
