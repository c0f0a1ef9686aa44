"""SplitCom on tensors."""

import torch
from torch import Tensor

from cutlayer.scenarios.codec import SplitCom as Section
from cutlayer.sim.codecs.splitcom import SplitCom as Sizes
from cutlayer.sim.learning.codecs.twin import Parts, Twin, Values, known


class SplitCom(Twin):
    """Sends the samples that are farthest from what the receiver has; those it has not come first."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:
        """Return the values of the chosen samples, and which they are."""
        assert before is not None, "both ends keep the samples"
        moved = (values - before).square().flatten(1).sum(dim=1)
        moved = moved.where(~moved.isnan(), torch.inf)
        order = moved.argsort(descending=True, stable=True)
        chosen = Sizes(Section(share=self.spec["share"])).chosen(len(values))
        sent = torch.zeros(len(values), dtype=torch.bool, device=values.device)
        sent[order[:chosen]] = True
        return Values(values[sent], 32), Values(sent, 1)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return the samples that were sent, and the kept values of the others."""
        assert before is not None, "both ends keep the samples"
        values, sent = (part.numbers for part in parts if isinstance(part, Values))
        decoded = known(before, before)
        decoded[sent] = values
        return decoded

    def mask(self, parts: Parts, shape: torch.Size) -> Tensor:
        """Return the samples that were sent."""
        _, sent = (part.numbers for part in parts if isinstance(part, Values))
        return sent.reshape(-1, *(1,) * (len(shape) - 1)).expand(shape)

    def keep(self, values: Tensor, before: Tensor | None, decoded: Tensor) -> Tensor:  # noqa: ARG002
        """Return what was decoded; samples that neither end has stay unknown."""
        assert before is not None, "both ends keep the samples"
        return decoded
