"""Layers of transformers (Vaswani et al., NeurIPS 2017), each LayerNorm before what it normalises."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models.errors import ModelError

STD: Final = 0.02  # of the initial weights of language models (GPT-2, BERT)


def length_of(model: str, input_shape: Sequence[int]) -> int:
    """Return the number of tokens in an input of this shape. Raises ModelError."""
    if len(input_shape) != 1:
        raise ModelError(
            f"model {model!r} takes tokens: an input shape must be one length such as (128,), got "
            f"{tuple(input_shape)}"
        )
    return input_shape[0]


def initialise(module: nn.Module) -> None:
    """Draw the weights of all linear layers of a module from N(0, 0.02), with biases of zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Attention(nn.Module):
    """Multi-head self-attention (section 3.2)."""

    draws = False

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return the attended tokens, in the shape of `x`: (batch, tokens, width).

        No token attends to those that are `hidden`: true in a tensor of shape (batch, tokens).
        """
        query, key, value = self.parts(x)
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        if hidden is not None:
            # Finite, so that a sequence of hidden tokens only does not give NaN.
            scores = scores.masked_fill(hidden[:, None, None], torch.finfo(scores.dtype).min)
        return self.joined(scores.softmax(-1) @ value)

    def parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return queries, keys and values of shape (batch, heads, tokens, width / heads)."""
        batch, tokens, width = x.shape
        parts: Tensor = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        return parts.permute(2, 0, 3, 1, 4).unbind(0)

    def joined(self, mixed: Tensor) -> Tensor:
        """Return the projection of values mixed by each head, of shape (batch, tokens, width)."""
        out: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return out


class CausalAttention(Attention):
    """Attention of each token to itself and those before it, by torch's fused kernel."""

    draws = False

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return the attended tokens, in the shape of `x`: (batch, tokens, width)."""
        assert hidden is None
        query, key, value = self.parts(x)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.joined(mixed)


class TokenEmbedding(nn.Module):
    """The sum of a vector for each token and one for its position, all drawn from N(0, 0.02)."""

    draws = False

    def __init__(self, vocabulary: int, length: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(length, width))
        nn.init.normal_(self.tokens.weight, std=STD)
        nn.init.normal_(self.positions, std=STD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return vectors of shape (batch, length, width) for tokens of shape (batch, length)."""
        vectors: Tensor = self.tokens(tokens)
        return vectors + self.positions


class Layer(nn.Module):
    """Attention and a two-layer perceptron, each behind a LayerNorm and beside a shortcut."""

    draws = False

    def __init__(
        self, attention: Attention, width: int, *, activation: nn.Module, epsilon: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.attention = attention
        self.norm2 = nn.LayerNorm(width, eps=epsilon)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), activation, nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return the tokens, in the shape of `x`."""
        x = x + self.attention(self.norm1(x), hidden)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out
