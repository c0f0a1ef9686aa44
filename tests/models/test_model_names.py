"""Models by name: the catalogue, users' models, and unknown names."""

import pytest
import torch

from cutlayer.models import ModelSpec, UnknownModelError, build, model_cost, resolve

OWN = """
from cutlayer.models.model import Model
from torch import nn

def tiny(classes, input_shape):
    blocks = [
        ("features", nn.Sequential(nn.Conv2d(input_shape[0], 4, 3), nn.AdaptiveAvgPool2d(1))),
        ("fc", nn.Sequential(nn.Flatten(), nn.Linear(4, classes))),
    ]
    return Model("tiny", blocks, input_shape, classes, feature_blocks=1)

class Zoo:
    small = staticmethod(tiny)

def other_arguments(width):
    return tiny(2, (3, 8, 8))

class Tokens(nn.Sequential):
    def __init__(self, classes, vocabulary):
        super().__init__(nn.Embedding(vocabulary, 4), nn.Flatten(), nn.Linear(12, classes))

def no_model(classes, input_shape):
    return {}

number = 7
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "names_own_models.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "broken_models.py").write_text("this is no Python", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_users_own_model(own):
    model = build("names_own_models:tiny", classes=3, input_shape=(1, 8, 8), seed=0)
    assert model.split(1).server(torch.zeros(2, 4, 1, 1)).shape == (2, 3)
    features, fc = model_cost("names_own_models:tiny", 3, (1, 8, 8))
    assert features.layers[0].forward_flops == 2 * 9 * 4 * 36
    assert fc.parameters == 15
    assert build("names_own_models:Zoo.small", classes=2, seed=0).name == "tiny"


def test_a_factory_gets_the_vocabulary_of_the_data(own):
    model = build(ModelSpec("names_own_models:Tokens", 2, (3,), vocabulary=7), seed=0)
    assert next(model.parameters()).shape == (7, 4)
    assert model(torch.tensor([[0, 6, 2]])).shape == (1, 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg-11", "unknown model 'vgg-11'; did you mean 'vgg11'"),
        ("ResNet9", "did you mean 'resnet9'"),
        ("transformer-xl", "known are vgg5, vgg11, vgg19, .*lenet, mobilenetv2, .*resnet18, "),
        ("nowhere:net", "'nowhere:net' cannot be loaded: there is no module nowhere in "),
        (":net", "cannot be loaded"),
        ("names_own_models:", "cannot be loaded"),
        ("names_own_models:tyni", "has no attribute 'tyni'"),
        ("broken_models:net", "cannot be loaded .SyntaxError"),
        ("names_own_models:number", "is int, expected a class or function"),
        (
            "names_own_models:other_arguments",
            "must accept classes, input_shape and vocabulary, or",
        ),
        ("names_own_models:no_model", "returned a dict, expected a torch.nn.Module"),
    ],
)
def test_an_unknown_name_is_refused_with_one_sentence(own, name, message):
    with pytest.raises(UnknownModelError, match=message):
        build(name, classes=3, seed=0)


def test_resolve_returns_the_factory():
    from cutlayer.models.plain import vgg5

    assert resolve("vgg5") is vgg5
