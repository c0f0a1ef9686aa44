"""The models of the catalogue by what they take, and small inputs for those that take tokens."""

import torch
from torch import Tensor

from cutlayer.models import MODELS, Model, build
from cutlayer.models.catalogue import TOKEN_MODELS
from cutlayer.models.spec import ModelSpec

PADDING = 2  # the token
IMAGE_MODELS = [name for name in MODELS if name not in TOKEN_MODELS]
SMALL_TOKEN_MODELS = {  # GPT-2 has the code of the smaller ones
    "gpt-mini": ModelSpec("gpt-mini", 23, (7,), 23),
    "gpt-nano": ModelSpec("gpt-nano", 23, (7,), 23),
    "text-mini": ModelSpec("text-mini", 10, (7,), 23, padding=PADDING),
}


def small(name: str, seed: int) -> Model:
    """A model for images of 3x32x32 and 10 classes, or for 7 tokens."""
    if name in SMALL_TOKEN_MODELS:
        return build(SMALL_TOKEN_MODELS[name], seed=seed)
    return build(name, classes=10, seed=seed)


def inputs(model: Model, batch: int) -> Tensor:
    """A batch; a text ends with padding."""
    generator = torch.Generator().manual_seed(4)
    if model.input_dtype.is_floating_point:
        return torch.randn(batch, *model.input_shape, generator=generator)
    tokens = torch.randint(3, 23, (batch, *model.input_shape), generator=generator)
    tokens[0, -2:] = PADDING
    return tokens
