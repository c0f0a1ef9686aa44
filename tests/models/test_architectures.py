"""The models of the catalogue: parameters, shapes at cuts, seeds, and the smallest batch."""

from collections import OrderedDict

import pytest
import torch
from catalogue_inputs import IMAGE_MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cutlayer.models import CutError, Model, ModelError, auxiliary_head, build
from cutlayer.models.cost import block_costs
from cutlayer.models.features import PRODUCTS
from cutlayer.models.plain import vgg5, vgg11

# For 32x32 images their last maps are 1x1, so BatchNorm gets one value per channel and sample.
ONE_VALUE_AT_THE_END = ("resnet12", "resnet18", "resnet34", "resnet50", "mobilenetv3-small")


def meta(name, classes=10, input_shape=(3, 32, 32)):
    return build(name, classes=classes, input_shape=input_shape, seed=0, device="meta")


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vgg11", 34_440_970),
        ("resnet9", 9_395_722),
        ("alexnet", 23_274_570),
        ("resnet12", 1_268_800),
        ("vgg5", 582_346),
        ("lenet", 62_006),
        ("mobilenetv2", 2_236_682),
        ("vgg19", 139_611_210),
    ],
)
def test_parameters_are_exactly_the_published_ones(name, parameters):
    assert count(meta(name)) == parameters


def test_mobilenetv2_has_the_parameters_of_the_imagenet_model():
    assert count(meta("mobilenetv2", classes=1000)) == 3_504_872


@pytest.mark.parametrize(
    ("name", "parameters", "millions"),
    [
        ("resnet18", 11_689_512, 1_814),
        ("resnet34", 21_797_672, 3_664),
        ("resnet50", 25_557_032, 4_089),
        ("mobilenetv2-050", 1_968_680, 97),
        ("vit-small", 22_050_664, 4_608),
        ("vit-tiny", 5_717_416, 1_260),
        ("mobilenetv2", 3_504_872, 301),
        ("mobilenetv3-small", 2_542_856, 56.5),
    ],
)
def test_models_for_large_images_have_the_published_parameters_and_operations(
    name, parameters, millions
):
    model = meta(name, 1000, (3, 224, 224))
    assert count(model) == parameters
    products = (*PRODUCTS, "depthwise")
    layers = [layer for block in block_costs(model) for layer in block.layers]
    flops = sum(layer.forward_flops for layer in layers if layer.op_class in products)
    assert flops / 2e6 == pytest.approx(millions, rel=0.015)


@pytest.mark.parametrize("name", ["vgg11", "resnet9"])
def test_ecofed_device_block(name):
    device, server = meta(name).split(2)
    assert count(device) == 76_032
    assert len(device.state_dict()) == 8
    assert count(device) + count(server) == count(meta(name))
    assert len(meta("vgg11").state_dict()) == 38


@pytest.mark.parametrize(
    ("name", "cut", "shape"),
    [
        ("vgg11", 0, (3, 32, 32)),
        ("vgg11", 2, (128, 8, 8)),
        ("resnet9", 2, (128, 8, 8)),
        ("alexnet", 2, (192, 4, 4)),
        ("vgg5", 1, (32, 16, 16)),
        ("vgg11", 8, (512, 2, 2)),
        ("alexnet", 5, (256, 2, 2)),
        ("resnet9", 5, (512, 1, 1)),
        ("resnet12", 1, (64, 16, 16)),
        ("lenet", 2, (16, 5, 5)),
        ("mobilenetv2", 18, (320, 4, 4)),
        ("mobilenetv2-050", 18, (160, 4, 4)),
        ("vit-small", 1, (5, 384)),
        ("vit-small", 13, (5, 384)),
        ("vgg11", 11, (10,)),
    ],
)
def test_activation_shape_at_a_cut(name, cut, shape):
    assert meta(name).activation_shape(cut) == shape


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_shapes_on_meta_equal_those_of_real_tensors(name):
    model = build(name, classes=7, seed=0)
    x = torch.randn(2, 3, 32, 32)
    for cut, block in enumerate(model.blocks):
        assert tuple(x.shape[1:]) == model.activation_shape(cut)
        x = block(x)
    assert tuple(x.shape) == (2, 7)


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_batchnorm_keeps_no_running_statistics(name):
    model = meta(name)
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    assert not list(model.buffers())
    assert all(not norm.track_running_stats for norm in norms)
    assert bool(norms) == (name not in ("lenet", "vgg19", "vit-small", "vit-tiny"))


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_parts_share_modules_and_keys_with_the_model(name):
    model = meta(name)
    whole = model.state_dict(keep_vars=True)
    for cut in range(len(model) + 1):
        device, server = model.split(cut)
        parts = {**device.state_dict(keep_vars=True), **server.state_dict(keep_vars=True)}
        assert list(parts) == list(whole)
        assert all(parts[key] is whole[key] for key in whole)
        assert len(device.blocks) == cut


def test_parts_load_into_the_model_and_into_each_other():
    first, second = build("vgg5", classes=10, seed=1), build("vgg5", classes=10, seed=2)
    second.split(2).device.load_state_dict(first.split(2).device.state_dict())
    second.load_state_dict(first.split(2).server.state_dict(), strict=False)
    for key, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[key]), key


@pytest.mark.parametrize("cut", [-1, 6, 100])
def test_a_cut_out_of_range_is_refused_with_the_range(cut):
    model = meta("vgg5")
    for use in (model.split, model.activation_shape):
        with pytest.raises(CutError, match=rf"cut {cut} of model 'vgg5' .* 0 .* to 5 "):
            use(cut)


def test_weights_depend_on_the_seed_and_the_global_generator_is_unchanged():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (build("lenet", classes=10, seed=seed) for seed in (1, 1, 2))
    auxiliary_head((8, 4, 4), 10, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_the_head_has_its_own_stream_of_initial_weights():
    """They are not those of a model with the same seed, at any scale and for any first layer."""
    head = auxiliary_head((6, 14, 14), 10, seed=0)
    drawn = next(head.parameters()).detach().flatten()
    for name in ("lenet", "vgg5", "resnet9"):
        first = next(build(name, classes=10, seed=0).parameters()).detach().flatten()
        n = min(len(first), len(drawn), 400)
        correlation = torch.corrcoef(torch.stack([first[:n], drawn[:n]]))[0, 1]
        assert abs(correlation) < 0.3, name  # five standard deviations at n = 400
    assert not torch.equal(
        drawn, next(auxiliary_head((6, 14, 14), 10, seed=1).parameters()).flatten()
    )


def test_the_auxiliary_head_is_one_linear_layer_on_the_flattened_activation():
    head = auxiliary_head((128, 8, 8), 10, seed=3)
    assert count(head) == 8192 * 10 + 10
    assert head(torch.randn(2, 128, 8, 8)).shape == (2, 10)
    again = auxiliary_head((128, 8, 8), 10, seed=3)
    assert all(map(torch.equal, head.parameters(), again.parameters()))
    assert all(p.is_meta for p in auxiliary_head((8,), 2, seed=0, device="meta").parameters())


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_the_smallest_batch_trains_and_a_smaller_one_fails(name):
    model = build(name, classes=10, seed=0)
    assert model.min_batch == (2 if name in ONE_VALUE_AT_THE_END else 1)
    model(torch.randn(model.min_batch, 3, 32, 32)).sum().backward()
    if model.min_batch == 2:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            model(torch.randn(1, 3, 32, 32))


def test_the_smallest_batch_depends_on_the_input_size():
    assert build("vgg11", classes=10, input_shape=(3, 32, 32), seed=0, device="meta").min_batch == 1
    small = vgg11(input_shape=(3, 16, 16), width=0.1)
    assert small.min_batch == 2
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        small(torch.randn(1, 3, 16, 16))
    assert small(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_batchnorm_after_a_linear_layer_needs_two_samples():
    blocks = [("fc", nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3)))]
    assert Model("own", blocks, (1, 2, 2), 3, feature_blocks=0).min_batch == 2


@pytest.mark.parametrize("name", IMAGE_MODELS)
@pytest.mark.parametrize("input_shape", [(1, 28, 28), (3, 48, 40)])
def test_other_input_shapes(name, input_shape):
    model = meta(name, classes=3, input_shape=input_shape)
    assert model.activation_shape(0) == input_shape
    assert model.activation_shape(len(model)) == (3,)


def test_a_too_small_input_is_refused_with_the_name_of_the_block():
    with pytest.raises(ModelError, match=r"block 'conv4' does not accept .* \(256, 1, 1\), re"):
        meta("vgg11", input_shape=(3, 4, 4))
    with pytest.raises(ModelError, match="an input shape must be positive whole"):
        meta("lenet", input_shape=(3, 0, 32))
    with pytest.raises(ModelError, match="at least 1 class"):
        meta("lenet", classes=0)


def flat(outputs):
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), linear=nn.Linear(4, outputs)))


@pytest.mark.parametrize(
    ("blocks", "feature_blocks", "message"),
    [
        ([], 0, "distinct names"),
        ([("a", flat(4)), ("a", flat(2))], 0, "distinct names"),
        ([("a", flat(2))], 2, "feature_blocks must be 0 to 1, got 2"),
        ([("a", flat(3))], 0, r"each of 2 classes, it gives \(3,\)"),
        ([("a", flat(3)), ("b", flat(2))], 0, r"block 'b' does not accept .* \(3,\)"),
        ([("a", nn.LSTM(2, 2))], 0, "returns a tuple instead of a tensor"),
    ],
)
def test_blocks_that_do_not_form_a_model_are_refused(blocks, feature_blocks, message):
    with pytest.raises(ModelError, match=message):
        Model("own", blocks, (2, 2), 2, feature_blocks)


def test_width_scales_channels():
    assert vgg5(width=2).activation_shape(1) == (64, 16, 16)
    assert vgg5(width=0.5).activation_shape(4) == (64,)


@pytest.mark.parametrize(
    ("name", "blocks", "features"),
    [("vgg11", 11, 8), ("resnet9", 6, 5), ("alexnet", 8, 5), ("resnet12", 6, 5), ("vgg5", 5, 3)],
)
def test_blocks_and_feature_blocks(name, blocks, features):
    model = meta(name)
    assert (len(model), model.feature_blocks) == (blocks, features)
    names = model.block_names
    assert all(not block_name.startswith("fc") for block_name in names[:features])
    assert all(block_name.startswith("fc") for block_name in names[features:])
