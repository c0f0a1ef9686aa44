"""A board with a user's program, fitted to timed iterations."""

import math
from dataclasses import replace

import numpy as np
import pytest

from cutlayer.scenarios.profile_file import read_profile
from cutlayer.sim.calibrate.adjust import (
    NOISE,
    Freedom,
    adjust,
    predicted,
    seconds_by_figure,
    spread_of_time,
)
from cutlayer.sim.calibrate.fitted_device import (
    FREE_STACK,
    PROGRAM,
    Fitted,
    _own,
    _start,
    fit_device,
)
from cutlayer.sim.calibrate.kinds import kind_of, missing_kinds
from cutlayer.sim.calibrate.timed_csv import read_iterations
from cutlayer.topologies import DeviceProfile, PassRates, Stack, catalogue
from cutlayer.topologies.catalogue.profile_file import profile_text
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.figures import figures_of, with_figures
from cutlayer.topologies.spreads import FORM_ERROR, form_error_of, spread_of, with_factors
from cutlayer.topologies.stack import on_stack

PI = catalogue.device("raspberry-pi-4b")
# The true board: figures off by about the spread that the catalogue states, and a program of its own.
FACTORS = {
    "rates.conv.forward": 0.8,
    "rates.conv.backward": 1.2,
    "rates.depthwise.forward": 1.3,
    "rates.depthwise.backward": 0.75,
    "weight_stream.forward": 1.2,
    "weight_stream.backward": 0.85,
    "columns.forward": 0.8,
    "columns.backward": 1.25,
    "memory_bandwidth": 0.8,
    "layer_overhead": 1.5,
}
TRUE = with_figures(PI, {name: figures_of(PI)[name] * factor for name, factor in FACTORS.items()})
PROGRAM_OF_USER = Stack(
    "mine",
    gemm_forward=1.3,
    gemm_backward=1.6,
    other=0.8,
    loader_s_per_sample=2e-3,
    loop_s_per_iteration=30e-3,
)
BOARD = on_stack(TRUE, PROGRAM_OF_USER)
TWO = ("resnet9", "mobilenetv2")  # one dense and one light network
KEPT_OUT = ("resnet12", "vgg11", "alexnet", "resnet18", "mobilenetv2-050")


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """Return rows of networks: steps and passes at two batch sizes, as long as `BOARD` takes."""

    def rows(networks, *, passes=("step", "forward", "backward"), batches=(8, 32), weight=1.0):
        lines = [
            f"{network},{batch},1,{part},{weight}"
            for network in networks
            for part in passes
            for batch in batches
        ]
        path = tmp_path_factory.mktemp("rows") / "timed.csv"
        header = "model,batch_size,seconds,pass,weight"
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return [
            replace(one, row=replace(one.row, seconds=predicted(BOARD, None, one.row)))
            for one in read_iterations(path)
        ]

    return rows


@pytest.fixture(scope="module")
def fitted(timed) -> Fitted:
    return fit_device(PI, None, timed(TWO), "my-pi")


def error(found: Fitted, one) -> float:
    return math.log(found.seconds(one) / one.row.seconds)


def test_networks_kept_out_are_predicted_within_the_stated_error(timed, fitted):
    kept_out = timed(KEPT_OUT)
    off = [abs(error(fitted, one)) / spread_of_time(fitted.profile, one.row) for one in kept_out]
    assert max(off) < 1.0
    assert np.mean([abs(error(fitted, one)) for one in kept_out]) < 0.05
    before = [abs(fitted.seconds_before(one) / one.row.seconds - 1) for one in kept_out]
    assert np.mean(before) > 0.15


def test_intervals_hold_as_many_kept_out_networks_as_they_say(timed):
    """Boards and programs drawn from what a fit expects, timed with its noise: 90 % intervals."""
    draws = np.random.default_rng(14)
    rows, kept_out = timed(TWO, passes=["step"]), timed(KEPT_OUT, passes=["step"], batches=[16])
    plain = _start(PI, None)[1]
    inside = []
    for _ in range(40):
        spreads = spread_of(PI).items()
        moved = {name: math.exp(sd * draws.standard_normal()) for name, sd in spreads}
        program = {
            part: getattr(plain, part) * math.exp(sd * draws.standard_normal())
            for part, sd in FREE_STACK.items()
        }
        world = on_stack(with_factors(PI, moved), Stack("drawn", **program))
        seen = [
            replace(
                one,
                row=replace(
                    one.row,
                    seconds=predicted(world, None, one.row)
                    * math.exp(NOISE * draws.standard_normal()),
                ),
            )
            for one in rows
        ]
        found = fit_device(PI, None, seen, "drawn")
        exact = replace(found.profile, form_error=0.0)  # the form is the truth here
        for one in kept_out:
            off = math.log(found.seconds(one) / predicted(world, None, one.row))
            inside.append(abs(off) <= 1.645 * spread_of_time(exact, one.row))
    assert 0.82 <= np.mean(inside) <= 0.97


def test_known_figures_are_recovered_from_a_dense_and_a_light_network(timed):
    """Exact rows leave no choice in what takes most of the time."""
    found = fit_device(PI, None, timed(TWO, batches=(1, 8, 64), weight=30.0), "my-pi")
    figures, truth = figures_of(found.profile), figures_of(BOARD)
    known = found.known
    off = [abs(math.log(figures[name] / truth[name])) / known[name] for name in known]
    assert max(off) < 3
    for name in ("rates.depthwise.forward", "memory_bandwidth", "iteration_overhead"):
        assert known[name] < 0.1
        assert figures[name] == pytest.approx(truth[name], rel=0.1), name
    for one in found.iterations:
        assert error(found, one) == pytest.approx(0, abs=0.01)


def test_the_profile_takes_as_long_as_device_and_program_apart(timed):
    iterations = timed(TWO)
    device, start = _start(PI, None)
    rows = [_own(one.row, PROGRAM) for one in iterations]
    apart = adjust(device, {PROGRAM: start}, rows, Freedom(spread_of(PI), {PROGRAM: FREE_STACK}))
    together = fit_device(PI, None, iterations, "my-pi")
    for one, row in zip(iterations, rows, strict=True):
        assert together.seconds(one) == pytest.approx(apart.seconds(row), rel=1e-9)
        # The spread of a time is the same by figures of the profile, and by figures and factors.
        moved = {}
        for number, name in enumerate(apart.names):
            slopes = [_seconds(apart, name, step, row) for step in (1e-4, -1e-4)]
            moved[number] = math.log(slopes[0] / slopes[1]) / 2e-4
        slope = np.array(list(moved.values()))
        expected = math.sqrt(slope @ apart.covariance @ slope)
        alone = replace(together.profile, form_error=0.0)
        assert spread_of_time(alone, one.row) == pytest.approx(expected, rel=1e-3)


def _seconds(apart, name, step, row):
    """The time of a row after a small step of the logarithm of a figure or factor."""
    part = name.removeprefix(f"{PROGRAM}: ")
    program = apart.stacks[PROGRAM]
    if part != name:
        changed = replace(program, **{part: getattr(program, part) * math.exp(step)})
        return predicted(apart.device, changed, row)
    figure = figures_of(apart.device)[name] * math.exp(step)
    return predicted(with_figures(apart.device, {name: figure}), program, row)


def test_one_row_makes_other_networks_of_its_kind_as_much_slower(timed):
    one, other = timed(["resnet18", "resnet34"], passes=["step"], batches=[16])
    start = fit_device(PI, None, [one], "my-pi")
    seconds = 3 * start.seconds_before(one)
    found = fit_device(PI, None, [replace(one, row=replace(one.row, seconds=seconds))], "my-pi")
    assert found.seconds(one) == pytest.approx(seconds, rel=0.1)
    assert found.seconds(other) == pytest.approx(3 * found.seconds_before(other), rel=0.15)
    for name in ("rates.conv.forward", "rates.conv.backward"):
        assert found.known[name] < found.prior[name]


def test_a_row_that_agrees_moves_nothing_but_is_told(timed):
    (one,) = timed(["resnet18"], passes=["step"], batches=[16])
    start = fit_device(PI, None, [one], "my-pi")
    agreeing = replace(one, row=replace(one.row, seconds=start.seconds_before(one)))
    found = fit_device(PI, None, [agreeing], "my-pi")
    assert max(abs(factor - 1) for factor in found.factors.values()) < 1e-6
    assert "rates.conv.backward" in found.moved
    assert found.profile.notes["rates.depthwise"] == "not told by the rows, as in raspberry-pi-4b"
    assert found.profile.status["layer_overhead_s"] == "guess"


def test_what_no_row_touches_keeps_its_spread(timed):
    """Depthwise rates have the spread of the catalogue and of a factor that the rows tell."""
    found = fit_device(PI, None, timed(["resnet9"], weight=30.0), "my-pi")
    figure = "rates.depthwise.forward"
    assert found.prior[figure] == pytest.approx(math.hypot(0.2, 0.4))
    assert 0.2 <= found.known[figure] < found.prior[figure]
    assert found.profile.covariance is not None
    assert set(found.known) == {
        name for name, value in figures_of(found.profile).items() if 0 < value < math.inf
    }


def test_the_form_error_is_that_of_networks_left_out(timed):
    assert form_error_of(fit_device(PI, None, timed(TWO), "my-pi").profile) == FORM_ERROR
    own = replace(PI, form_error=0.08)
    assert fit_device(own, None, timed(TWO), "my-pi").profile.form_error == 0.08
    found = fit_device(PI, None, timed((*TWO, "vgg5"), passes=["step"]), "my-pi")
    off = [math.log(found.left_out_s[one.line] / one.row.seconds) for one in found.iterations]
    assert found.profile.form_error == pytest.approx(math.sqrt(np.mean(np.square(off))))
    others = [one for one in found.iterations if one.row.network != "vgg5"]
    without = fit_device(PI, None, others, "my-pi")
    for one in found.iterations:
        if one.row.network == "vgg5":
            assert found.left_out_s[one.line] == pytest.approx(without.seconds(one), rel=1e-6)


def test_a_fit_begins_with_the_program_that_a_profile_has(timed):
    base = on_stack(PI, PROGRAM_OF_USER)
    found = fit_device(base, None, timed(["lenet"]), "my-pi")
    assert figures_of(found.before) == pytest.approx(figures_of(base))
    plain = fit_device(PI, None, timed(["lenet"]), "my-pi").before
    assert plain.iteration_overhead_s == pytest.approx(0.01)
    assert plain.loader_s_per_sample == pytest.approx(0.001)
    named = fit_device(PI, catalogue.stack("libtorch"), timed(["lenet"]), "my-pi").before
    expected = on_stack(PI, catalogue.stack("libtorch"))
    assert figures_of(named) == pytest.approx(figures_of(expected))


def test_the_fixed_time_of_a_round_stays_with_its_status(timed, tmp_path):
    """No row has a round, so that nothing is learnt of it: of a stack, and of a profile."""
    base = replace(
        PI,
        round_overhead_s=0.7,
        status={**PI.status, "round_overhead_s": "recalled"},
        notes={**PI.notes, "round_overhead_s": "why"},
    )
    for device, stack, seconds, status, spread in (
        (base, None, 0.7, "recalled", 0.3),
        (PI, catalogue.stack("edpfl"), 0.58, "derived", 0.2),
    ):
        profile = fit_device(device, stack, timed(TWO), "my-pi").profile
        path = tmp_path / "p.yaml"
        path.write_text(profile_text(profile), encoding="utf-8")
        for one in (profile, read_profile(path, "my-pi")):
            assert one.round_overhead_s == seconds
            assert one.status["round_overhead_s"] == status
            assert spread_of(one)["round_overhead"] == spread


def test_a_profile_without_host_speed_and_statuses_is_fitted_all_the_same(timed):
    found = fit_device(replace(PI, host_speed=None, status={}), None, timed(TWO), "my-pi")
    assert found.profile.host_speed is None
    assert found.profile.loader_s_per_sample == pytest.approx(2e-3, rel=0.5)


def test_a_covariance_says_how_far_the_figures_of_a_base_may_move(timed):
    names = tuple(FACTORS)
    exact = replace(PI, covariance=Covariance.of(names, np.eye(len(names)) * 1e-8))
    found = fit_device(exact, None, timed(TWO), "my-pi")
    program = [found.factors[name] for name in ("rates.conv.forward", "columns.forward")]
    assert program[0] == pytest.approx(program[1], rel=1e-3)  # only the factor of the program moves


def test_kinds_of_rows(timed):
    kinds = {
        name: kind_of(timed([name], passes=["step"], batches=[32])[0], PI)
        for name in ("resnet18", "vgg11", "resnet50", "mobilenetv2")
    }
    assert kinds == {
        "resnet18": "dense",
        "vgg11": "dense",
        "resnet50": "mixed",
        "mobilenetv2": "light",
    }
    assert missing_kinds(["dense", "light", "mixed"]) == ""
    assert missing_kinds(["dense", "mixed"]).startswith("no row is light: ")
    assert missing_kinds(["mixed"]).startswith("no row is dense or light: ")


def test_pointwise_convolutions_are_no_dense_products(timed):
    (one,) = timed(["mobilenetv2"], passes=["step"], batches=[32])
    names = {name for name, amount in one.pointwise.amounts.items() if amount}
    assert {"rates.pointwise.forward", "rates.pointwise.backward"} <= names
    assert not {name for name in names if name.startswith("rates.") and "pointwise" not in name}
    part, whole = (sum(seconds_by_figure(PI, row).values()) for row in (one.pointwise, one.row))
    assert 0 < part < whole


def test_the_seconds_of_figures_add_up(timed):
    board: DeviceProfile = replace(BOARD, rates={**BOARD.rates, "linear": PassRates(1e9, 2e9)})
    for one in timed(("alexnet", "mobilenetv2")):
        total = sum(seconds_by_figure(board, one.row).values())
        assert total == pytest.approx(predicted(board, None, one.row), rel=1e-9)
