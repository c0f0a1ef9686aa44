"""The codecs that change a value at most to half precision: identity, fp16 and bf16."""

from math import prod

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.sim.codecs.codec import Codec, Costs, Field, Shape, Step, costs_of

HALF_BYTES = 2


class Identity(Codec):
    """Sends n x d values of 32 bits; encoding and decoding cost nothing."""

    name = "identity"
    summary = "values as they are, 32 bits"

    @property
    def lossless(self) -> bool:
        """Return True."""
        return True

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return n x d values of 32 bits."""
        return self.first_fields(shape, batch)

    def encoding(self, shape: Shape, batch: int) -> Costs:  # noqa: ARG002
        """Return no costs."""
        return ()

    def decoding(self, shape: Shape, batch: int) -> Costs:  # noqa: ARG002
        """Return no costs."""
        return ()


class Fp16(Codec):
    """Sends n x d values of 16 bits."""

    name = "fp16"
    summary = "IEEE half precision, 16 bits"

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return n x d values of 16 bits."""
        return (Field(batch * prod(shape), 8 * HALF_BYTES),)

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return a pass that converts."""
        values = batch * prod(shape)
        return costs_of(self.name, Step("to 16 bits", values, 1, FLOAT_BYTES, HALF_BYTES))

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return a pass that converts."""
        values = batch * prod(shape)
        return costs_of(self.name, Step("to floats", values, 1, HALF_BYTES, FLOAT_BYTES))


class Bf16(Fp16):
    """Sends n x d values of 16 bits."""

    name = "bf16"
    summary = "bfloat16, 16 bits"
