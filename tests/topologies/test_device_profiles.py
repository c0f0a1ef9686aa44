import math
from dataclasses import replace

import pytest

from cutlayer.models.features import OP_CLASSES
from cutlayer.topologies.device import DeviceError, DeviceProfile

CONV = RateTable({32: 16e9, 8: 20e9, 2: 4e9}, {32: 8e9, 8: 10e9, 2: 1e9})


def profile(**changes):
    figures = {
        "name": "board",
        "description": "",
        "rates": {"conv": CONV, "linear": RateTable.flat(2e9, 1e9)},
        "memory_bandwidth_bytes_per_s": 4e9,
        "optimizer_bytes_per_s": 1e9,
        "layer_overhead_s": 1e-4,
        "iteration_overhead_s": 0.05,
        "loader_s_per_iteration": 0.04,
        "memory_bytes": 2**30,
    }
    return DeviceProfile(**(figures | changes))


@pytest.mark.parametrize(
    ("map_size", "expected"),
    [(32, 16e9), (100, 16e9), (17, 16e9), (8, 20e9), (11, 20e9), (5, 20e9), (3, 4e9), (1, 4e9)],
)
def test_the_rate_is_that_of_the_nearest_map_in_log2(map_size, expected):
    assert profile().rate("conv", "forward", map_size) == expected


def test_halfway_the_smaller_map_counts():
    assert profile().rate("conv", "backward", 16) == 10e9  # sqrt(8 * 32)
    assert profile().rate("conv", "backward", 4) == 1e9  # sqrt(2 * 8)


def test_forward_and_backward_have_their_own_rates():
    assert profile().rate("linear", "forward", 1) == 2e9
    assert profile().rate("linear", "backward", 1) == 1e9


def test_a_class_without_a_rate_is_an_error_that_names_the_field():
    with pytest.raises(DeviceError, match=r"'board' has no rate for 'depthwise'.*rates.depthwise"):
        profile().rate("depthwise", "forward", 8)


def test_a_class_may_fall_back_on_another_that_is_declared():
    board = profile(fallback={"conv_input": "conv", "depthwise": "conv_input"})
    assert board.rate("conv_input", "forward", 2) == 4e9
    assert board.rate("depthwise", "backward", 2) == 1e9


@pytest.mark.parametrize(
    "fallback",
    [{"norm": "pool"}, {"norm": "pool", "pool": "norm"}],
)
def test_a_fallback_without_rates_is_refused(fallback):
    with pytest.raises(DeviceError, match="has no rate for 'norm'"):
        profile(fallback=fallback)


def test_an_unknown_class_is_refused_with_the_nearest_one():
    with pytest.raises(DeviceError, match="did you mean 'linear'"):
        profile(rates={"lineer": RateTable.flat(1e9, 1e9)})
    with pytest.raises(DeviceError, match="did you mean 'depthwise'"):
        profile().rate("depth-wise", "forward", 1)


def test_a_layer_takes_the_longer_of_arithmetic_and_memory_and_the_overhead():
    board = profile()
    assert board.seconds("linear", "forward", 1, 2e9, 4e9) == pytest.approx(1 + 1e-4)
    assert board.seconds("linear", "forward", 1, 2e9, 8e9) == pytest.approx(2 + 1e-4)
    assert board.seconds("linear", "backward", 1, 6e9, 8e9) == pytest.approx(6 + 1e-4)


def test_an_optimizer_step_is_memory_traffic():
    assert profile().optimizer_seconds(3e9, 1e9) == 3


def test_one_speed_gives_a_coarse_profile_in_which_nothing_is_free():
    coarse = DeviceProfile.from_speed("thing", 5e9)
    assert coarse.coarse
    for op_class in OP_CLASSES:
        assert coarse.rate(op_class, "forward", 7) == 5e9
        assert coarse.seconds(op_class, "backward", 7, 10e9, 1e15) == 2
    assert coarse.optimizer_seconds(1e15, 10e9) == 2
    assert coarse.iteration_overhead_s == coarse.layer_overhead_s == 0
    assert not profile().coarse


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_speed_is_refused(speed):
    with pytest.raises(DeviceError, match="positive, finite number of FLOP/s"):
        DeviceProfile.from_speed("thing", speed)
    with pytest.raises(DeviceError, match="positive, finite number of FLOP/s"):
        RateTable.flat(1e9, speed)


def test_a_table_without_maps_or_with_an_impossible_one_is_refused():
    with pytest.raises(DeviceError, match="backward rates are empty"):
        RateTable({1: 1e9}, {})
    with pytest.raises(DeviceError, match="map of side 0"):
        RateTable({0: 1e9}, {1: 1e9})


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
