"""Costs against hand-computed numbers and against torch's own FLOP counter."""

from itertools import pairwise

import pytest
import torch
from catalogue_inputs import IMAGE_MODELS
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cutlayer.models import CostError, auxiliary_head, block_costs, build, module_cost
from cutlayer.models.cost import model_cost
from cutlayer.models.features import PRODUCTS, features
from cutlayer.models.layers import conv_block
from cutlayer.models.plain import vgg5, vgg11

DENSE = (*PRODUCTS, "depthwise")


def dense_flops(costs, which="forward_flops"):
    return sum(getattr(l, which) for c in costs for l in c.layers if l.op_class in DENSE)  # noqa: E741


def only_layer(module, input_shape, first=False):
    (layer,) = module_cost(module, input_shape, first=first).layers
    return layer


def test_a_convolution_by_hand():
    layer = only_layer(nn.Conv2d(8, 16, 3, stride=2, padding=1), (8, 10, 10))
    forward = 2 * (3 * 3 * 8) * 16 * 5 * 5
    assert layer.op_class == "conv"
    assert (layer.forward_flops, layer.backward_flops) == (forward, 2 * forward)
    assert layer.weight_bytes == 4 * (3 * 3 * 8 * 16 + 16) == 4 * layer.parameters
    assert (layer.input_bytes, layer.output_bytes) == (4 * 8 * 100, 4 * 16 * 25)


def test_the_first_layer_computes_no_gradient_of_its_input():
    layer = only_layer(nn.Conv2d(3, 16, 3, padding=1), (3, 8, 8), first=True)
    assert layer.op_class == "conv_input"
    assert layer.backward_flops == layer.forward_flops == 2 * 27 * 16 * 64


def test_frozen_weights_need_no_gradient():
    frozen = nn.Conv2d(8, 8, 1).requires_grad_(False)
    assert only_layer(frozen, (8, 4, 4)).backward_flops == 2 * 8 * 8 * 16
    assert only_layer(frozen, (8, 4, 4), first=True).backward_flops == 0


def test_a_depthwise_convolution_by_hand():
    layer = only_layer(nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), (6, 8, 8))
    assert layer.op_class == "depthwise"
    assert layer.forward_flops == 2 * 9 * 6 * 64
    assert layer.parameters == 54


def test_grouped_and_transposed_convolutions_by_hand():
    assert only_layer(nn.Conv2d(8, 4, 1, groups=2), (8, 3, 3)).forward_flops == 2 * 4 * 4 * 9
    transposed = only_layer(nn.ConvTranspose2d(5, 7, 2, stride=2), (5, 3, 3))
    assert transposed.forward_flops == 2 * 5 * 7 * 4 * 9


@pytest.mark.parametrize(
    ("module", "column_values"),
    [
        (nn.Conv2d(8, 16, 3, padding=1), 8 * 9 * 10 * 10),
        (nn.Conv2d(8, 16, 3, stride=2, padding=1), 8 * 9 * 5 * 5),
        (nn.Conv2d(8, 16, 3), 8 * 9 * 8 * 8),
        (nn.Conv2d(8, 16, (1, 5)), 8 * 5 * 10 * 6),
        # Each of the two groups unfolds its own four inputs.
        (nn.Conv2d(8, 16, 3, padding=1, groups=2), 8 * 9 * 10 * 10),
        # A transposed convolution multiplies first: seven outputs of a 2x2 kernel at each input.
        (nn.ConvTranspose2d(8, 7, 2, stride=2), 7 * 4 * 10 * 10),
        (nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2), 6 * 4 * 10 * 10),
        (nn.Conv2d(8, 16, 1), 0),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), 0),
    ],
)
def test_the_columns_of_a_convolution_by_hand(module, column_values):
    assert only_layer(module, (8, 10, 10)).column_bytes == 4 * column_values


def test_columns_are_those_that_torch_unfolds():
    unfolded = nn.functional.unfold(torch.zeros(1, 5, 11, 9), (3, 2), stride=2, padding=1)
    layer = only_layer(nn.Conv2d(5, 7, (3, 2), stride=2, padding=1), (5, 11, 9))
    assert layer.column_bytes == unfolded.nbytes


def test_only_convolutions_have_columns():
    layers = [layer for block in model_cost("mobilenetv2", 10) for layer in block.layers]
    assert sum(layer.column_bytes > 0 for layer in layers) == 1  # the stem
    assert only_layer(nn.Linear(100, 30), (100,)).column_bytes == 0


def test_the_features_of_a_convolution_by_hand():
    layer = only_layer(nn.Conv2d(8, 16, 3, padding=1, bias=False), (8, 10, 10))
    flops, weights, columns = 2 * 72 * 16 * 100, 4 * 72 * 16, 4 * 72 * 100
    moved = 4 * (8 + 16) * 100
    forward, backward = features(layer, "forward"), features(layer, "backward")
    assert forward == ("conv", "forward", flops, moved, weights, weights, columns)
    # Values and gradients; the gradients of weights and input.
    twice = (2 * figure for figure in (flops, moved, weights, weights, columns))
    assert backward == ("conv", "backward", *twice)


def test_a_first_layer_reads_weights_and_columns_once_backward():
    layer = only_layer(nn.Conv2d(3, 16, 3, padding=1, bias=False), (3, 8, 8), first=True)
    forward, backward = features(layer, "forward"), features(layer, "backward")
    assert backward.flops == forward.flops
    assert backward.weight_bytes == forward.weight_bytes == 4 * 27 * 16
    assert backward.streamed_bytes == forward.streamed_bytes == 4 * 27 * 16
    assert backward.column_bytes == forward.column_bytes == 4 * 27 * 64
    assert backward.activation_bytes == 2 * forward.activation_bytes


@pytest.mark.parametrize(
    ("module", "shape", "streamed"),
    [
        (nn.Conv2d(8, 16, 1, bias=False), (8, 5, 5), 4 * 8 * 16),
        (nn.Linear(20, 30, bias=False), (20,), 0),
        (nn.Conv2d(8, 8, 3, groups=8, bias=False), (8, 5, 5), 0),
    ],
)
def test_only_weights_of_products_of_unfolded_inputs_are_streamed(module, shape, streamed):
    layer = only_layer(module, shape)
    assert features(layer, "forward").streamed_bytes == streamed
    assert features(layer, "forward").weight_bytes == layer.weight_bytes > 0


def test_a_pass_without_arithmetic_has_no_features():
    frozen = only_layer(nn.Conv2d(8, 8, 1).requires_grad_(False), (8, 4, 4), first=True)
    assert features(frozen, "forward") is not None
    assert features(frozen, "backward") is None


def test_a_linear_layer_by_hand():
    layer = only_layer(nn.Linear(100, 30), (100,))
    assert layer.op_class == "linear"
    assert (layer.forward_flops, layer.backward_flops) == (6000, 12000)
    assert (layer.weight_bytes, layer.input_bytes, layer.output_bytes) == (12120, 400, 120)
    assert only_layer(nn.Linear(100, 30), (5, 100)).forward_flops == 5 * 6000


def test_a_conv_block_by_hand():
    cost = module_cost(conv_block(3, 64, pool=nn.MaxPool2d(2)), (3, 32, 32), first=True, name="b")
    conv, norm, relu, pool = cost.layers
    assert [layer.name for layer in cost.layers] == ["b.conv", "b.norm", "b.activation", "b.pool"]
    assert [layer.op_class for layer in cost.layers] == [
        "conv_input",
        "norm",
        "elementwise",
        "pool",
    ]
    map_values = 64 * 32 * 32
    assert conv.forward_flops == 2 * 27 * map_values
    assert norm.forward_flops == 6 * map_values
    assert norm.weight_bytes == 4 * 128
    assert relu.forward_flops == relu.backward_flops == map_values
    assert pool.forward_flops == map_values  # 4 per output
    assert pool.backward_flops == map_values // 4
    assert (pool.input_bytes, pool.output_bytes) == (4 * map_values, map_values)
    assert (cost.input_shape, cost.output_shape) == ((3, 32, 32), (64, 16, 16))
    assert (cost.parameters, cost.parameter_tensors, cost.state_bytes) == (1920, 4, 7680)
    # Saved: the convolution's output (for BatchNorm), the ReLU's, the positions of the maxima
    # (8 bytes per output value), and the output itself.
    quarter = map_values // 4
    assert cost.saved_activation_bytes == 2 * 4 * map_values + 8 * quarter + 4 * quarter


def test_a_residual_addition_is_counted():
    costs = block_costs(build("resnet9", classes=10, seed=0, device="meta"))
    (addition,) = (layer for layer in costs[4].layers if layer.name == "residual3.add")
    assert addition.op_class == "elementwise"
    assert addition.forward_flops == 512 * 4
    assert addition.input_bytes == 2 * addition.output_bytes


def test_vgg5_has_the_published_multiply_accumulates():
    costs = model_cost("vgg5", 10)
    assert dense_flops(costs) == 2 * 8_488_192
    by_block = [dense_flops([cost]) // 2 for cost in costs]
    assert by_block == [884_736, 4_718_592, 2_359_296, 524_288, 1_280]


def test_mobilenetv2_is_depthwise_as_in_the_paper():
    model = build("mobilenetv2", classes=10, seed=0, device="meta")
    layers = [layer for cost in block_costs(model) for layer in cost.layers]
    assert sum(layer.op_class == "depthwise" for layer in layers) == 17


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_flops_equal_torchs_count(name):
    model = build(name, classes=10, seed=0, device="meta")
    x = torch.empty(4, 3, 32, 32, device="meta")
    with FlopCounterMode(display=False) as counter:
        scores = model(x)
        forward = counter.get_total_flops()
        scores.sum().backward()
    costs = block_costs(model)
    assert 4 * dense_flops(costs) == forward
    backward = dense_flops(costs, "backward_flops")
    assert backward == 2 * dense_flops(costs) - costs[0].layers[0].forward_flops
    if not name.startswith(
        "mobilenet"
    ):  # torch forgets the groups in the backward pass of a convolution
        assert 4 * backward == counter.get_total_flops() - forward


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_block_costs_add_up_to_the_models_cost(name):
    model = build(name, classes=10, seed=0, device="meta")
    blocks, whole = block_costs(model), module_cost(model, (3, 32, 32), first=True)
    for figure in (
        "forward_flops",
        "backward_flops",
        "parameters",
        "parameter_tensors",
        "state_bytes",
        "saved_activation_bytes",
    ):
        assert sum(getattr(block, figure) for block in blocks) == getattr(whole, figure), figure
    assert sum(layer.parameters for layer in whole.layers) == whole.parameters
    assert whole.state_bytes == 4 * whole.parameters
    for before, after in pairwise(blocks):
        assert (before.output_shape, before.output_bytes) == (after.input_shape, after.input_bytes)


def test_ecofed_device_block():
    conv1, conv2, *_ = model_cost("vgg11", 10)
    assert conv1.parameters + conv2.parameters == 76_032
    assert conv2.output_bytes == 32_768


def test_a_detached_server_block_saves_only_the_gradient_of_its_input():
    whole, detached = model_cost("vgg11", 10), model_cost("vgg11", 10, (3, 32, 32), 2)
    assert [a == b for a, b in zip(whole, detached, strict=True)] == [i != 2 for i in range(11)]
    saved = whole[2].backward_flops - detached[2].backward_flops
    assert saved == whole[2].layers[0].forward_flops


@pytest.mark.parametrize("model", [vgg5, vgg11])
def test_doubling_the_width_raises_every_cost(model):
    with torch.device("meta"):
        plain, wide = model(), model(width=2)
    for narrow_block, wide_block in zip(block_costs(plain), block_costs(wide), strict=True):
        assert wide_block.forward_flops > 1.9 * narrow_block.forward_flops
        assert wide_block.backward_flops > 1.9 * narrow_block.backward_flops
        assert wide_block.parameters > 1.9 * narrow_block.parameters
    assert dense_flops(block_costs(wide)[1:2]) == 4 * dense_flops(block_costs(plain)[1:2])


class OnlyMeta(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            assert not isinstance(tensor, torch.Tensor) or tensor.is_meta, func
        return result


def test_costs_allocate_no_real_memory():
    with OnlyMeta(), torch.device("meta"):
        terabyte = vgg11(width=100)
        assert sum(cost.state_bytes for cost in block_costs(terabyte)) > 1e12
    with OnlyMeta():
        model_cost("mobilenetv2", 1000, (3, 224, 224))


def test_computing_costs_does_not_change_a_module():
    head = auxiliary_head((4, 2, 2), 3, seed=0)
    before = {key: value.clone() for key, value in head.state_dict().items()}
    cost = module_cost(head, (4, 2, 2), first=False)
    assert cost.forward_flops == 2 * 16 * 3
    assert all(torch.equal(value, before[key]) for key, value in head.state_dict().items())
    assert all(p.grad is None for p in head.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in head.modules())


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 3))

    def forward(self, x):
        x = torch.nn.functional.linear(x, self.weight).relu()
        return torch.cat([x, x * 2], dim=1).softmax(dim=1)


def test_functional_calls_are_counted():
    cost = module_cost(Functional(), (3,), first=False, name="f")
    by_name = {layer.name: layer for layer in cost.layers}
    assert list(by_name) == ["f.mm", "f.relu", "f.mul", "f.cat", "f.softmax"]
    assert cost.forward_flops == 30 + 5 + 5 + 10 + 10
    assert by_name["f.cat"].input_bytes == by_name["f.cat"].output_bytes == 40
    assert cost.parameters == 15


class Inverting(nn.Module):
    def forward(self, x):
        return torch.linalg.inv(x)


def test_an_operation_without_a_rule_is_an_error():
    with pytest.raises(
        CostError, match=r"middle\.1: no cost rule for the operation 'linalg_inv_ex'"
    ):
        module_cost(nn.Sequential(nn.ReLU(), Inverting()), (4, 4), first=False, name="middle")


def test_an_operation_without_a_rule_can_cost_the_bytes_that_it_moves():
    module = nn.Sequential(nn.ReLU(), Inverting())
    cost = module_cost(module, (4, 4), first=False, name="middle", unpriced="bytes")
    layer = cost.layers[-1]
    assert cost.unpriced == ("linalg_inv_ex",)
    assert (layer.name, layer.op_class) == ("middle.1.linalg_inv_ex", "elementwise")
    # Reads and writes 16 values; the second output, one status of 4 bytes, counts as one more.
    assert (layer.input_bytes, layer.output_bytes) == (64, 68)
    assert layer.forward_flops == layer.backward_flops == 33
    covered = module_cost(nn.ReLU(), (4, 4), first=False, unpriced="bytes")
    assert covered == module_cost(nn.ReLU(), (4, 4), first=False)


def test_average_pooling_norms_and_dropout_are_counted():
    layer = only_layer(nn.AvgPool2d(2), (4, 6, 6))
    assert (layer.op_class, layer.forward_flops, layer.backward_flops) == ("pool", 144, 144)
    assert only_layer(nn.AdaptiveAvgPool2d(1), (4, 6, 6)).forward_flops == 144
    assert only_layer(nn.AdaptiveAvgPool2d(2), (4, 6, 6)).forward_flops == 144
    assert only_layer(nn.GroupNorm(2, 4), (4, 6, 6)).op_class == "norm"
    assert only_layer(nn.LayerNorm(4), (4,)).op_class == "norm"
    dropout = module_cost(nn.Dropout(0.5), (4,), first=False)
    assert {layer.op_class for layer in dropout.layers} == {"elementwise"}


def test_a_norm_costs_the_same_with_cumulative_and_moving_average():
    cumulative, moving = nn.BatchNorm2d(4, momentum=None), nn.BatchNorm2d(4)
    assert module_cost(cumulative, (4, 8, 8), first=True) == module_cost(
        moving, (4, 8, 8), first=True
    )
    assert int(cumulative.num_batches_tracked) == 0
