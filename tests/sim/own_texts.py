"""A model for texts: the classes of tokens, without their order and their padding."""

import torch
from torch import Tensor, nn

from cutlayer.models import Model

WIDTH = 8


class Mean(nn.Module):
    """The mean over the tokens of a text, whose padding is zero."""

    def forward(self, x: Tensor) -> Tensor:
        real = (x != 0).any(dim=2).sum(dim=1, keepdim=True)
        return x.sum(dim=1) / real.clamp(min=1)


def net(classes: int, input_shape: tuple[int, ...], vocabulary: int = 300) -> Model:
    blocks = [
        ("embedding", nn.Embedding(vocabulary, WIDTH, padding_idx=0)),
        ("mean", nn.Sequential(Mean(), nn.Linear(WIDTH, WIDTH), nn.Tanh())),
        ("last", nn.Linear(WIDTH, classes)),
    ]
    return Model("texts", blocks, input_shape, classes, 2, input_dtype=torch.int64)
