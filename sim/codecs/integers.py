"""Integers of 2 to 16 bits: EcoFed's quantiser (arXiv 2304.05495), per tensor or per channel."""

from math import prod

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.models.quantise_cost import dequantise_costs, quantise_costs
from cutlayer.scenarios.codec import Int as IntSection
from cutlayer.sim.codecs.codec import Codec, Costs, Field, Shape

SCALE_BITS = 8 * FLOAT_BYTES


class Int(Codec):
    """Sends n x d integers of b bits and, with a scale for each of c channels, c values of 32 bits."""

    name = "int"
    summary = "integers of 2 to 16 bits, with a scale for each tensor or channel"
    section: IntSection

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the integers, and the scales of channels."""
        integers = Field(batch * prod(shape), self.section.bits)
        if self.section.per == "tensor":
            return (integers,)
        return integers, Field(channels(shape), SCALE_BITS)

    def scales(self, shape: Shape, batch: int) -> int:  # noqa: ARG002
        """Return 1 with a scale for the tensor."""
        return int(self.section.per == "tensor")

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return the costs of EcoFed's quantiser."""
        return quantise_costs(batch * prod(shape), self.section.bits)

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return the costs of EcoFed's quantiser."""
        return dequantise_costs(batch * prod(shape), self.section.bits)


def channels(shape: Shape) -> int:
    """Return the channels of a sample: the first of three dimensions, otherwise the last."""
    return shape[0] if len(shape) == 3 else shape[-1]
