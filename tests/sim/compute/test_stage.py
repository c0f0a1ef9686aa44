"""Time on a processor: the sum of terms, a training step, and VGG5 counted by hand."""

from dataclasses import replace

import pytest

from cutlayer.models.block_cost import BlockCost, LayerCost
from cutlayer.models.catalogue import resolve
from cutlayer.models.cost import block_costs, model_cost
from cutlayer.models.features import CONVOLUTIONS, PRODUCTS
from cutlayer.models.quantise_cost import dequantise_costs, quantise_costs
from cutlayer.sim.compute.stage import Stage, Work
from cutlayer.sim.compute.work import DeviceWork, ServerWork, layers_of
from cutlayer.topologies import DeviceProfile, PassRates, catalogue

LAYER = LayerCost("fc", "linear", 2000, 4000, 800, 16, 24, 200)
PROFILE = DeviceProfile(
    name="hand",
    description="",
    rates={
        "linear": PassRates(1e6, 5e5),
        "elementwise": PassRates(1e6, 1e6),
    },
    memory_bandwidth_bytes_per_s=2e5,
    optimizer_bytes_per_s=1e5,
    layer_overhead_s=0.001,
    iteration_overhead_s=0.25,
    loader_s_per_iteration=0.125,
    memory_bytes=None,
)


def seconds(profile, layer, pass_, batch_size):
    """Return the time of a pass over one layer."""
    stage = Stage(profile, [layer])
    work = stage.forward if pass_ == "forward" else stage.backward
    return work(batch_size).seconds


def test_a_layer_takes_overhead_arithmetic_memory_and_weights():
    # 10 samples: 20,000 FLOPs at 1 MFLOP/s, 400 bytes and 800 bytes of weights at 200 kB/s.
    expected = 0.001 + 0.02 + 0.002 + 0.004
    assert seconds(PROFILE, LAYER, "forward", 10) == pytest.approx(expected)
    # Backward reads and writes everything twice: 40,000 FLOPs at 0.5 MFLOP/s.
    expected = 0.001 + 0.08 + 0.004 + 0.008
    assert seconds(PROFILE, LAYER, "backward", 10) == pytest.approx(expected)
    # A first layer has weights and half the FLOPs for one gradient, but values and gradients move.
    first = replace(LAYER, backward_flops=2000)
    expected = 0.001 + 0.04 + 0.004 + 0.004
    assert seconds(PROFILE, first, "backward", 10) == pytest.approx(expected)


def test_weights_have_a_bandwidth_of_their_own():
    fitted = replace(PROFILE, weight_bytes_per_s=1e4)
    expected = 0.001 + 0.02 + 0.002 + 0.08
    assert seconds(fitted, LAYER, "forward", 10) == pytest.approx(expected)


def test_a_convolution_streams_weights_and_columns_for_every_sample():
    profile = replace(
        PROFILE,
        rates={"conv": PassRates(1e6, 5e5)},
        weight_stream_bytes_per_s=PassRates(1e5, 4e4),
        column_bytes_per_s=PassRates(5e4, 2e4),
    )
    layer = replace(LAYER, op_class="conv", column_bytes=100)
    plain = replace(profile, weight_stream_bytes_per_s=None, column_bytes_per_s=None)
    more = 10 * (800 / 1e5 + 100 / 5e4)
    assert seconds(profile, layer, "forward", 10) == pytest.approx(
        seconds(plain, layer, "forward", 10) + more
    )
    more = 10 * 2 * (800 / 4e4 + 100 / 2e4)
    assert seconds(profile, layer, "backward", 10) == pytest.approx(
        seconds(plain, layer, "backward", 10) + more
    )


def slow_seconds(device, layers, batch_size):
    """Return forward and backward of layers, counted layer by layer from the words of the form."""
    total = 0.0
    for layer in layers:
        for pass_, flops in (("forward", layer.forward_flops), ("backward", layer.backward_flops)):
            if flops == 0:
                continue
            times = 1 if pass_ == "forward" else 2
            gradients = times
            if pass_ == "backward" and layer.op_class in PRODUCTS:
                gradients = flops / layer.forward_flops
            weights = device.weight_bytes_per_s or device.memory_bandwidth_bytes_per_s
            moved = times * (layer.input_bytes + layer.output_bytes)
            fixed = gradients * layer.weight_bytes + (times == 2) * layer.table_bytes
            total += device.layer_overhead_s + fixed / weights
            each = flops / device.rate(layer.op_class, pass_)
            each += moved / device.memory_bandwidth_bytes_per_s
            if layer.op_class in CONVOLUTIONS and device.weight_stream_bytes_per_s:
                streams = device.weight_stream_bytes_per_s._asdict()
                each += gradients * layer.weight_bytes / streams[pass_]
            if device.column_bytes_per_s:
                each += gradients * layer.column_bytes / device.column_bytes_per_s._asdict()[pass_]
            total += batch_size * each
    return total


@pytest.mark.parametrize("name", ["raspberry-pi-4b", "raspberry-pi-3b-plus", "jetson-nano"])
@pytest.mark.parametrize("model", ["vgg5", "resnet9", "mobilenetv2", "vit-small"])
def test_a_stage_is_the_sum_over_its_layers(name, model):
    device, layers = catalogue.device(name), layers_of(model_cost(model, 10))
    stage = Stage(device, layers)
    for batch_size in (1, 7):
        found = stage.forward(batch_size) + stage.backward(batch_size)
        assert found.seconds == pytest.approx(slow_seconds(device, layers, batch_size), rel=1e-9)
        assert found.flops == batch_size * sum(
            layer.forward_flops + layer.backward_flops for layer in layers
        )
        passes = [flops for one in layers for flops in (one.forward_flops, one.backward_flops)]
        assert found.overhead_s == pytest.approx(sum(map(bool, passes)) * device.layer_overhead_s)


def test_a_layer_without_a_backward_pass_costs_nothing_there():
    assert seconds(PROFILE, replace(LAYER, backward_flops=0), "backward", 10) == 0


@pytest.mark.parametrize(("state_slots", "words"), [(0, 3), (1, 5), (2, 7)])
def test_an_optimizer_step_moves_weights_gradients_and_state(state_slots, words):
    step = Stage(PROFILE, [LAYER], state_slots).step()
    assert step.seconds == pytest.approx(4 * 200 * words / 1e5)
    assert step.flops == 2 * 200 * (1 + state_slots)
    coarse = Stage(DeviceProfile.from_speed("coarse", 1e3), [LAYER], state_slots).step()
    assert coarse.seconds == pytest.approx(2 * 200 * (1 + state_slots) / 1e3)


def test_a_training_step_is_forward_backward_and_step():
    stage = Stage(PROFILE, [LAYER, replace(LAYER, parameters=0)], 1)
    work = stage.train(10)
    assert work.seconds == pytest.approx(2 * (0.027 + 0.093) + 4 * 200 * 5 / 1e5)
    assert work.flops == 2 * 10 * 6000 + 2 * 200 * 2
    assert Stage(PROFILE, []).train(10) == Work(0, 0)


def test_a_device_pays_the_loader_once_an_iteration():
    work = DeviceWork(PROFILE, (), None, 6, 0)
    assert work.load(4) == work.forward(4) == work.train(4) == Work(0.25, 0)
    assert work.backward(4) == Work(0, 0)


def test_quantising_is_seven_operations_on_the_device_and_three_on_the_server():
    # 6 values a sample of 4 samples. abs 8 bytes a value, max 4, divide, round and clamp 8 each,
    # to int16 6, to int8 3; back: to floats 5, multiply 8, clamp 8.
    quantised = DeviceWork(PROFILE, (), None, 6, 0).forward_frozen(4, 8)
    assert quantised.seconds == pytest.approx(0.25 + 7 * 0.001 + 24 * 45 / 2e5 + 7 * 24 / 1e6)
    assert quantised.flops == 7 * 24
    work = ServerWork(PROFILE, (), (), 6, 0)
    assert work.train_detached(4).seconds == pytest.approx(0.125)
    dequantised = 3 * 0.001 + 24 * 21 / 2e5 + 3 * 24 / 1e6
    assert work.train_detached(4, 8).seconds == pytest.approx(0.125 + dequantised)


@pytest.mark.parametrize("bits", range(2, 17))
def test_packing_costs_more_the_more_bits_are_moved_one_by_one(bits):
    there = {step.name: step for step in quantise_costs(10, bits)}
    back = dequantise_costs(10, bits)
    one_by_one = bits not in (8, 16)
    assert ("quantise: shift" in there) == one_by_one
    assert len(back) == (8 if one_by_one else 3)
    if one_by_one:
        assert there["quantise: shift"].output_bytes == 10 * 2 * bits


def test_a_server_pays_an_iterations_overhead_without_the_loader():
    work = ServerWork(PROFILE, (), (), 6, 0)
    assert work.train(4) == work.train_detached(4) == Work(0.125, 0, 0.125)


def test_an_average_grows_with_members_and_parameters():
    work = ServerWork(PROFILE, (), (), 6, 0).average(1000, 5)
    assert work.seconds == pytest.approx(4 * 1000 * 2 * 5 / 1e5)
    assert work.flops == 2 * 1000 * 5


def test_a_server_step_and_a_proximal_term_are_charged_by_their_memory_traffic():
    step = ServerWork(PROFILE, (), (), 6, 0).step(1000, words=7, flops=13)
    assert step == Work(pytest.approx(7 * 4 * 1000 / 1e5), 13_000)
    block = BlockCost("b", (LAYER,), 200, 2, 800, (4,), (6,), 16, 24, 16)
    work = DeviceWork(PROFILE, (block,), None, 6, 1)
    plain, proximal = work.train(4), work.train_proximal(4)
    assert proximal.seconds - plain.seconds == pytest.approx(4 * 200 / 1e5)
    assert proximal.flops - plain.flops == 3 * 200
    assert proximal.overhead_s == plain.overhead_s


def test_an_alignment_is_a_gradient_and_steps_of_the_head_that_differentiate_it_again():
    head = BlockCost("head", (LAYER,), 200, 2, 800, (4,), (6,), 16, 24, 16)
    block = BlockCost("b", (LAYER,), 200, 2, 800, (4,), (6,), 16, 24, 16)
    work, alone = ServerWork(PROFILE, (block,), (block,), 6, 1, head), Stage(PROFILE, (LAYER,), 1)
    passes = alone.forward(4) + alone.backward(4)
    gradient, aligned = work.gradient(4), work.align(4, 5)
    assert aligned.flops == gradient.flops + 5 * (3 * passes.flops + alone.step().flops)
    added = 5 * (3 * passes.seconds + alone.step().seconds)
    assert aligned.seconds == pytest.approx(gradient.seconds + added)


def test_a_head_that_is_aligned_is_passed_through_without_a_step():
    block = BlockCost("b", (LAYER,), 200, 2, 800, (4,), (6,), 16, 24, 16)
    work, head = DeviceWork(PROFILE, (block,), block, 6, 1), Stage(PROFILE, (LAYER,), 1)
    own, aligned = work.train(4), work.train_aligned(4)
    assert own.flops - aligned.flops == head.step().flops > 0
    assert own.seconds - aligned.seconds == pytest.approx(head.step().seconds)


def vgg5_by_hand() -> list[tuple[float, float, int]]:
    """Return (forward FLOPs, backward FLOPs, parameters) a sample of VGG5's five blocks.

    A multiply-accumulate is 2 FLOPs, BatchNorm 6 and 9 a value, ReLU 1 and 1, max pooling 4 a value
    that it makes and 1 back; the first layer needs no gradient of its input.
    """
    blocks = []
    for inputs, outputs, side, pooled in ((3, 32, 32, 1), (32, 64, 16, 1), (64, 64, 8, 0)):
        values = outputs * side * side
        conv = 2 * values * 9 * inputs
        back = conv if inputs == 3 else 2 * conv
        forward, backward = conv + 7 * values, back + 10 * values
        if pooled:
            forward, backward = forward + values, backward + values / 4
        blocks.append((forward, backward, outputs * (9 * inputs + 1) + 2 * outputs))
    blocks.append((2 * 4096 * 128 + 128, 4 * 4096 * 128 + 128, 4097 * 128))
    blocks.append((2 * 128 * 10, 4 * 128 * 10, 129 * 10))
    return blocks


def vgg5(width: float = 1.0):
    return block_costs(resolve("vgg5")(10, (3, 32, 32), width))


def test_vgg5_on_one_speed_is_its_arithmetic():
    profile = DeviceProfile.from_speed("coarse", 1e9)
    hand = vgg5_by_hand()
    assert sum(parameters for *_, parameters in hand) == 582_346
    costs = vgg5()
    for cut in range(6):
        whole = Stage(profile, layers_of(costs[:cut]), 1).train(10)
        flops = sum(10 * (f + b) + 4 * p for f, b, p in hand[:cut])
        assert whole.flops == flops
        assert whole.seconds == pytest.approx(flops / 1e9, rel=1e-12)


@pytest.mark.parametrize("name", ["raspberry-pi-4b", "raspberry-pi-3b-plus", "server-8-core"])
def test_a_wider_layer_takes_longer(name):
    profile = catalogue.device(name)
    for narrow, wide in zip(vgg5(1.0), vgg5(2.0), strict=True):
        before, after = (Stage(profile, block.layers, 1) for block in (narrow, wide))
        assert after.forward(10).seconds > before.forward(10).seconds
        assert after.backward(10).seconds > before.backward(10).seconds
        assert after.step().seconds > before.step().seconds


def test_doubling_the_width_quadruples_inner_convolutions():
    profile = DeviceProfile.from_speed("coarse", 1e9)
    narrow, wide = (
        [layer for layer in layers_of(vgg5(width)) if layer.op_class == "conv"]
        for width in (1.0, 2.0)
    )
    assert len(narrow) == len(wide) == 2
    before, after = Stage(profile, narrow).forward(10), Stage(profile, wide).forward(10)
    assert after.seconds == pytest.approx(4 * before.seconds)


@pytest.mark.parametrize("name", catalogue.device_names())
def test_more_samples_and_more_blocks_never_take_less_time(name):
    profile = catalogue.device(name)
    costs = vgg5()
    times = [Stage(profile, layers_of(costs[:cut]), 1).train(10).seconds for cut in range(1, 6)]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    sizes = [Stage(profile, layers_of(costs), 1).train(size).seconds for size in (1, 2, 10, 100)]
    assert sizes == sorted(sizes)
