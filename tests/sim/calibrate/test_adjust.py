"""A device moved to timed iterations: recovery of a synthetic board, and what must stay as it is."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cutlayer.models import model_cost
from cutlayer.sim.calibrate.adjust import NOISE, Freedom, _Rows, adjust, left_out, predicted
from cutlayer.sim.calibrate.timed_rows import TimedRow, iteration_amounts
from cutlayer.sim.compute.stage import Stage
from cutlayer.topologies import DeviceProfile, PassRates
from cutlayer.topologies.figures import figures_of, with_figures
from cutlayer.topologies.stack import Stack, on_stack

NO_TIME = PassRates(1e12, 1e12)
START = DeviceProfile(
    name="board",
    description="",
    rates={
        "conv": PassRates(20e9, 20e9),
        "depthwise": PassRates(0.5e9, 0.5e9),
        "norm": NO_TIME,
        "elementwise": NO_TIME,
        "pool": NO_TIME,
    },
    fallback={"linear": "conv"},
    memory_bandwidth_bytes_per_s=2e9,
    optimizer_bytes_per_s=1.5e9,
    layer_overhead_s=1e-4,
    iteration_overhead_s=0.0,
    loader_s_per_iteration=0.0,
    memory_bytes=None,
    weight_stream_bytes_per_s=PassRates(2e9, 2e9),
    column_bytes_per_s=PassRates(1e9, 1e9),
    host_speed=2.0,
)
TRUE = replace(
    START,
    rates={**START.rates, "conv": PassRates(34e9, 28e9), "depthwise": PassRates(0.3e9, 0.8e9)},
    memory_bandwidth_bytes_per_s=1.2e9,
    weight_stream_bytes_per_s=PassRates(3e9, 1.2e9),
    column_bytes_per_s=PassRates(0.8e9, 1.7e9),
)
FREE = {
    "rates.conv.forward": 1.0,
    "rates.conv.backward": 1.0,
    "rates.depthwise.forward": 1.0,
    "rates.depthwise.backward": 1.0,
    "weight_stream.forward": 1.0,
    "weight_stream.backward": 1.0,
    "columns.forward": 1.0,
    "columns.backward": 1.0,
    "memory_bandwidth": 1.0,
}
SLOW = Stack("slow", gemm_forward=1.5, gemm_backward=2.5, other=0.7)
LOADING = replace(SLOW, loader_s_per_sample=0.01, loop_s_per_iteration=0.2)
NETWORKS = {"vgg5": None, "vgg11": None, "resnet9": None, "lenet": None, "mobilenetv2": None}
MANY = 1e3  # weight of a row that is exact


@cache
def blocks_of(network):
    """Return the costs of a network's blocks, traced once: they are the same in every row."""
    return model_cost(network, 10)


def timed(device, network, part="step", batch_size=8, stack=None, weight=1.0, noise=0.0):
    """Return the row of an iteration that takes what the simulator takes on the device."""
    blocks = blocks_of(network)
    layers = [layer for block in blocks for layer in block.layers]
    on = on_stack(device, stack) if stack else device
    stage = Stage(on, layers, 1)
    works = {"step": stage.train, "forward": stage.forward, "backward": stage.backward}
    seconds = works[part](batch_size).seconds
    if part == "step" and stack:
        seconds += on.iteration_overhead_s + batch_size * on.loader_s_per_sample
    return TimedRow(
        network=network,
        stack=stack.name if stack else "",
        what=f"whole {part}",
        seconds=seconds * math.exp(noise),
        amounts=iteration_amounts(blocks, part, batch_size, 1),
        batch_size=batch_size if part == "step" else 0,
        iterations=int(part == "step"),
        weight=weight,
    )


def campaign(device, networks=NETWORKS, **more):
    """Return rows of networks: forward and backward at two batch sizes."""
    return [
        timed(device, network, part, batch_size, **more)
        for network in networks
        for part in ("forward", "backward")
        for batch_size in (4, 32)
    ]


@pytest.mark.parametrize("stack", [None, SLOW, LOADING])
@pytest.mark.parametrize("part", ["step", "forward", "backward"])
def test_a_predicted_row_is_what_the_simulator_takes(stack, part):
    for network in ("vgg5", "mobilenetv2"):
        row = timed(TRUE, network, part, stack=stack)
        assert predicted(TRUE, stack, row) == pytest.approx(row.seconds, rel=1e-9)


def test_a_device_without_streams_has_no_such_terms():
    plain = replace(TRUE, weight_stream_bytes_per_s=None, column_bytes_per_s=None)
    row = timed(plain, "vgg5")
    assert predicted(plain, None, row) == pytest.approx(row.seconds, rel=1e-9)


def test_a_board_is_recovered_from_exact_rows_of_several_networks():
    found = adjust(START, {}, campaign(TRUE, weight=MANY), Freedom(FREE, {}))
    figures, known, before = (figures_of(one) for one in (found.device, TRUE, START))
    for name in FREE:
        assert figures[name] == pytest.approx(known[name], rel=0.02), name
        assert found.moved[name] == pytest.approx(figures[name] / before[name]), name
    for network in ("resnet12", "alexnet"):  # of which it has no row
        row = timed(TRUE, network, batch_size=16)
        assert found.seconds(row) == pytest.approx(row.seconds, rel=0.02)


def test_what_is_not_free_stays_to_the_last_bit():
    free = {"rates.conv.forward": 1.0}
    found = adjust(START, {}, campaign(TRUE), Freedom(free, {}))
    assert found.names == ("rates.conv.forward",)
    moved = figures_of(found.device)["rates.conv.forward"]
    assert found.device == with_figures(START, {"rates.conv.forward": moved})
    assert moved > 1.05 * START.rates["conv"].forward


def test_figures_that_no_row_touches_stay():
    """Forward passes of a network without depthwise convolutions say nothing about others."""
    rows = [timed(TRUE, "vgg11", "forward", size, weight=MANY) for size in (4, 32)]
    found = adjust(START, {}, rows, Freedom(FREE, {}))
    figures, before = figures_of(found.device), figures_of(START)
    silent = [name for name in FREE if name.endswith("backward") or "depthwise" in name]
    for name in silent:
        assert figures[name] == before[name], name
    for row in rows:
        assert found.seconds(row) == pytest.approx(row.seconds, rel=0.01)


def test_a_row_that_agrees_moves_nothing():
    rows = campaign(START, ["vgg5", "lenet"])
    found = adjust(START, {}, rows, Freedom(FREE, {}))
    assert list(found.moved.values()) == pytest.approx([1.0] * len(found.moved), abs=1e-6)


def test_one_row_moves_one_figure_as_the_normal_equations_say():
    """A term that takes all of the time: its logarithm is the mean of prior and row by weights."""
    only = Freedom({"optimizer_bandwidth": 0.5}, {})
    row = TimedRow("net", "", "whole step", 3.0, {"optimizer_bandwidth": 1.5e9}, weight=0.25)
    found = adjust(START, {}, [row], only)
    prior, told = 1 / 0.5**2, (0.25 / NOISE) ** 2
    move = -math.log(3.0) * told / (told + prior)
    assert math.log(found.moved["optimizer_bandwidth"]) == pytest.approx(move, rel=1e-6)
    assert found.covariance == pytest.approx(np.array([[1 / (told + prior)]]), rel=1e-6)


def test_rows_narrow_what_is_known_and_never_widen_it():
    deviations = {}
    for count in (1, 3, 5):
        rows = campaign(TRUE, [*NETWORKS][:count])
        found = adjust(START, {}, rows, Freedom(FREE, {}))
        spread = np.sqrt(np.diag(found.covariance))
        assert (spread <= 1.0 + 1e-9).all()
        deviations[count] = dict(zip(found.names, spread, strict=True))
    for name in ("rates.conv.forward", "weight_stream.backward", "memory_bandwidth"):
        assert deviations[5][name] < deviations[1][name]


def test_the_spread_of_fits_to_noisy_rows_is_that_of_the_covariance():
    """Nine in ten of what 40 fits miss, in standard deviations, is below 1.64 if it is honest."""
    generator = np.random.default_rng(0)
    free = dict.fromkeys(FREE, 0.5)
    exact = campaign(START, ["vgg5", "resnet9", "mobilenetv2"])
    before, missed = figures_of(START), []
    for _ in range(40):
        noisy = [
            replace(r, seconds=r.seconds * math.exp(generator.normal(0, NOISE))) for r in exact
        ]
        names = [*free]
        logs = generator.normal(0, 0.5, len(names))  # the start, drawn from the prior
        moved = {n: before[n] * math.exp(log) for n, log in zip(names, logs, strict=True)}
        found = adjust(with_figures(START, moved), {}, noisy, Freedom(free, {}))
        spread = dict(zip(found.names, np.sqrt(np.diag(found.covariance)), strict=True))
        after = figures_of(found.device)
        missed += [abs(math.log(after[n] / before[n])) / spread[n] for n in found.names]
    assert 0.82 < np.mean(np.array(missed) < 1.645) < 0.97


@pytest.mark.parametrize(
    "stacks", [{}, {"slow": LOADING}, {"slow": LOADING, "other": Stack("other")}]
)
def test_the_derivatives_are_differences(stacks):
    rows = [timed(TRUE, "vgg5", part) for part in ("step", "forward", "backward")]
    rows += [timed(TRUE, "mobilenetv2", stack=stack) for stack in stacks.values()]
    table = _Rows(rows, START, stacks)
    slopes = table.derivatives(table.logs)
    assert slopes.shape == (len(rows), len(table.names))
    step = 1e-5
    for place, name in enumerate(table.names):
        more, less = table.logs.copy(), table.logs.copy()
        more[place] += step
        less[place] -= step
        difference = np.log(table.seconds(more) / table.seconds(less)) / (2 * step)
        assert slopes[:, place] == pytest.approx(difference, rel=1e-5, abs=1e-9), name


def test_the_factors_of_a_stack_are_recovered_beside_those_of_another():
    reference = Stack("reference")
    rows = campaign(TRUE, stack=reference, weight=MANY)
    rows += campaign(TRUE, ["vgg11", "mobilenetv2"], stack=LOADING, weight=MANY)
    rows += [
        timed(TRUE, network, batch_size=size, stack=LOADING, weight=MANY)
        for network in ("lenet", "vgg5")
        for size in (2, 64)
    ]
    names = ("gemm_forward", "gemm_backward", "other", "loader_s_per_sample")
    free = {"slow": dict.fromkeys((*names, "loop_s_per_iteration"), 1.0)}
    stacks = {
        "reference": reference,
        "slow": Stack("slow", loader_s_per_sample=0.02, loop_s_per_iteration=0.1),
    }
    found = adjust(START, stacks, rows, Freedom(FREE, free))
    assert found.stacks["reference"].other == 1.0
    slow = found.stacks["slow"]
    for name in (*names, "loop_s_per_iteration"):
        assert getattr(slow, name) == pytest.approx(getattr(LOADING, name), rel=0.03), name
        assert f"slow: {name}" in found.names
    for row in rows:
        assert found.seconds(row) == pytest.approx(row.seconds, rel=0.01)


def test_times_that_are_nothing_stay_nothing():
    reference = Stack("reference")
    rows = [timed(TRUE, "vgg5", stack=reference)]
    found = adjust(START, {"reference": reference}, rows, Freedom(FREE, {}))
    assert found.stacks["reference"] == reference


def test_networks_left_out_are_predicted_by_the_others():
    rows = campaign(TRUE, weight=MANY)
    predictions = left_out(START, {}, rows, Freedom(FREE, {}))
    assert len(predictions) == len(rows)
    rest = [row for row in rows if row.network != "vgg11"]
    fitted = adjust(START, {}, rest, Freedom(FREE, {}))
    own = [row for row in rows if row.network == "vgg11"]
    assert [predictions[row] for row in own] == pytest.approx([fitted.seconds(row) for row in own])
    # All networks but one determine the convolutions, not the depthwise ones of the only light one.
    for row, seconds in predictions.items():
        off = abs(seconds / row.seconds - 1)
        assert off < 0.03 or row.network in ("mobilenetv2", "lenet")
        assert off > 0.1 or row.network != "mobilenetv2"


def test_without_a_stack_the_loop_and_the_loader_are_those_of_the_device():
    own = replace(START, iteration_overhead_s=0.02, loader_s_per_sample=0.001)
    row = TimedRow("n", "", "whole step", 1.0, {"rates.conv.forward": 1e9}, 8, 1)
    bare = replace(row, batch_size=0, iterations=0)
    assert predicted(own, None, row) == pytest.approx(predicted(own, None, bare) + 0.02 + 0.008)
