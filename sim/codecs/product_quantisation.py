"""Product quantisation of activations: FedLite (arXiv 2201.11865)."""

from math import prod

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.codec import ProductQuantisation as Section
from cutlayer.sim.codecs.codec import Codec, Costs, Field, Shape, Step, costs_of, index_bits

INDEX_BYTES = 8  # of a centroid's number before packing, int64


class ProductQuantisation(Codec):
    """Of n samples of d values in q subvectors, in R groups with L centroids each, it sends

    R L d/q values of 32 bits, the centroids, and n q numbers of ceil(log2 L) bits. A group has no
    more centroids than subvectors.
    """

    name = "product_quantisation"
    summary = "subvectors replaced by centroids, which k-means finds in every batch (FedLite)"
    section: Section

    def __init__(self, section: Section) -> None:
        super().__init__(section)
        self.corrects = section.correction > 0

    def problem(self, shape: Shape) -> str | None:
        """Return that the subvectors do not divide a sample's values, or None."""
        values, count = prod(shape), self.section.subvectors
        if values % count == 0:
            return None
        return f"needs subvectors that divide the {values} values of a sample"

    def _centroids(self, batch: int) -> int:
        return min(self.section.centroids, batch * self.section.subvectors // self.section.groups)

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the centroids and the numbers of the subvectors' centroids."""
        count, groups = self.section.subvectors, self.section.groups
        centroids, width = self._centroids(batch), prod(shape) // count
        numbers = Field(batch * count, index_bits(centroids))
        return Field(groups * centroids * width, 8 * FLOAT_BYTES), numbers

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return the iterations of k-means: distances to all centroids (2 d L FLOPs a sample), means.

        The last assignment takes the distances once more.
        """
        values, subvectors = batch * prod(shape), batch * self.section.subvectors
        centroids, rounds = self._centroids(batch), self.section.iterations
        numbers = subvectors * centroids
        return costs_of(
            self.name,
            Step("distances", (rounds + 1) * values, 2 * centroids, FLOAT_BYTES, 0, "linear"),
            Step("nearest", (rounds + 1) * numbers),
            Step("means", rounds * values, 1, FLOAT_BYTES, 0),
        )

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return a pass that copies centroids."""
        return costs_of(self.name, Step("look up", batch * prod(shape)))
