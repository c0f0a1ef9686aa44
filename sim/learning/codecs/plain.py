"""Half precision on tensors."""

import torch
from torch import Tensor

from cutlayer.sim.learning.codecs.twin import Parts, Twin, Values, in_bits


class Identity(Twin):
    """Sends the values themselves."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:  # noqa: ARG002
        """Return the values."""
        return (Values(values, 32),)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return the values."""
        return _only(parts)


class Fp16(Twin):
    """Rounds to IEEE half precision, with the largest number instead of infinity."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:  # noqa: ARG002
        """Return the rounded values."""
        return (in_bits(values, 16),)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return the rounded values as float32."""
        return _only(parts).to(torch.float32)


class Bf16(Fp16):
    """Rounds to bfloat16."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:  # noqa: ARG002
        """Return the rounded values."""
        return (Values(values.to(torch.bfloat16), 16),)


def _only(parts: Parts) -> Tensor:
    (part,) = parts
    assert isinstance(part, Values)
    return part.numbers
