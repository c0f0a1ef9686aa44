"""A transformer that classifies texts.

The vectors of padding are zeros at every cut, so that each block can tell the padding from the tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cutlayer.models.model import Model, NamedBlock
from cutlayer.models.transformer import Attention, Layer, TokenEmbedding, initialise, length_of

_WIDTH, _HEADS, _DEPTH = 128, 4, 4
_EPSILON = 1e-5


def text_mini(
    classes: int = 10,
    input_shape: Sequence[int] = (128,),
    vocabulary: int | None = None,
    padding: int | None = None,
) -> Model:
    """Build a classifier of texts of 4 encoder layers, 128 wide with 4 heads, without dropout.

    The blocks are the embedding of tokens and positions, the encoder layers, and the head, which reads
    the mean over the tokens. The token `padding` has no effect. The vocabulary is 10,003 by default.
    """
    length = length_of("text-mini", input_shape)
    embedding = PaddedEmbedding(vocabulary or 10_003, length, _WIDTH, padding)
    blocks: list[NamedBlock] = [("embedding", embedding)]
    for number in range(1, _DEPTH + 1):
        attention = Attention(_WIDTH, _HEADS)
        layer = PaddedLayer(attention, _WIDTH, activation=nn.GELU(), epsilon=_EPSILON)
        blocks.append((f"encoder{number}", layer))
    blocks.append(("fc", MeanHead(_WIDTH, classes)))
    for _, block in blocks:
        initialise(block)
    return Model("text-mini", blocks, input_shape, classes, _DEPTH + 1, input_dtype=torch.int64)


class PaddedEmbedding(TokenEmbedding):
    """An embedding of tokens and positions that gives zeros for padding."""

    draws = False

    def __init__(self, vocabulary: int, length: int, width: int, padding: int | None) -> None:
        super().__init__(vocabulary, length, width)
        self.padding = padding

    def forward(self, tokens: Tensor) -> Tensor:
        """Return vectors of shape (batch, length, width) for tokens of shape (batch, length)."""
        vectors = super().forward(tokens)
        return vectors if self.padding is None else vectors * (tokens != self.padding)[..., None]


class PaddedLayer(Layer):
    """A layer in which no token attends to padding."""

    draws = False

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return vectors in the shape of `x`, (batch, length, width), with zeros for padding."""
        assert hidden is None
        real = (x != 0).any(-1)
        return super().forward(x, ~real) * real[..., None]


class MeanHead(nn.Module):
    """LayerNorm, the mean over all tokens but padding, and a linear layer."""

    draws = False

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, classes)."""
        real = (x != 0).any(-1, keepdim=True)
        total = (self.norm(x) * real).sum(1)
        logits: Tensor = self.linear(total / real.sum(1).clamp(min=1))
        return logits
