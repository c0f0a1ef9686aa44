"""Forward passes of transformers' models that map one tensor to one tensor.

The classes are made for a model's own class, so that its submodules keep their names.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn


def on_tokens(model: nn.Module, padding: int | None) -> None:
    """Let a model take tokens [batch, length] only, and return its logits.

    Tokens that equal `padding` are masked, except in a sample that consists of them.
    """
    kind: Any = type(model)
    model.__class__ = _of_tokens(kind)
    model.__dict__["padding"] = padding


def on_images(model: nn.Module) -> None:
    """Let a model take images [batch, channels, height, width] only, and return its logits."""
    kind: Any = type(model)
    model.__class__ = _of_images(kind)


@cache
def _of_tokens(kind: Any) -> type[nn.Module]:
    def forward(self: Any, inputs: Tensor) -> Tensor:
        if (
            self.padding is None
        ):  # without a mask, transformers looks for several texts in a sequence
            mask = torch.ones(inputs.shape, dtype=torch.long, device=inputs.device)
        else:
            real = inputs != self.padding
            mask = (real | ~real.any(1, keepdim=True)).long()
        logits: Tensor = kind.forward(self, input_ids=inputs, attention_mask=mask).logits
        return logits

    return type(kind.__name__, (kind,), {"forward": forward, "__module__": __name__})


@cache
def _of_images(kind: Any) -> type[nn.Module]:
    def forward(self: Any, inputs: Tensor) -> Tensor:
        logits: Tensor = kind.forward(self, pixel_values=inputs).logits
        return logits

    return type(kind.__name__, (kind,), {"forward": forward, "__module__": __name__})
