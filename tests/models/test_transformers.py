"""Transformers of the catalogue: sizes as published, layers as torch's, causality, and padding."""

from math import log

import pytest
import torch
from catalogue_inputs import PADDING, SMALL_TOKEN_MODELS, inputs, small
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, scaled_dot_product_attention

from cutlayer.models import Model, ModelError, build
from cutlayer.models.catalogue import TOKEN_MODELS
from cutlayer.models.cost import block_costs
from cutlayer.models.features import PRODUCTS
from cutlayer.models.quantise import dequantise, quantise
from cutlayer.models.spec import ModelSpec
from cutlayer.models.transformer import Attention, Layer
from cutlayer.models.vit import PatchEmbedding


def on_meta(name: str) -> Model:
    return build(TOKEN_MODELS[name], seed=0, device="meta")


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_gpt2_has_the_published_parameters_and_a_matrix_of_its_own_at_the_head() -> None:
    model = on_meta("gpt2")
    head = model.get_parameter("blocks.13.linear.weight")
    assert count(model) - head.numel() == 124_439_808
    assert head.shape == (50_257, 768)


def test_gpt2_has_the_published_operations() -> None:
    """The count of nanoGPT's notebook on sizes of transformers, for a sequence of 1,024 tokens."""
    model = on_meta("gpt2")
    layers = [layer for block in block_costs(model) for layer in block.layers]
    layers = [layer for layer in layers if layer.op_class in PRODUCTS]
    assert sum(layer.forward_flops for layer in layers) == 291_648_307_200
    # Flash attention computes its scores once more in the backward pass.
    attention = 12 * 4 * 1_024**2 * 768
    expected = 2 * (291_648_307_200 - attention) + attention * 5 // 2
    assert sum(layer.backward_flops for layer in layers) == expected


@pytest.mark.parametrize(
    ("name", "width", "depth", "millions"),
    [("gpt-nano", 48, 3, 0.09), ("gpt-mini", 192, 6, 2.67), ("gpt2", 768, 12, 85.1)],
)
def test_decoder_layers_have_the_closed_form(
    name: str, width: int, depth: int, millions: float
) -> None:
    """Four matrices of attention, eight of the perceptron, their biases, and two LayerNorms."""
    layers = count(nn.ModuleList(on_meta(name).blocks[1:-1]))
    assert layers == depth * (12 * width**2 + 13 * width)
    assert layers / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("side", "tokens"), [(8, 16 + 1), (28, 49 + 1), (32, 64 + 1), (64, 64 + 1), (224, 196 + 1)]
)
def test_the_patches_of_vit_tiny_fit_the_image(side: int, tokens: int) -> None:
    shape = (3, side, side)
    model = build("vit-tiny", classes=10, input_shape=shape, seed=0, device="meta")
    assert model.activation_shape(1) == (tokens, 192)


def torchs(layer: Layer, heads: int, tanh: bool) -> nn.TransformerEncoderLayer:
    """The same layer as torch has it."""
    width = layer.norm1.normalized_shape[0]
    theirs = nn.TransformerEncoderLayer(
        width,
        heads,
        4 * width,
        dropout=0.0,
        activation=lambda x: gelu(x, approximate="tanh" if tanh else "none"),
        layer_norm_eps=layer.norm1.eps,
        batch_first=True,
        norm_first=True,
    )
    names = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj.": "attention.project.",
        "linear1.": "mlp.0.",
        "linear2.": "mlp.2.",
        "norm1.": "norm1.",
        "norm2.": "norm2.",
    }
    own = layer.state_dict()
    theirs.load_state_dict(
        {t + end: own[o + end] for t, o in names.items() for end in ("weight", "bias")}
    )
    return theirs


def test_a_decoder_layer_is_that_of_torch_with_a_causal_mask() -> None:
    layer = small("gpt-nano", seed=1).blocks[2]
    assert isinstance(layer, Layer)
    x = torch.randn(2, 7, 48)
    later = torch.ones(7, 7, dtype=torch.bool).triu(1)
    expected = torchs(layer, 3, tanh=True)(x, src_mask=later)
    torch.testing.assert_close(layer(x), expected)


def test_a_text_layer_is_that_of_torch_with_a_mask_of_the_padding() -> None:
    model = small("text-mini", seed=1)
    layer = model.blocks[2]
    assert isinstance(layer, Layer)
    padding = inputs(model, 2) == PADDING
    assert padding.sum() == 2
    x = torch.randn(2, 7, 128) * ~padding[..., None]
    expected = torchs(layer, 4, tanh=False)(x, src_key_padding_mask=padding)
    torch.testing.assert_close(layer(x), expected * ~padding[..., None])


def test_an_encoder_layer_of_a_vit_is_that_of_torch() -> None:
    layer = build("vit-tiny", classes=10, input_shape=(3, 8, 8), seed=1).blocks[2]
    assert isinstance(layer, Layer)
    x = torch.randn(2, 5, 192)
    torch.testing.assert_close(layer(x), torchs(layer, 3, tanh=False)(x))


def test_a_language_model_sees_no_later_token() -> None:
    model = small("gpt-nano", seed=0).double()
    tokens = inputs(model, 1)
    other = tokens.clone()
    other[0, 4] += 1
    before, after = model(tokens), model(other)
    assert torch.equal(before[0, :4], after[0, :4])
    assert all((before[0, place] != after[0, place]).any() for place in range(4, 7))


def test_a_language_model_begins_with_no_preference_and_its_head_as_a_copy() -> None:
    model = small("gpt-mini", seed=0)
    embedding = model.get_parameter("blocks.0.tokens.weight")
    head = model.get_parameter("blocks.7.linear.weight")
    assert torch.equal(embedding, head)
    assert embedding.data_ptr() != head.data_ptr()
    tokens = inputs(model, 8)
    loss = cross_entropy(model(tokens).flatten(0, 1), tokens.roll(1).flatten())
    assert loss.item() == pytest.approx(log(23), rel=0.1)
    last = model.get_parameter("blocks.1.mlp.2.weight")
    assert last.std().item() == pytest.approx(0.02 / 12**0.5, rel=0.05)


def text_of(tokens: list[int], length: int) -> Tensor:
    return torch.tensor([tokens + [PADDING] * (length - len(tokens))])


def test_padding_has_no_effect() -> None:
    """A text of four tokens gives the same, with and without padding."""
    short, long = (
        build(ModelSpec("text-mini", 3, (length,), 23, padding=PADDING), seed=2).double()
        for length in (4, 9)
    )
    positions = long.get_parameter("blocks.0.positions")
    with torch.no_grad():
        values = long.state_dict() | {"blocks.0.positions": positions[:4]}
    short.load_state_dict(values)
    tokens = [5, 1, 22, 5]
    torch.testing.assert_close(long(text_of(tokens, 9)), short(text_of(tokens, 4)))
    long(text_of(tokens, 9)).square().sum().backward()
    assert positions.grad is not None
    assert not positions.grad[4:].any()
    assert positions.grad[:4].any(dim=1).all()


def test_without_padding_all_tokens_count() -> None:
    model = build(ModelSpec("text-mini", 3, (7,), 23), seed=2)
    embedding = model.blocks[0]
    assert (embedding(text_of([5], 7)) != 0).any(-1).all()


def test_the_vectors_of_padding_are_zeros_at_every_cut() -> None:
    """Those that are sent quantised, too."""
    model = small("text-mini", seed=0)
    x = inputs(model, 2)
    padding = x == PADDING
    for block in model.blocks[:-1]:
        x = dequantise(quantise(block(x), bits=4))
        assert torch.equal((x == 0).all(-1), padding)


def test_a_text_without_tokens_has_the_output_of_the_bias() -> None:
    model = small("text-mini", seed=0)
    assert torch.equal(model(text_of([], 7))[0], model.get_parameter("blocks.5.linear.bias"))


@pytest.mark.parametrize("name", SMALL_TOKEN_MODELS)
def test_an_image_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=rf"'{name}' takes tokens: .* got \(3, 32, 32\)"):
        build(name, classes=10, seed=0)


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    heads = [part.unflatten(-1, (3, 4)).transpose(1, 2) for part in attention.qkv(x).chunk(3, -1)]
    mixed = scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention(x), attention.project(mixed))


def test_attention_does_not_depend_on_the_order_of_tokens() -> None:
    torch.manual_seed(0)
    attention, x = Attention(12, 3).double(), torch.randn(2, 5, 12, dtype=torch.float64)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(attention(x[:, order]), attention(x)[:, order])


def test_a_token_is_the_projection_of_one_patch() -> None:
    torch.manual_seed(0)
    embedding, images = PatchEmbedding((3, 32, 48), 8), torch.randn(2, 3, 32, 48)
    tokens = embedding(images)
    assert tokens.shape == (2, 1 + 2 * 3, 8)
    patch = images[:, :, 16:, 32:]  # the last of two rows of three
    weights = embedding.project.weight.flatten(1)
    expected = patch.flatten(1) @ weights.T + embedding.project.bias + embedding.positions[0, -1]
    torch.testing.assert_close(tokens[:, -1], expected)
    torch.testing.assert_close(tokens[:, 0], embedding.positions[:, 0].expand(2, -1))
