"""Vision transformers on patches of images (Dosovitskiy et al., ICLR 2021), without dropout."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cutlayer.models.model import Model, NamedBlock
from cutlayer.models.transformer import Attention, Layer

_DEPTH = 12
_EPSILON = 1e-6
_PATCH = 16
_SMALL_PATCHES = ((16, 2), (48, 4), (96, 8))  # of images with a side below the first number


def vit_small(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ViT-small with patches of 16x16: 22,050,664 parameters for 1000 classes at 224x224.

    The blocks are the embedding of the patches, twelve encoder layers, and the head, which reads the
    class token. A cut sends tokens: 197 of 384 values at 224x224.
    """
    return _vit("vit-small", 384, 6, _PATCH, classes, input_shape)


def vit_tiny(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ViT-tiny: 5,717,416 parameters for 1000 classes at 224x224.

    Touvron et al., ICML 2021 (DeiT-Ti, without its distillation). Patches of images with a side below
    16, 48 and 96 pixels are 2x2, 4x4 and 8x8 instead of 16x16: a cut sends 197 tokens of 192 values at
    224x224, 65 at 32x32 and 17 at 8x8.
    """
    side = min(input_shape[-2:])
    patch = next((patch for limit, patch in _SMALL_PATCHES if side < limit), _PATCH)
    return _vit("vit-tiny", 192, 3, patch, classes, input_shape)


def _vit(
    name: str, width: int, heads: int, patch: int, classes: int, input_shape: Sequence[int]
) -> Model:
    blocks: list[NamedBlock] = [("embedding", PatchEmbedding(input_shape, width, patch))]
    blocks += [(f"encoder{number}", EncoderLayer(width, heads)) for number in range(1, _DEPTH + 1)]
    blocks.append(("fc", ClassHead(width, classes)))
    return Model(name, blocks, input_shape, classes, feature_blocks=_DEPTH + 1)


class PatchEmbedding(nn.Module):
    """Maps every patch of an image to a token, and adds the class token and the positions."""

    draws = False

    def __init__(self, input_shape: Sequence[int], width: int, patch: int = _PATCH) -> None:
        super().__init__()
        channels, height, wide = input_shape
        tokens = (height // patch) * (wide // patch) + 1
        self.project = nn.Conv2d(channels, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of shape (batch, patches + 1, width)."""
        patches = self.project(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], 1)
        return tokens + self.positions


class EncoderLayer(Layer):
    """Attention between all tokens, and a perceptron."""

    draws = False

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(Attention(width, heads), width, activation=nn.GELU(), epsilon=_EPSILON)


class ClassHead(nn.Module):
    """LayerNorm and a linear layer on the class token."""

    draws = False

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, classes)."""
        logits: Tensor = self.linear(self.norm(x)[:, 0])
        return logits
