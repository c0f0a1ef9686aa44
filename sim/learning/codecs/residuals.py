"""AQ-SGD and low-rank residuals on tensors."""

import torch
from torch import Tensor

from cutlayer.models.quantise import Quantised, dequantise, quantise
from cutlayer.sim.codecs.residuals import matrices
from cutlayer.sim.learning.codecs.twin import Parts, Twin, check_finite, known


class AqSgd(Twin):
    """Sends Q(x - m), with m the values that the receiver had last; these become m + Q(x - m)."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:
        """Return the quantised change."""
        return (quantise(values - known(before, values), self.spec["bits"]),)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return the kept values plus the change."""
        change = _dequantised(parts)[0]
        return known(before, change) + change


class LowRank(Twin):
    """Sends P and Q with x - m ~ P Q^T, both quantised; P has orthonormal columns."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:
        """Return the quantised factors, from power iterations that begin with random columns."""
        check_finite(values)
        change = values - known(before, values) if self.spec["residual"] else values
        matrix = change.reshape(matrices(tuple(values.shape[1:]), len(values)))
        count, first, second = matrix.shape
        rank = min(self.spec["rank"], first, second)
        right = torch.randn(count, second, rank).to(matrix.device)
        for _ in range(self.spec["steps"]):
            left = torch.linalg.qr(matrix @ right).Q
            right = matrix.mT @ left
        bits: int = self.spec["bits"]
        return quantise(left, bits), quantise(right, bits)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:
        """Return the product of the factors, plus the kept values."""
        left, right = _dequantised(parts)
        change = (left @ right.mT).reshape(shape)
        return known(before, change) + change if self.spec["residual"] else change


def _dequantised(parts: Parts) -> list[Tensor]:
    return [dequantise(part) for part in parts if isinstance(part, Quantised)]
