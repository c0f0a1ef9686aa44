"""Micro-batches: the parts of a batch that pass through the cut one after another."""

from typing import NamedTuple

from cutlayer.sim.learning.chain import Batch


class MicroBatch(NamedTuple):
    """A part of a batch: its number of samples, and whether it is the first or the last part."""

    size: int
    first: bool
    last: bool

    @property
    def whole(self) -> bool:
        """Whether it is the only part of its batch."""
        return self.first and self.last

    def of(self, batch: Batch) -> Batch:
        """Return `batch` with the size of this part."""
        return batch._replace(size=self.size)


def micro_batches(size: int, count: int) -> list[MicroBatch]:
    """Cut a batch of `size` samples into `count` parts, or one per sample if it has fewer.

    Their sizes differ by at most one; the larger parts come first.
    """
    count = min(size, count)
    each, larger = divmod(size, count)
    return [MicroBatch(each + (i < larger), i == 0, i == count - 1) for i in range(count)]
