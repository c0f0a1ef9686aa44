"""Codecs that send some of the values, with their places: top-k, Rand-Top-k, and `kept`.

Rand-Top-k: Zheng et al., "Reducing Communication for Split Learning by Randomized Top-k
Sparsification", IJCAI 2023. Error feedback: Stich et al., "Sparsified SGD with Memory", NeurIPS 2018.
"""

from math import floor, prod
from typing import Any

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.codec import Kept as KeptSection
from cutlayer.scenarios.codec import RandTopK as RandTopKSection
from cutlayer.scenarios.codec import TopK as TopKSection
from cutlayer.sim.codecs.codec import (
    EXACT,
    Cached,
    Codec,
    Costs,
    Field,
    Shape,
    Step,
    costs_of,
    index_bits,
    rows,
)

PLACE_BYTES = 8  # of a place before packing, int64
SELECT_READS = 3  # quickselect reads and compares a value about three times


class TopK(Codec):
    """Of each of r samples or rows of d values, k = max(1, floor(share d)) are sent.

    That is r k values of 16 or 32 bits and r k places of ceil(log2 d) bits.
    """

    name = "top_k"
    summary = "the largest values and their places; with or without error feedback"
    masks = True
    section: TopKSection | RandTopKSection

    def __init__(self, section: Any) -> None:
        super().__init__(section)
        self.cached: Cached = "sender" if getattr(section, "feedback", False) else "nothing"

    def chosen(self, each: int) -> int:
        """Return k, the number of values sent of `each`."""
        return max(1, floor(self.section.share * each + EXACT))

    def kept_values(self, shape: Shape, batch: int) -> int:
        """Return r k."""
        count, each = rows(shape, batch, self.section.per)
        return count * self.chosen(each)

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the values and their places."""
        kept, (_, each) = self.kept_values(shape, batch), rows(shape, batch, self.section.per)
        return Field(kept, self.section.bits), Field(kept, index_bits(each))

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return the selection of the largest and a gathering pass; with feedback, two more passes."""
        values, kept = batch * prod(shape), self.kept_values(shape, batch)
        feedback = (
            (
                Step("add what was left out", values, 1, 2 * FLOAT_BYTES, FLOAT_BYTES),
                Step("keep what is left out", values),
            )
            if self.cached == "sender"
            else ()
        )
        return costs_of(
            self.name, *feedback, *self._selections(values), *gather(kept, self.section.bits)
        )

    def _selections(self, values: int) -> tuple[Step, ...]:
        return (Step("abs", values), _SELECT(values))

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return a pass that writes zeros, and one that writes the values."""
        values, kept = batch * prod(shape), self.kept_values(shape, batch)
        return costs_of(self.name, *scatter(values, kept, self.section.bits))


class RandTopK(TopK):
    """Sends as much as `top_k`; the choice takes a random number for each value and a selection more."""

    name = "rand_top_k"
    summary = "mostly the largest values, some at random (Rand-Top-k)"
    section: RandTopKSection

    def _selections(self, values: int) -> tuple[Step, ...]:
        return (*super()._selections(values), Step("draw", values, 1, 0), _SELECT(values))


class Kept(Codec):
    """Sends the values at the places that the upload kept, without the places."""

    name = "kept"
    summary = "the gradient at the places that the upload kept (down only)"
    section: KeptSection

    def __init__(self, section: KeptSection, up: Codec) -> None:
        super().__init__(section)
        self._up = up

    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return as many values as the upload had."""
        return (Field(self._up.kept_values(shape, batch), self.section.bits),)

    def first_fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return all values in `bits` bits: the upload was sent in full."""
        return (Field(batch * prod(shape), self.section.bits),)

    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return a gathering pass."""
        return costs_of(self.name, *gather(self._up.kept_values(shape, batch), self.section.bits))

    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return a pass that writes zeros, and one that writes the values."""
        values, kept = batch * prod(shape), self._up.kept_values(shape, batch)
        return costs_of(self.name, *scatter(values, kept, self.section.bits))


def _SELECT(values: int) -> Step:  # noqa: N802
    return Step("select", values, SELECT_READS, SELECT_READS * FLOAT_BYTES, 0)


def gather(kept: int, bits: int) -> tuple[Step, ...]:
    """Return the pass that reads the kept values and writes them one after another."""
    return (Step("gather", kept, 1, FLOAT_BYTES + PLACE_BYTES, bits // 8),)


def scatter(values: int, kept: int, bits: int) -> tuple[Step, ...]:
    """Return the passes that write zeros, and then the kept values at their places."""
    return Step("zeros", values, 1, 0), Step("scatter", kept, 1, bits // 8 + PLACE_BYTES)
