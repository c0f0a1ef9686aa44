"""SplitCom (arXiv 2602.10564): only the samples whose activations moved most are sent."""

from math import ceil, prod

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.codec import SplitCom as Section
from cutlayer.sim.codecs.codec import EXACT, Cached, Codec, Costs, Field, Shape, Step, costs_of


class SplitCom(Codec):
    """Of n samples of d values, s = ceil(share n) are sent: s d values of 32 bits, and n bits.

    The bits say which. The paper sends what moved by more than a threshold; a share of the samples has a
    size that does not depend on their values.
    """

    name = "splitcom"
    summary = "the samples that moved most since they were last sent (SplitCom)"
    masks = True
    cached: Cached = "both"
    section: Section

    def chosen(self, batch: int) -> int:
        """Return s, the number of samples sent of a batch."""
        return ceil(self.section.share * batch - EXACT)

    def kept_values(self, shape: Shape, batch: int) -> int:
        """Return s d."""
        return self.chosen(batch) * prod(shape)

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the values of the chosen samples, and the bits."""
        return Field(self.kept_values(shape, batch), 8 * FLOAT_BYTES), Field(batch, 1)

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return the distances of all samples, and the storing of the chosen ones."""
        values, kept = batch * prod(shape), self.kept_values(shape, batch)
        distances = Step("distances", values, 3, 2 * FLOAT_BYTES, 0)
        return costs_of(self.name, distances, Step("store", kept))

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return the storing of the chosen samples and the reading of all."""
        values, kept = batch * prod(shape), self.kept_values(shape, batch)
        return costs_of(self.name, Step("store", kept), Step("read", values))
