"""Models that take tokens, and have an output for each of them."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from cutlayer.models import Model
from cutlayer.models.cost import block_costs
from cutlayer.models.errors import ModelError
from cutlayer.models.layers import auxiliary_head

LENGTH, WIDTH, VOCABULARY = 6, 4, 9


def model(last: nn.Module, classes: int = VOCABULARY) -> Model:
    blocks: Sequence[tuple[str, nn.Module]] = [
        ("embedding", nn.Embedding(VOCABULARY, WIDTH)),
        ("last", last),
    ]
    return Model("tokens", blocks, (LENGTH,), classes, 1, input_dtype=torch.int64)


def test_a_language_model_has_an_output_for_each_token() -> None:
    tokens = torch.arange(2 * LENGTH).view(2, LENGTH) % VOCABULARY
    made = model(nn.Linear(WIDTH, VOCABULARY))
    assert made(tokens).shape == (2, LENGTH, VOCABULARY)
    first, last = block_costs(made)
    assert (first.input_bytes, first.output_bytes) == (8 * LENGTH, 4 * LENGTH * WIDTH)
    assert last.forward_flops == 2 * LENGTH * WIDTH * VOCABULARY


def test_a_classifier_of_texts_has_one_output() -> None:
    last = nn.Sequential(nn.Flatten(), nn.Linear(LENGTH * WIDTH, 3))
    assert model(last, classes=3).activation_shape(2) == (3,)


def test_other_outputs_are_refused() -> None:
    with pytest.raises(ModelError, match="the last block must give one value for each of 9"):
        model(nn.Sequential(nn.Linear(WIDTH, VOCABULARY), nn.Flatten()))


def test_the_head_of_a_language_model_is_a_function_of_each_token() -> None:
    head = auxiliary_head((LENGTH, WIDTH), (LENGTH, VOCABULARY), seed=0)
    activation = torch.randn(2, LENGTH, WIDTH)
    output: Tensor = head(activation)
    assert output.shape == (2, LENGTH, VOCABULARY)
    assert torch.equal(head(activation[:, 2:3])[:, 0], output[:, 2])
    with pytest.raises(ModelError, match="needs a vector for each of 6 tokens"):
        auxiliary_head((WIDTH,), (LENGTH, VOCABULARY), seed=0)
