"""Codecs of the change of a sample's values since they were last sent: AQ-SGD and low-rank residuals.

Both ends keep the values that the receiver had last; a sample's first values are sent in full.

AQ-SGD: Wang et al., "Fine-tuning Language Models over Slow Networks using Activation Quantization with
Guarantees", NeurIPS 2022. Low-rank residuals: SplitLite; power iteration as in PowerSGD (Vogels et al.,
NeurIPS 2019).
"""

from math import prod
from typing import Any

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.models.quantise_cost import dequantise_costs, quantise_costs
from cutlayer.scenarios.codec import AqSgd as AqSgdSection
from cutlayer.scenarios.codec import LowRank as LowRankSection
from cutlayer.sim.codecs.codec import Cached, Codec, Costs, Field, Shape, Step, costs_of


class AqSgd(Codec):
    """Sends n x d integers of b bits: the change, quantised with one scale."""

    name = "aq_sgd"
    summary = "the quantised change of each sample since the last epoch (AQ-SGD)"
    cached: Cached = "both"
    section: AqSgdSection

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the integers."""
        return (Field(batch * prod(shape), self.section.bits),)

    def scales(self, shape: Shape, batch: int) -> int:  # noqa: ARG002
        """Return 1."""
        return 1

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return the costs of the change, of its quantiser, and of the sender's own copy."""
        values = batch * prod(shape)
        change = costs_of(self.name, Step("subtract", values, 1, 2 * FLOAT_BYTES))
        return change + quantise_costs(values, self.section.bits) + self.decoding(shape, batch)

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return the costs of the quantised change and of adding it to the kept values."""
        values = batch * prod(shape)
        added = costs_of(self.name, Step("add", values, 1, 2 * FLOAT_BYTES))
        return dequantise_costs(values, self.section.bits) + added


class LowRank(Codec):
    """Sends, of each m x c matrix, (m + c) r integers of b bits: two factors, each with a scale.

    A sample of shape (c, h, w) is a matrix of c rows, one of (t, d) has t rows; samples that are rows of
    d values form one matrix for the batch. The rank r is at most the smaller side.
    """

    name = "low_rank"
    summary = "two quantised factors of each sample or of its change (SplitLite)"
    section: LowRankSection

    def __init__(self, section: Any) -> None:
        super().__init__(section)
        self.cached: Cached = "both" if section.residual else "nothing"

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the two factors."""
        count, first, second, rank = self._matrices(shape, batch)
        bits = self.section.bits
        return Field(count * first * rank, bits), Field(count * second * rank, bits)

    def scales(self, shape: Shape, batch: int) -> int:  # noqa: ARG002
        """Return 2."""
        return 2

    def _matrices(self, shape: Shape, batch: int) -> tuple[int, int, int, int]:
        """Return the number of matrices, their two sides, and the rank."""
        count, first, second = matrices(shape, batch)
        return count, first, second, min(self.section.rank, first, second)

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return the change, the power iterations, the quantised factors, and the sender's own copy.

        An iteration multiplies by the matrix and its transpose (2 m c r FLOPs each), and makes m x r
        columns orthonormal (2 m r^2).
        """
        count, first, second, rank = self._matrices(shape, batch)
        values, steps = count * first * second, self.section.steps
        change = (Step("subtract", values, 1, 2 * FLOAT_BYTES),) * (self.cached == "both")
        # The first product starts from random columns, the last one gives the second factor.
        draw = Step("draw", count * second * rank, 1, 0)
        products = Step("products", 2 * steps * values, 2 * rank, FLOAT_BYTES, 0, "linear")
        columns = Step(
            "orthonormal columns",
            steps * count * first * rank,
            2 * rank,
            op_class="linear",
        )
        quantised = quantise_costs(count * (first + second) * rank, self.section.bits)
        own = self.decoding(shape, batch) if self.cached == "both" else ()
        return costs_of(self.name, *change, draw, products, columns) + quantised + own

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return the product of the factors (2 m c r FLOPs) and the addition to the kept values."""
        count, first, second, rank = self._matrices(shape, batch)
        values = count * first * second
        product = Step("product", values, 2 * rank, 0, FLOAT_BYTES, "linear")
        added = (Step("add", values, 1, 2 * FLOAT_BYTES),) * (self.cached == "both")
        factors = dequantise_costs(count * (first + second) * rank, self.section.bits)
        return factors + costs_of(self.name, product, *added)


def matrices(shape: Shape, batch: int) -> tuple[int, int, int]:
    """Return the number of matrices of a batch, and their sides."""
    if len(shape) == 1:
        return 1, batch, shape[0]
    return batch, shape[0], prod(shape[1:])
