"""Rounding does not decide the fit: 20 small perturbations of a known machine, hostile observations.

A figure that the times determine is recovered; any other is listed. Whether the times determine a figure
follows from the known machine, not from the fit: from the deviation that times and prior leave there.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from synthetic import machine, measured_on

from cutlayer.sim.calibrate.fit import fit, fitted_law
from cutlayer.sim.calibrate.law import Law
from cutlayer.sim.calibrate.observations import observations, step_observations
from cutlayer.sim.calibrate.prior import FURTHEST, SOFT, Prior, around
from cutlayer.sim.calibrate.solve import solve
from cutlayer.topologies.figures import figures_of
from cutlayer.topologies.layer_time import PassRates

NOISE = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 0.03)
LITTLE, MUCH = 0.4, 1.2  # deviations of logarithms clearly below and above a factor of 2


@pytest.fixture(scope="module")
def measured():
    return measured_on(machine(), ())


@pytest.fixture(scope="module")
def exact(measured):
    return list(observations(measured))


@pytest.fixture(scope="module")
def steps(measured):
    return step_observations(measured)


@pytest.fixture(scope="module")
def undisturbed(exact):
    return fitted_law(exact)


def known_logs(profile, law: Law) -> np.ndarray:
    """The logarithms of a profile's figures."""
    figures = figures_of(profile)
    return np.log([figures[name] for name in law.figures])


def left_unknown(law: Law, prior: Prior, logs: np.ndarray, seen) -> np.ndarray:
    """The deviations that exact times leave of each figure, at the known machine."""
    slopes = law.derivatives(logs) / np.array([one.scale for one in seen])[:, None]
    known = slopes.T @ slopes + prior.rows.T @ prior.rows
    return SOFT * np.sqrt(np.diag(np.linalg.inv(known)))


def times(seen, factors):
    """The observations with their seconds multiplied."""
    return [
        replace(one, seconds=one.seconds * factor, scale=one.scale * factor)
        for one, factor in zip(seen, factors, strict=True)
    ]


def refit(seen, steps):
    return fit(
        "any",
        seen,
        steps,
        rest_s=[1e-4],
        loader_s_per_sample=0.0,
        memory_bytes=None,
        description="",
        source="a test",
    )


@pytest.mark.parametrize("number", range(20))
def test_determined_figures_are_recovered_and_others_stay_at_their_prior(
    number, exact, undisturbed
):
    generator = np.random.default_rng(number)
    noise = NOISE[number % len(NOISE)]
    seen = times(exact, 1 + noise * generator.uniform(-1, 1, len(exact)))
    if number % 2:
        seen = [seen[place] for place in generator.permutation(len(seen))]
    if dropped := number % 3 == 2:
        seen = [one for one in seen if generator.random() > 0.2]
    law, prior, found = fitted_law(seen)
    logs = known_logs(machine(), law)
    off = np.abs(found.logs - logs)
    determined = np.array(found.determined)
    unknown = left_unknown(law, prior, logs, seen)
    names = np.array(law.figures)
    # What elementwise operations and pooling take backward is little beside their memory traffic.
    assert {"rates.elementwise.backward", "rates.pool.backward"} <= {*names[unknown > MUCH]}
    assert not determined[unknown > MUCH].any()
    assert determined[unknown < LITTLE].all()
    assert determined.sum() >= len(names) - 5
    assert off[determined].max() < max(0.1, 6 * noise)
    assert (off < found.deviations)[determined].all()
    if noise < 1e-5 and not dropped:
        assert law.figures == undisturbed[0].figures
        assert found.determined == undisturbed[2].determined
        assert np.abs(found.logs - undisturbed[2].logs).max() < 1e3 * noise + 1e-9


@pytest.mark.parametrize(
    ("changes", "free"),
    [
        ({"memory_bandwidth_bytes_per_s": 1e16}, "memory_bandwidth"),
        ({"column_bytes_per_s": PassRates(1e16, 1e16)}, "columns.forward"),
        ({"weight_stream_bytes_per_s": PassRates(1e16, 1e16)}, "weight_stream.backward"),
        ({"weight_bytes_per_s": 1e16}, "weight_bandwidth"),
    ],
)
def test_a_bandwidth_that_costs_no_time_is_high_and_not_determined(changes, free):
    """What the prior of such a bandwidth costs goes, or cannot be told from other terms."""
    seen = list(observations(measured_on(machine(**changes), ())))
    law, _, found = fitted_law(seen)
    place = law.figures.index(free)
    assert not found.determined[place]
    off = np.abs(found.logs - known_logs(machine(**changes), law))
    determined = np.array(found.determined)
    assert (off < found.deviations)[determined].all()
    assert off[determined].max() < 0.2
    assert law.seconds(found.logs) == pytest.approx([one.seconds for one in seen], rel=0.1)


def test_a_machine_without_overheads_is_recovered():
    seen = list(observations(measured_on(machine(layer_overhead_s=0.0), ())))
    law, _, found = fitted_law(seen)
    assert not found.determined[-1]
    assert math.exp(found.logs[-1]) < 3e-6  # of 30 us
    determined = np.array(found.determined)[:-1]
    off = np.abs(found.logs - known_logs(machine(), law))[:-1]
    assert off[determined].max() < 0.15


def test_without_convolutions_there_are_no_streams_and_no_columns(exact, steps):
    """A profile of an old kind: it has neither, and its file does not either."""
    linear = [
        one
        for one in exact
        if all(layer.op_class in ("linear", "elementwise", "norm") for layer in one.layers)
    ]
    linear.append(replace(max(linear, key=lambda one: one.seconds), whole=True))
    law, *_ = fitted_law(linear)
    assert {name.partition(".")[0] for name in law.figures} == {
        "rates",
        "memory_bandwidth",
        "weight_bandwidth",
        "layer_overhead",
    }
    profile = refit(linear, steps).profile
    assert profile.weight_stream_bytes_per_s is profile.column_bytes_per_s is None


def test_steps_of_one_kind_determine_neither_of_their_figures(exact, steps):
    """Traffic is proportional to tensors, so that any mixture of both explains the times."""
    alike = [replace(steps[0], seconds=factor * steps[0].seconds) for factor in (0.99, 1.0, 1.01)]
    found = refit(exact, alike)
    assert {"optimizer_overhead", "optimizer_bandwidth"} & found.undetermined.keys()
    predicted = found.profile.optimizer_seconds(steps[0].traffic_bytes, 0.0, steps[0].tensors)
    assert predicted == pytest.approx(steps[0].seconds, rel=0.02)


HOSTILE = {
    "two observations": lambda seen: [seen[0], next(one for one in seen if one.whole)],
    "one model": lambda seen: seen[:60],
    "all take the same": lambda seen: [replace(one, seconds=1e-3, scale=1e-3) for one in seen],
    "a machine of another age": lambda seen: times(seen, np.full(len(seen), 1e9)),
    "a machine from the future": lambda seen: times(seen, np.full(len(seen), 1e-9)),
    "nothing fits": lambda seen: times(
        seen, 10.0 ** np.random.default_rng(0).uniform(-6, 6, len(seen))
    ),
    "one took for ever": lambda seen: times(seen, [1e12, *np.ones(len(seen) - 1)]),
    "one took no time": lambda seen: times(seen, [1e-12, *np.ones(len(seen) - 1)]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_observations_lead_out_of_bounds(kind, exact, steps):
    """Warnings are errors: nothing overflows, and every figure is within reach of its prior."""
    seen = HOSTILE[kind](exact)
    _, prior, found = fitted_law(seen)
    reach = np.abs(found.logs - prior.centre)
    assert (reach <= math.log(FURTHEST) * (1 + 1e-12)).all()
    assert np.isfinite(found.deviations).all()
    assert refit(seen, steps).profile.layer_overhead_s > 0


class Proportional:
    """A law with one figure, which all times equal."""

    def __init__(self, count):
        self.count = count

    def seconds(self, logs):
        return np.full(self.count, np.exp(logs[0]))

    def derivatives(self, logs):
        return self.seconds(logs)[:, None]


def test_a_figure_out_of_reach_is_held_by_its_bound_and_not_determined():
    seconds = np.full(5, 1.0)
    near = solve(Proportional(5), seconds, seconds, around([3.0]))
    assert near.determined == (True,)
    assert math.exp(near.logs[0]) == pytest.approx(1.0, rel=1e-3)
    # 5 errors of 10 % and a prior of a factor of e^5: the deviation is 0.1 / sqrt(5).
    assert near.deviations[0] == pytest.approx(0.1 / math.sqrt(5), rel=1e-3)
    far = solve(Proportional(5), seconds, seconds, around([1e6]))
    assert far.determined == (False,)
    assert math.exp(far.logs[0]) == pytest.approx(1e6 / FURTHEST)


def test_without_a_time_that_depends_on_it_a_figure_is_at_its_centre():
    prior = around([2.0, 5.0], [(0, 1, 0.05)])
    seconds = np.full(5, 7.0)

    class First(Proportional):
        def derivatives(self, logs):
            return np.column_stack([self.seconds(logs), np.zeros(self.count)])

    found = solve(First(5), seconds, seconds, prior)
    assert found.determined == (True, False)
    # Its own centre and the figure beside it pull in the proportion of their weights, 0.02 and 0.05.
    beside = math.log(5.0) + (found.logs[0] - math.log(2.0))
    expected = (0.02**2 * math.log(5.0) + 0.05**2 * beside) / (0.02**2 + 0.05**2)
    assert found.logs[1] == pytest.approx(expected, rel=1e-6)


def test_a_prior_needs_positive_finite_centres():
    for centre in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="positive and finite"):
            around([1.0, centre])
