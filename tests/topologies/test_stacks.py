"""Software stacks: their factors, loader and loop, on a device."""

import math
from dataclasses import replace

import pytest

from cutlayer.models.catalogue import resolve
from cutlayer.models.cost import block_costs
from cutlayer.models.features import OP_CLASSES
from cutlayer.sim.compute.stage import Stage
from cutlayer.sim.compute.work import layers_of
from cutlayer.topologies import DeviceProfile, PassRates, catalogue
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.device import DeviceError
from cutlayer.topologies.figures import COSTS, figures_of
from cutlayer.topologies.stack import Stack, group_of, on_stack

DENSE = ("conv_input", "conv", "pointwise", "linear")
STACK = Stack(
    "slow",
    gemm_forward=2.0,
    gemm_backward=3.0,
    other=5.0,
    loader_s_per_sample=0.01,
    loop_s_per_iteration=0.4,
    round_s=6.0,
)


def board(**changes):
    figures = {
        "name": "board",
        "description": "",
        "rates": dict.fromkeys(OP_CLASSES, PassRates(4e9, 2e9)),
        "memory_bandwidth_bytes_per_s": 1e9,
        "optimizer_bytes_per_s": 1e9,
        "layer_overhead_s": 1e-4,
        "iteration_overhead_s": 0.07,
        "loader_s_per_iteration": 0.05,
        "memory_bytes": None,
        "weight_bytes_per_s": 3e9,
        "weight_stream_bytes_per_s": PassRates(2e9, 1e9),
        "column_bytes_per_s": PassRates(8e9, 5e9),
        "optimizer_overhead_s": 1e-5,
        "loader_s_per_sample": 0.003,
        "round_overhead_s": 1.0,
        "host_speed": 2.0,
    }
    return DeviceProfile(**(figures | changes))


@pytest.mark.parametrize("name", figures_of(board()))
def test_each_figure_belongs_to_one_group(name):
    products = (*(f"rates.{op_class}." for op_class in DENSE), "weight_stream.", "columns.")
    expected = "other"
    if name.startswith(products):
        expected = "gemm_forward" if name.endswith(".forward") else "gemm_backward"
    assert group_of(name) == expected


def test_figures_are_as_many_times_slower_as_their_factor():
    before, after = figures_of(board()), figures_of(on_stack(board(), STACK))
    factors = {"gemm_forward": 2.0, "gemm_backward": 3.0, "other": 5.0}
    loops = ("iteration_overhead", "loader_per_iteration", "loader_per_sample", "round_overhead")
    for name, figure in before.items():
        if name not in loops:
            times = factors[group_of(name)]
            slower = figure * times if name in COSTS else figure / times
            assert after[name] == pytest.approx(slower), name


def test_loader_and_loop_replace_those_of_the_device_at_the_speed_of_its_host():
    on = on_stack(board(), STACK)
    assert on.loader_s_per_sample == pytest.approx(0.01 / 2)
    assert on.iteration_overhead_s == pytest.approx(0.4 / 2)
    assert on.round_overhead_s == pytest.approx(6.0 / 2)
    assert on.loader_s_per_iteration == 0
    assert on.stack == "slow"
    assert (on.name, on.host_speed) == ("board", 2.0)


def test_the_time_of_a_network_is_that_of_its_parts_times_their_factors():
    """A slow twin: each part of the time on a device where every other part costs nothing."""
    layers = layers_of(block_costs(resolve("mobilenetv2")(10, (3, 32, 32))))
    free = PassRates(1e30, 1e30)
    dense = {
        "rates": {c: PassRates(4e9, 2e9) if c in DENSE else free for c in OP_CLASSES},
        "memory_bandwidth_bytes_per_s": 1e30,
        "weight_bytes_per_s": 1e30,
        "layer_overhead_s": 0.0,
    }
    rest = {
        "rates": {c: free if c in DENSE else PassRates(4e9, 2e9) for c in OP_CLASSES},
        "weight_stream_bytes_per_s": None,
        "column_bytes_per_s": None,
    }
    whole = Stage(on_stack(board(), STACK), layers)
    products, others = Stage(board(**dense), layers), Stage(board(**rest), layers)
    for batch_size in (1, 9):
        assert whole.forward(batch_size).seconds == pytest.approx(
            2 * products.forward(batch_size).seconds + 5 * others.forward(batch_size).seconds
        )
        assert whole.backward(batch_size).seconds == pytest.approx(
            3 * products.backward(batch_size).seconds + 5 * others.backward(batch_size).seconds
        )
    assert whole.step().seconds == pytest.approx(5 * Stage(board(), layers).step().seconds)


def test_the_reference_stack_changes_only_the_loop():
    on = on_stack(board(), Stack("reference"))
    loops = ("iteration_overhead", "loader_per_iteration", "loader_per_sample", "round_overhead")
    for name, figure in figures_of(board()).items():
        assert figures_of(on)[name] == pytest.approx(0.0 if name in loops else figure)


def test_a_faster_device_runs_the_loop_faster_before_and_after():
    one, other = on_stack(board().faster(3), STACK), on_stack(board(), STACK).faster(3)
    assert figures_of(one) == pytest.approx(figures_of(other))
    assert (one.host_speed, one.speed_factor) == (other.host_speed, other.speed_factor)


def test_a_coarse_device_has_no_stack():
    coarse = DeviceProfile.from_speed("phone", 1e9)
    with pytest.raises(DeviceError, match=r"'phone' has one speed .* \(got 'slow'\)"):
        on_stack(coarse, STACK)


def test_a_device_has_one_stack():
    with pytest.raises(DeviceError, match=r"'board' has the stack 'slow' already \(got 'other'\)"):
        on_stack(on_stack(board(), STACK), Stack("other"))


@pytest.mark.parametrize(
    "times", [{"loader_s_per_sample": 1.0}, {"loop_s_per_iteration": 1.0}, {"round_s": 1.0}]
)
def test_a_loop_needs_the_speed_of_the_host(times):
    unknown = board(host_speed=None)
    with pytest.raises(DeviceError, match=r"'board' has no host_speed, .* stack 'loop' need"):
        on_stack(unknown, Stack("loop", **times))
    assert on_stack(unknown, Stack("factors", other=2.0)).layer_overhead_s == 2e-4


@pytest.mark.parametrize("name", ["gemm_forward", "gemm_backward", "other"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_an_impossible_factor_is_refused_by_name(name, value):
    with pytest.raises(DeviceError, match=f"stack 's': {name} must be positive and finite"):
        Stack("s", **{name: value})


@pytest.mark.parametrize("name", ["loader_s_per_sample", "loop_s_per_iteration", "round_s"])
@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan])
def test_an_impossible_time_is_refused_by_name(name, value):
    with pytest.raises(DeviceError, match=f"stack 's': {name} must be finite and not negative"):
        Stack("s", **{name: value})


def test_stacks_compare_by_all_their_figures_and_can_be_keys():
    assert Stack("a") == Stack("a")
    assert Stack("a") != Stack("a", other=2.0)
    assert len({Stack("a"): 1, Stack("a"): 2, Stack("a", other=2.0): 3}) == 2


@pytest.mark.parametrize("device", ["raspberry-pi-4b", "raspberry-pi-5", "server-8-core"])
@pytest.mark.parametrize("stack", catalogue.stack_names())
def test_every_stack_of_the_catalogue_runs_on_a_device(device, stack):
    on = on_stack(catalogue.device(device), catalogue.stack(stack))
    assert on.stack == stack
    layers = layers_of(block_costs(resolve("vgg5")(10, (3, 32, 32))))
    assert 0 < Stage(on, layers).train(10).seconds < math.inf


def test_a_figure_is_as_sure_as_the_less_sure_of_device_and_stack():
    device = board(
        status={
            "rates.conv": "measured",
            "layer_overhead_s": "guess",
            "iteration_overhead_s": "guess",
            "loader_s_per_iteration": "guess",
            "host_speed": "published",
        },
        notes={"iteration_overhead_s": "the device's own"},
    )
    stack = replace(
        STACK,
        status={
            "gemm_forward": "measured",
            "gemm_backward": "derived",
            "other": "measured",
            "loader_s_per_sample": "measured",
            "loop_s_per_iteration": "recalled",
        },
        notes={"loop_s_per_iteration": "fitted"},
    )
    on_it = on_stack(device, stack)
    assert on_it.status == {
        "rates.conv": "derived",
        "layer_overhead_s": "guess",
        "iteration_overhead_s": "recalled",
        "loader_s_per_sample": "published",
        "host_speed": "published",
    }
    assert on_it.notes["iteration_overhead_s"] == "fitted"


def test_a_covariance_stays_but_for_the_loader_and_the_loop():
    known = Covariance(("rates.conv.forward", "iteration_overhead"), ((0.04, 0.01), (0.01, 0.09)))
    assert on_stack(board(covariance=known), STACK).covariance == Covariance(
        ("rates.conv.forward",), ((0.04,),)
    )
