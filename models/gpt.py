"""GPT-2 (Radford et al., 2019) and smaller language models of its architecture, without dropout.

GPT-2's head uses the matrix of its token embedding, which would be on both sides of every cut. Here the
head has a matrix of its own, which begins as a copy. A model in which neither is trained, as with LoRA,
computes what GPT-2 does.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cutlayer.models.model import Model, NamedBlock
from cutlayer.models.transformer import (
    STD,
    CausalAttention,
    Layer,
    TokenEmbedding,
    initialise,
    length_of,
)

_EPSILON = 1e-5


def gpt2(
    classes: int = 50_257, input_shape: Sequence[int] = (1024,), vocabulary: int | None = None
) -> Model:
    """Build GPT-2 small: 124,439,808 parameters, and 38,597,376 of the head's own matrix.

    These are for 50,257 tokens and a context of 1,024. The blocks are the embedding of tokens and
    positions, twelve decoder layers, and the head. A cut sends 768 values for each token.
    """
    return _gpt("gpt2", 768, 12, 12, classes, input_shape, vocabulary)


def gpt_mini(
    classes: int = 258, input_shape: Sequence[int] = (128,), vocabulary: int | None = None
) -> Model:
    """Build a GPT of 6 layers, 192 wide with 6 heads (the size of this name in minGPT)."""
    return _gpt("gpt-mini", 192, 6, 6, classes, input_shape, vocabulary)


def gpt_nano(
    classes: int = 258, input_shape: Sequence[int] = (128,), vocabulary: int | None = None
) -> Model:
    """Build a GPT of 3 layers, 48 wide with 3 heads (the size of this name in minGPT)."""
    return _gpt("gpt-nano", 48, 3, 3, classes, input_shape, vocabulary)


def _gpt(
    name: str,
    width: int,
    heads: int,
    depth: int,
    classes: int,
    input_shape: Sequence[int],
    vocabulary: int | None,
) -> Model:
    tokens = classes if vocabulary is None else vocabulary
    embedding = TokenEmbedding(tokens, length_of(name, input_shape), width)
    blocks: list[NamedBlock] = [("embedding", embedding)]
    for number in range(1, depth + 1):
        gelu = nn.GELU(approximate="tanh")
        layer = Layer(CausalAttention(width, heads), width, activation=gelu, epsilon=_EPSILON)
        initialise(layer)
        for added in ("attention.project.weight", "mlp.2.weight"):  # to the tokens, in all layers
            nn.init.normal_(layer.get_parameter(added), std=STD / (2 * depth) ** 0.5)
        blocks.append((f"decoder{number}", layer))
    head = TokenHead(width, classes)
    initialise(head)
    if tokens == classes:
        with torch.no_grad():
            head.linear.weight.copy_(embedding.tokens.weight)
    blocks.append(("fc", head))
    return Model(name, blocks, input_shape, classes, depth + 1, input_dtype=torch.int64)


class TokenHead(nn.Module):
    """LayerNorm and a linear layer without bias on each token."""

    draws = False

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.linear = nn.Linear(width, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, length, classes)."""
        logits: Tensor = self.linear(self.norm(x))
        return logits
