"""ViT-small, a transformer on patches of images (Dosovitskiy et al., ICLR 2021)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cutlayer.models.model import Model, NamedBlock

_PATCH = 16
_WIDTH, _HEADS, _DEPTH = 384, 6, 12


def vit_small(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ViT-small with patches of 16x16: 22,050,664 parameters for 1000 classes at 224x224.

    The blocks are the embedding of the patches, twelve encoder layers, and the head, which reads the
    class token. A cut sends tokens: 197 of 384 values at 224x224. Without dropout.
    """
    blocks: list[NamedBlock] = [("embedding", PatchEmbedding(input_shape, _WIDTH))]
    blocks += [
        (f"encoder{number}", EncoderLayer(_WIDTH, _HEADS)) for number in range(1, _DEPTH + 1)
    ]
    blocks.append(("fc", ClassHead(_WIDTH, classes)))
    return Model("vit-small", blocks, input_shape, classes, feature_blocks=_DEPTH + 1)


class PatchEmbedding(nn.Module):
    """Maps every patch of an image to a token, and adds the class token and the positions."""

    draws = False

    def __init__(self, input_shape: Sequence[int], width: int) -> None:
        super().__init__()
        channels, height, wide = input_shape
        tokens = (height // _PATCH) * (wide // _PATCH) + 1
        self.project = nn.Conv2d(channels, width, _PATCH, _PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of shape (batch, patches + 1, width)."""
        patches = self.project(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], 1)
        return tokens + self.positions


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al., NeurIPS 2017, section 3.2)."""

    draws = False

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the attended tokens, in the shape of `x`: (batch, tokens, width)."""
        batch, tokens, width = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        mixed = scores.softmax(-1) @ value
        out: Tensor = self.project(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class EncoderLayer(nn.Module):
    """Attention and a two-layer perceptron, each behind a LayerNorm and beside a shortcut."""

    draws = False

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens, in the shape of `x`."""
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class ClassHead(nn.Module):
    """LayerNorm and a linear layer on the class token."""

    draws = False

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, classes)."""
        logits: Tensor = self.linear(self.norm(x)[:, 0])
        return logits
