"""Integers on tensors: EcoFed's quantiser, and one with a scale for each channel."""

import torch
from torch import Tensor

from cutlayer.models.quantise import Quantised, dequantise, quantise
from cutlayer.sim.learning.codecs.twin import Parts, Twin, Values, check_finite


class Int(Twin):
    """Rounds to multiples of scale = max|x| / (2^(bits-1) - 1), over the tensor or each channel."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:  # noqa: ARG002
        """Return the integers and, with a scale for each channel, the scales."""
        bits: int = self.spec["bits"]
        if self.spec["per"] == "tensor":
            return (quantise(values, bits),)
        check_finite(values)
        levels = 2 ** (bits - 1) - 1
        dim = _channel(values)
        others = [other for other in range(values.dim()) if other != dim]
        scale = (values.abs().amax(dim=others) / levels).clamp_min(torch.finfo(torch.float32).tiny)
        codes = (values / _along(scale, values)).round().clamp(-levels, levels)
        return Values(codes.to(torch.int16), bits), Values(scale, 32)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return integers times their scale."""
        first, *scales = parts
        if isinstance(first, Quantised):
            return dequantise(first)
        (scale,) = scales
        assert isinstance(scale, Values)
        return first.numbers.to(torch.float32) * _along(scale.numbers, first.numbers)


def _channel(values: Tensor) -> int:
    """Return the dimension of channels: that after the batch's of four, otherwise the last."""
    return 1 if values.dim() == 4 else values.dim() - 1


def _along(scale: Tensor, values: Tensor) -> Tensor:
    shape = [1] * values.dim()
    shape[_channel(values)] = -1
    return scale.view(shape)
