import math
from dataclasses import replace

import pytest

from cutlayer.models.features import OP_CLASSES, Features
from cutlayer.topologies.device import DeviceError, DeviceProfile
from cutlayer.topologies.figures import COSTS, attribute_of, figures_of, with_figures
from cutlayer.topologies.layer_time import LayerTime, PassRates


def profile(**changes):
    figures = {
        "name": "board",
        "description": "",
        "rates": {"conv": PassRates(16e9, 8e9), "linear": PassRates(2e9, 1e9)},
        "memory_bandwidth_bytes_per_s": 4e9,
        "optimizer_bytes_per_s": 1e9,
        "layer_overhead_s": 1e-4,
        "iteration_overhead_s": 0.05,
        "loader_s_per_iteration": 0.04,
        "memory_bytes": 2**30,
    }
    return DeviceProfile(**(figures | changes))


def test_forward_and_backward_have_their_own_rates():
    assert profile().rate("linear", "forward") == 2e9
    assert profile().rate("linear", "backward") == 1e9


def test_a_class_without_a_rate_is_an_error_that_names_the_field():
    with pytest.raises(DeviceError, match=r"'board' has no rate for 'depthwise'.*rates.depthwise"):
        profile().rate("depthwise", "forward")


def test_a_class_may_fall_back_on_another_that_is_declared():
    board = profile(fallback={"conv_input": "conv", "depthwise": "conv_input"})
    assert board.rate("conv_input", "forward") == 16e9
    assert board.rate("depthwise", "backward") == 8e9


@pytest.mark.parametrize("op_class", ["conv_input", "pointwise"])
def test_every_kind_of_convolution_has_the_rates_of_conv_unless_it_has_its_own(op_class):
    assert profile().rate(op_class, "backward") == 8e9
    own = {op_class: PassRates(5e9, 4e9), "conv": PassRates(16e9, 8e9)}
    assert profile(rates=own).rate(op_class, "backward") == 4e9
    other = profile(fallback={op_class: "linear"})
    assert other.rate(op_class, "backward") == 1e9


@pytest.mark.parametrize(
    "fallback",
    [{"norm": "pool"}, {"norm": "pool", "pool": "norm"}],
)
def test_a_fallback_without_rates_is_refused(fallback):
    with pytest.raises(DeviceError, match="has no rate for 'norm'"):
        profile(fallback=fallback)


def test_an_unknown_class_is_refused_with_the_nearest_one():
    with pytest.raises(DeviceError, match="did you mean 'linear'"):
        profile(rates={"lineer": PassRates(1e9, 1e9)})
    with pytest.raises(DeviceError, match="did you mean 'depthwise'"):
        profile().rate("depth-wise", "forward")


# FLOPs, activation bytes, weight bytes, streamed bytes, column bytes.
CONV = Features("conv", "forward", 8_000, 400, 60, 50, 700)


def test_a_layer_without_other_bandwidths_takes_arithmetic_memory_and_the_overhead():
    time = profile().time(CONV)
    assert time.overhead_s == 1e-4
    assert time.fixed_s == pytest.approx(1e-4 + 60 / 4e9)
    assert time.per_sample_s == pytest.approx(8_000 / 16e9 + 400 / 4e9)
    assert time.seconds(10) == pytest.approx(time.fixed_s + 10 * time.per_sample_s)
    backward = profile().time(CONV._replace(pass_="backward"))
    assert backward.per_sample_s == pytest.approx(8_000 / 8e9 + 400 / 4e9)


def test_each_bandwidth_adds_its_term():
    board = profile(
        weight_bytes_per_s=1e6,
        weight_stream_bytes_per_s=PassRates(2e6, 5e5),
        column_bytes_per_s=PassRates(1e7, 2e7),
    )
    forward = board.time(CONV)
    assert forward.fixed_s == pytest.approx(1e-4 + 60e-6)
    assert forward.per_sample_s == pytest.approx(5e-7 + 1e-7 + 25e-6 + 70e-6)
    backward = board.time(CONV._replace(pass_="backward"))
    assert backward.fixed_s == forward.fixed_s
    assert backward.per_sample_s == pytest.approx(1e-6 + 1e-7 + 100e-6 + 35e-6)


def test_times_one_after_the_other_add_up_part_by_part():
    assert LayerTime(1, 2, 3).plus(LayerTime(10, 20, 30)) == (11, 22, 33)


FULL = {
    "weight_bytes_per_s": 5e9,
    "weight_stream_bytes_per_s": PassRates(2e9, 1e9),
    "column_bytes_per_s": PassRates(3e9, 4e9),
    "loader_s_per_sample": 1e-3,
    "optimizer_overhead_s": 1e-5,
    "round_overhead_s": 2.0,
    "host_speed": 1.5,
}


def test_a_device_that_is_twice_as_fast_halves_every_time():
    slow, fast = profile(**FULL), profile(**FULL).faster(2)
    for pass_ in ("forward", "backward"):
        work = CONV._replace(pass_=pass_)
        assert [2 * part for part in fast.time(work)] == pytest.approx([*slow.time(work)])
    assert 2 * fast.optimizer_seconds(1e6, 0, 3) == pytest.approx(slow.optimizer_seconds(1e6, 0, 3))
    for name, figure in figures_of(slow).items():
        assert figures_of(fast)[name] == pytest.approx(figure / 2 if name in COSTS else figure * 2)
    assert (fast.host_speed, fast.speed_factor) == (3.0, 2.0)
    assert fast.faster(3).speed_factor == 6.0


def test_figures_that_a_device_does_not_have_stay_absent_when_it_is_scaled():
    fast = profile().faster(2)
    assert fast.weight_bytes_per_s is fast.weight_stream_bytes_per_s is None
    assert fast.column_bytes_per_s is fast.host_speed is None


@pytest.mark.parametrize("more", [{}, FULL])
def test_figures_are_numbers_by_name_and_back(more):
    board = profile(**more)
    figures = figures_of(board)
    assert with_figures(board, figures) == with_figures(board, {}) == board
    assert ("weight_stream.forward" in figures) == ("columns.backward" in figures) == bool(more)
    assert figures["rates.conv.forward"] == 16e9
    assert figures["layer_overhead"] == 1e-4
    changed = with_figures(profile(), {name: 2 * figure for name, figure in figures.items()})
    assert figures_of(changed) == {name: 2 * figure for name, figure in figures.items()}
    for name in figures:
        assert attribute_of(name).startswith("rates.") or hasattr(board, attribute_of(name))


def test_one_figure_is_changed_and_the_others_stay():
    changed = with_figures(profile(**FULL), {"columns.backward": 7.0})
    assert changed == replace(profile(**FULL), column_bytes_per_s=PassRates(3e9, 7.0))


def test_an_optimizer_step_is_memory_traffic():
    assert profile().optimizer_seconds(3e9, 1e9) == 3


def test_one_speed_gives_a_coarse_profile_in_which_nothing_is_free():
    coarse = DeviceProfile.from_speed("thing", 5e9)
    assert coarse.coarse
    for op_class in OP_CLASSES:
        assert coarse.rate(op_class, "forward") == 5e9
        work = Features(op_class, "backward", 5 * 10**9, 10**15, 10**15, 10**15, 10**15)
        assert coarse.time(work) == (0, 1, 0)
    assert coarse.optimizer_seconds(1e15, 10e9) == 2
    assert coarse.iteration_overhead_s == coarse.layer_overhead_s == 0
    assert not profile().coarse


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_speed_is_refused(speed):
    with pytest.raises(DeviceError, match="positive, finite number of FLOP/s"):
        DeviceProfile.from_speed("thing", speed)
    for wrong in (PassRates(1e9, speed), PassRates(speed, 1e9)):
        with pytest.raises(DeviceError, match=r"'board': the \w+ rate of rates.conv is"):
            profile(rates={"conv": wrong})
        for attribute, name in (
            ("weight_stream_bytes_per_s", "weight_stream"),
            ("column_bytes_per_s", "columns"),
        ):
            with pytest.raises(DeviceError, match=f"rate of {name} is .* positive, finite"):
                profile(**{attribute: wrong})


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("memory_bandwidth_bytes_per_s", 0.0),
        ("memory_bandwidth_bytes_per_s", math.nan),
        ("optimizer_bytes_per_s", -1.0),
        ("layer_overhead_s", -1e-9),
        ("iteration_overhead_s", math.inf),
        ("loader_s_per_iteration", 0.06),
        ("memory_bytes", 0),
        ("host_speed", 0.0),
        ("weight_bytes_per_s", 0.0),
        ("power_w", {"idle": -1.0}),
    ],
)
def test_an_impossible_figure_is_refused_by_name(figure, value):
    with pytest.raises(DeviceError, match=f"'board': {figure}"):
        profile(**{figure: value})


def test_another_loader_changes_only_its_part_of_the_overhead():
    board = profile().with_loader(0.01)
    assert board.loader_s_per_iteration == 0.01
    assert board.iteration_overhead_s == pytest.approx(0.02)
    assert board.status["loader_s_per_iteration"] == "declared"
    assert replace(board, iteration_overhead_s=0.05, loader_s_per_iteration=0.04, status={}) == (
        profile()
    )


def test_unsure_figures_are_those_guessed_or_recalled():
    board = profile(
        status={"rates.conv": "measured", "layer_overhead_s": "guess", "memory_bytes": "recalled"}
    )
    assert board.unsure == ("layer_overhead_s", "memory_bytes")


def test_profiles_compare_by_all_their_figures_and_can_be_keys():
    assert profile() == profile()
    assert hash(profile()) == hash(profile())
    assert profile() != profile(layer_overhead_s=0.0)
    assert len({profile(): 1, profile(): 2, profile(layer_overhead_s=0.0): 3}) == 2
