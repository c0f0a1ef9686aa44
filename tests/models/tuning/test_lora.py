"""Adapters: their arithmetic, their initial values, and the weights beside them."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from tuned_nets import SHAPE

from cutlayer.models import Lora, ModelSpec, Tuning, build, load_into, save_weights
from cutlayer.models.draws import Draws, draws_of
from cutlayer.models.tuning.lora import adapt, adapters

LORA = Lora(2, 4.0, ("*.qkv", "*.mlp.0"))
VIT = ModelSpec("tuned_nets:vit", 3, SHAPE, tuning=Tuning(trainable=("fc.*",), lora=LORA))


def adapted(layer, lora, seed=0):
    """An adapted layer whose second factor is not zero."""
    adapt(layer, lora, seed, "layer")
    nn.init.normal_(layer.lora_b)
    return layer


def copy_of(layer):
    return nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)


@pytest.mark.parametrize("bias", [True, False])
def test_an_adapted_layer_adds_a_product_of_low_rank(bias):
    layer = adapted(nn.Linear(6, 5, bias=bias), Lora(2, 3.0, ()))
    x = torch.randn(7, 4, 6)
    a, b = layer.lora_a, layer.lora_b
    assert (a.shape, b.shape) == ((2, 6), (5, 2))
    plain = functional.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), plain + 3 / 2 * x @ a.T @ b.T)
    merged = functional.linear(x, layer.weight + layer.update(), layer.bias)
    torch.testing.assert_close(layer(x), merged)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_outputs_and_gradients_are_those_of_peft(dropout):
    peft = pytest.importorskip("peft")
    base = nn.Linear(6, 5)
    base.requires_grad_(False)
    layer = copy_of(base)
    layer.load_state_dict(base.state_dict())
    layer.requires_grad_(False)
    adapted(layer, Lora(2, 3.0, (), dropout))
    settings = {"r": 2, "lora_alpha": 3.0, "lora_dropout": dropout}
    config = peft.LoraConfig(target_modules=["base"], **settings)
    other = peft.tuners.lora.Linear(base, "default", config, **settings)
    factors = other.lora_A["default"], other.lora_B["default"]
    for own, theirs in zip((layer.lora_a, layer.lora_b), factors, strict=True):
        theirs.weight.data.copy_(own.data)
    x = torch.randn(7, 4, 6)
    results = []
    for module in (layer, other):
        torch.manual_seed(1)
        results.append(module(x))
        results[-1].square().sum().backward()
    assert torch.equal(*results)
    for own, theirs in zip((layer.lora_a, layer.lora_b), factors, strict=True):
        assert torch.equal(own.grad, theirs.weight.grad)
    assert layer.weight.grad is layer.bias.grad is None


def test_conv1d_of_transformers_is_a_linear_layer_with_a_transposed_weight():
    utils = pytest.importorskip("transformers.pytorch_utils")
    layer = adapted(utils.Conv1D(5, 6), Lora(2, 3.0, ()))
    assert (layer.lora_a.shape, layer.lora_b.shape) == ((2, 6), (5, 2))
    x = torch.randn(7, 4, 6)
    plain = x @ layer.weight + layer.bias
    torch.testing.assert_close(layer(x), plain + 3 / 2 * x @ layer.lora_a.T @ layer.lora_b.T)
    torch.testing.assert_close(layer(x), x @ (layer.weight + layer.update()) + layer.bias)
    before = layer(x)
    layer.merge()
    assert type(layer) is utils.Conv1D
    torch.testing.assert_close(layer(x), before)


def test_the_weights_beside_adapters_are_drawn_as_without_them():
    model, plain = build(VIT, seed=3), build("tuned_nets:vit", classes=3, seed=3)
    tensors, x = model.state_dict(), torch.randn(2, *SHAPE)
    for key, value in plain.state_dict().items():
        assert torch.equal(tensors.pop(key), value)
    assert len(tensors) == 2 * 2 * len(LORA.targets)
    assert torch.equal(model(x), plain(x))  # adapters add zeros at first


def test_an_adapter_is_drawn_from_a_stream_of_its_own():
    one = Tuning(lora=Lora(2, 4.0, ("encoder2.attention.qkv",)))
    few = build(ModelSpec("tuned_nets:vit", 3, SHAPE, tuning=one), seed=3)
    key = "blocks.2.attention.qkv.lora_a"
    drawn = build(VIT, seed=3).state_dict()
    assert torch.equal(few.state_dict()[key], drawn[key])
    assert not torch.equal(drawn[key], drawn[key.replace("2", "1")])
    assert not torch.equal(drawn[key], build(VIT, seed=4).state_dict()[key])
    bound = 8**-0.5  # as the weights of nn.Linear(8, ...)
    assert 0.5 * bound < drawn[key].abs().max() <= bound


def test_only_the_dropout_of_an_adapter_draws():
    for dropout, draws in ((0.0, Draws.NOTHING), (0.5, Draws.TORCH)):
        lora = Lora(2, 4.0, LORA.targets, dropout)
        model = build(ModelSpec("tuned_nets:vit", 3, SHAPE, tuning=Tuning(lora=lora)), seed=0)
        found = [*adapters(model).values()]
        assert len(found) == 4
        assert {draws_of(layer) for layer in found} == {draws}


def test_a_file_without_adapters_fits_and_leaves_them_as_drawn(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, build("tuned_nets:vit", classes=3, seed=9), {"made": "by a test"})
    model, drawn = build(VIT, seed=3), build(VIT, seed=3).state_dict()
    load_into(model, path)
    other = build("tuned_nets:vit", classes=3, seed=9).state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.get(key, drawn[key]))
    save_weights(path, model, {})
    fresh = build(VIT, seed=8)
    load_into(fresh, path)
    assert all(
        torch.equal(fresh.state_dict()[key], value) for key, value in model.state_dict().items()
    )


def test_the_adapters_of_gpt2_have_the_published_number_of_parameters():
    """294,912 with rank 8 on the queries, keys and values, as in the documentation of peft."""
    tuning = Tuning(lora=Lora(8, 16.0, ("*.qkv",)))
    spec = ModelSpec("gpt2", 50257, (8,), 50257, tuning=tuning)
    model = build(spec, seed=0, device="meta")
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 294_912
