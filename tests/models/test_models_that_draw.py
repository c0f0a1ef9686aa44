"""From which generators the layers of a model may draw, as far as their types tell."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cutlayer.models.catalogue import MODELS, TOKEN_MODELS, build
from cutlayer.models.draws import Draws, borrowed_generators, draws_of, seed_generators
from cutlayer.models.layers import conv_block, fc_block
from cutlayer.models.spec import ModelSpec


def states() -> tuple[object, ...]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002
    assert isinstance(legacy, dict)
    return torch.get_rng_state().tolist(), random.getstate(), legacy["state"]["key"].tolist()


@pytest.mark.parametrize("name", MODELS)
def test_no_shipped_model_draws(name: str) -> None:
    spec = TOKEN_MODELS.get(name, ModelSpec(name, 10))
    assert draws_of(build(spec, seed=0, device="meta")) == Draws.NOTHING


@pytest.mark.parametrize("name", ["lenet", "vgg5", "resnet12", "mobilenetv3-small"])
def test_a_model_said_not_to_draw_leaves_the_generators_alone(name: str) -> None:
    model = build(name, classes=10, seed=0).train()
    with borrowed_generators():
        before = states()
        model(torch.zeros(2, 3, 32, 32)).sum().backward()
        assert states() == before


def made_without_arguments() -> list[type[nn.Module]]:
    made = []
    for name in sorted(vars(nn)):
        kind = getattr(nn, name)
        if isinstance(kind, type) and issubclass(kind, nn.Module):
            try:
                kind()
            except (TypeError, Warning):
                continue
            made.append(kind)
    return made


@pytest.mark.parametrize("kind", made_without_arguments())
def test_layers_of_torch_draw_only_if_they_are_said_to(kind: type[nn.Module]) -> None:
    layer = kind().train()
    with borrowed_generators():
        before = states()
        try:
            layer(torch.ones(2, 4, 8, 8))
        except (RuntimeError, TypeError, ValueError, NotImplementedError, Warning):
            return  # it does not take a batch of images
        drawn = states()
    assert drawn[1:] == before[1:]
    if draws_of(layer) == Draws.NOTHING:
        assert drawn == before


class Doubled(nn.ReLU):
    """A class of a user."""


class Silent(nn.Module):
    """A class of a user that is said not to draw."""

    draws = False

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.body(x)
        return output


class Inherited(Silent):
    """Its forward pass may be another one."""


def hooked() -> nn.Module:
    layer = nn.ReLU()
    layer.register_forward_hook(lambda *_: None)
    return layer


def replaced() -> nn.Module:
    layer = nn.ReLU()
    layer.forward = torch.relu  # type: ignore[method-assign]
    return layer


def parametrized() -> nn.Module:
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Doubled())
    return layer


@pytest.mark.parametrize(
    ("module", "draws"),
    [
        (conv_block(3, 4, pool=nn.MaxPool2d(2)), Draws.NOTHING),
        (nn.Sequential(fc_block(4, 4), nn.Dropout(0.1)), Draws.TORCH),
        (nn.RReLU(), Draws.TORCH),
        (nn.GRU(2, 2), Draws.TORCH),
        (nn.MultiheadAttention(4, 2), Draws.TORCH),
        (Doubled(), Draws.ANYTHING),
        (Silent(nn.ReLU()), Draws.NOTHING),
        (Silent(nn.Dropout()), Draws.TORCH),
        (Silent(Doubled()), Draws.ANYTHING),
        (Inherited(nn.ReLU()), Draws.ANYTHING),
        (hooked(), Draws.ANYTHING),
        (replaced(), Draws.ANYTHING),
        (parametrized(), Draws.ANYTHING),
    ],
)
def test_what_is_not_known_may_draw_from_anything(module: nn.Module, draws: Draws) -> None:
    assert draws_of(module) == draws


def test_a_generator_is_seeded_in_the_same_way_alone_and_with_the_others() -> None:
    drawn = []
    with borrowed_generators():
        for draws in (Draws.TORCH, Draws.ANYTHING):
            torch.manual_seed(draws)
            seed_generators(20, draws)
            drawn.append(torch.rand(5).tolist())
        assert drawn[0] == drawn[1]
        before = states()
        seed_generators(21, Draws.NOTHING)
        assert states() == before
        seed_generators(21, Draws.TORCH)
        assert states()[1:] == before[1:]
        assert states()[0] != before[0]
