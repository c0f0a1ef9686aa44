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


class Places(nn.Module):
    """Adds vectors of up to four places."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors = nn.Embedding(4, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.vectors(torch.arange(x.shape[1], device=x.device))


def of_four_places(classes: int, input_shape: tuple[int, ...], vocabulary: int = 300) -> Model:
    blocks = [
        ("embedding", nn.Sequential(nn.Embedding(vocabulary, WIDTH), Places())),
        ("last", nn.Sequential(Mean(), nn.Linear(WIDTH, classes))),
    ]
    return Model("places", blocks, input_shape, classes, 2, input_dtype=torch.int64)


def small(classes: int, input_shape: tuple[int, ...]) -> Model:
    return net(classes, input_shape, vocabulary=5)


def language(classes: int, input_shape: tuple[int, ...], vocabulary: int) -> Model:
    blocks = [("embedding", nn.Embedding(vocabulary, WIDTH)), ("last", nn.Linear(WIDTH, classes))]
    return Model("language", blocks, input_shape, classes, 1, input_dtype=torch.int64)
