"""The frozen tensors of a module, and the bytes that they take."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from cutlayer.models.model import Model

TYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Frozen:
    """The keys of frozen tensors in a state dict, and the type in which those of floats are kept."""

    keys: frozenset[str] = frozenset()
    type: torch.dtype = torch.float32

    def bytes_of(self, tensor: Tensor) -> int:
        """Return the bytes that a frozen tensor takes."""
        size = self.type.itemsize if tensor.is_floating_point() else tensor.element_size()
        return tensor.numel() * size


NOTHING_FROZEN: Final = Frozen()


def frozen_in(model: Model, block: int) -> Frozen:
    """Return the frozen tensors of a block, by their keys within it."""
    start = f"blocks.{block}."
    keys = frozenset(key.removeprefix(start) for key in model.frozen if key.startswith(start))
    return Frozen(keys, TYPES[model.tuning.frozen_type])
