"""Top-k, Rand-Top-k and `kept` on tensors."""

import torch
from torch import Tensor

from cutlayer.scenarios.codec import RandTopK as RandTopKSection
from cutlayer.scenarios.codec import TopK as TopKSection
from cutlayer.sim.codecs.codec import index_bits
from cutlayer.sim.codecs.sparse import TopK as Sizes
from cutlayer.sim.learning.codecs.twin import Part, Parts, Twin, Values, in_bits, known


class TopK(Twin):
    """Sends the k values of largest magnitude of each sample or row; the first of equal ones."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:
        """Return the values and their places, ascending."""
        if self.spec.get("feedback"):
            values = values + known(before, values)
        table = self._table(values)
        places = self._places(table).sort(dim=1).values
        sent = in_bits(table.gather(1, places), self.spec["bits"])
        return sent, Values(places, index_bits(table.shape[1]))

    def _table(self, values: Tensor) -> Tensor:
        """Return the values as [samples or rows, values in each]."""
        each = values.shape[-1] if self.spec["per"] == "row" else values[0].numel()
        return values.reshape(-1, each)

    def _chosen(self, each: int) -> int:
        return Sizes(TopKSection(share=self.spec["share"])).chosen(each)

    def _places(self, table: Tensor) -> Tensor:
        """Return the places of the largest values of each row."""
        order = table.abs().sort(dim=1, descending=True, stable=True).indices
        return order[:, : self._chosen(table.shape[1])]

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return the values at their places, 0 elsewhere."""
        sent, places = map(_numbers, parts)
        zeros = torch.zeros(self._rows(places, shape), device=sent.device)
        return zeros.scatter_(1, places, sent.to(torch.float32)).reshape(shape)

    def mask(self, parts: Parts, shape: torch.Size) -> Tensor:
        """Return where values were sent."""
        places = _numbers(parts[1])
        return _marked(
            torch.zeros(self._rows(places, shape), device=places.device), places
        ).reshape(shape)

    def _rows(self, places: Tensor, shape: torch.Size) -> tuple[int, int]:
        return len(places), shape.numel() // len(places)

    def keep(self, values: Tensor, before: Tensor | None, decoded: Tensor) -> Tensor:
        """Return what was left out: the next message adds it."""
        return values + known(before, values) - decoded


class RandTopK(TopK):
    """Replaces each of the k largest by a random other value with probability alpha."""

    def _chosen(self, each: int) -> int:
        return Sizes(RandTopKSection(share=self.spec["share"])).chosen(each)

    def _places(self, table: Tensor) -> Tensor:
        """Return the places of a random choice, drawn from the current generator.

        The number of values that are not among the k largest is binomial (k, alpha), as if each were
        drawn by itself; which ones, and which of the largest remain, is uniform.
        """
        largest, (count, each) = super()._places(table), table.shape
        chosen = largest.shape[1]
        replaced = (torch.rand(count, chosen) < self.spec["alpha"]).sum(dim=1)
        replaced = replaced.clamp_max(each - chosen).to(table.device).unsqueeze(1)
        scores = torch.rand(count, each).to(table.device)
        is_large = _marked(table, largest)
        kept = is_large & (_ranks(scores.where(is_large, -1.0)) < chosen - replaced)
        kept |= ~is_large & (_ranks(scores.where(~is_large, -1.0)) < replaced)
        places: Tensor = kept.nonzero()[:, 1]
        return places.reshape(count, chosen)


class Kept(Twin):
    """Rounds the gradient; the device uses it at the places that its upload kept."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:  # noqa: ARG002
        """Return all values: only those at the kept places are sent, and the device masks the rest."""
        return (in_bits(values, self.spec["bits"]),)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return the rounded values."""
        return _numbers(parts[0]).to(torch.float32)


def _marked(table: Tensor, places: Tensor) -> Tensor:
    """Return a mask of the shape of a table that is true at these places of its rows."""
    mask = torch.zeros_like(table, dtype=torch.bool)
    return mask.scatter_(1, places, torch.ones_like(places, dtype=torch.bool))


def _ranks(scores: Tensor) -> Tensor:
    """Return the rank of each score in its row, 0 for the largest."""
    order = scores.argsort(dim=1, descending=True, stable=True)
    return order.argsort(dim=1)


def _numbers(part: Part) -> Tensor:
    assert isinstance(part, Values)
    return part.numbers
