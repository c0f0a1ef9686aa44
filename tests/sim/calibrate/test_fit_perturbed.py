"""Rounding does not decide the fit: 20 small perturbations of a known machine, hostile observations.

A figure that the times determine is recovered; any other stays at its prior and is listed. Whether the
times determine a figure follows from the known machine, not from the fit: a figure that changes no time
there is not determined.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from cutlayer.sim.calibrate.roofline import Roofline
from synthetic import machine, measured_on

from cutlayer.sim.calibrate.fit import fit, fitted_roofline
from cutlayer.sim.calibrate.observations import observations, step_observations
from cutlayer.sim.calibrate.prior import FURTHEST, around
from cutlayer.sim.calibrate.solve import solve

NOISE = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 0.03)
PLENTY = 2.0  # squared relative change of the observations for a change of a figure's logarithm


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
    return fitted_roofline(exact)


def figures_of(profile, roofline: Roofline) -> np.ndarray:
    """The logarithms of a profile's figures."""
    rates = [profile.rate(*key) for key in roofline.keys]
    bandwidths = [profile.memory_bandwidth_bytes_per_s, profile.weight_bytes_per_s]
    return np.log([*rates, *bandwidths, profile.layer_overhead_s])


def told(roofline: Roofline, logs: np.ndarray, seen) -> np.ndarray:
    """The change of the times with each figure, at the known machine."""
    slopes = roofline.derivatives(logs) / np.array([one.scale for one in seen])[:, None]
    return (slopes**2).sum(axis=0)


def pull(prior, logs: np.ndarray) -> np.ndarray:
    """The direction in which the prior pulls each figure, given the others: 0 at equilibrium."""
    return prior.rows.T @ (prior.rows @ logs - prior.values)


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
    roofline, prior, found = fitted_roofline(seen)
    known = figures_of(machine(), roofline)
    off = np.abs(found.logs - known)
    determined = np.array(found.determined)
    enough = told(roofline, known, seen)
    assert (enough == 0).sum() >= 6  # elementwise operations and pooling backward: memory binds
    assert not determined[enough == 0].any()
    assert determined[enough > PLENTY].all()
    assert determined.sum() > 45
    assert off[determined].max() < max(0.1, 6 * noise)
    assert (off < found.deviations)[determined].all()
    assert np.abs(pull(prior, found.logs)[enough == 0]).max() < 1e-9
    if noise < 1e-5 and not dropped:
        assert roofline.keys == undisturbed[0].keys
        assert found.determined == undisturbed[2].determined
        assert np.abs(found.logs - undisturbed[2].logs).max() < 1e3 * noise + 1e-9


def test_a_bandwidth_that_limits_nothing_stays_at_its_prior():
    """The prior is four times the fastest observed movement of bytes; the rates are still recovered."""
    measured = measured_on(machine(memory_bandwidth_bytes_per_s=1e16), ())
    seen = list(observations(measured))
    roofline, prior, found = fitted_roofline(seen)
    assert not found.determined[len(roofline.keys)]
    assert found.logs[len(roofline.keys)] == pytest.approx(prior.centre[len(roofline.keys)])
    moved = roofline.totals(roofline.moved + roofline.weights)
    fastest = max(moved / np.array([one.seconds for one in seen]))
    assert math.exp(found.logs[len(roofline.keys)]) == pytest.approx(4 * fastest)
    known = figures_of(machine(), roofline)
    rates = np.array(found.determined[: len(roofline.keys)])
    off = np.abs(found.logs - known)[: len(roofline.keys)]
    assert (off < found.deviations[: len(roofline.keys)])[rates].all()
    assert off[rates].max() < 0.1
    assert refit(seen, step_observations(measured)).undetermined["memory_bandwidth"] == ()


def test_a_machine_without_overheads_is_recovered():
    seen = list(observations(measured_on(machine(layer_overhead_s=0.0), ())))
    roofline, _, found = fitted_roofline(seen)
    assert not found.determined[-1]
    assert math.exp(found.logs[-1]) < 1e-6
    known = figures_of(machine(), roofline)
    assert np.abs(found.logs - known)[list(found.determined)].max() < 0.1


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
    _, prior, found = fitted_roofline(seen)
    reach = np.abs(found.logs - prior.centre)
    assert (reach <= math.log(FURTHEST) * (1 + 1e-12)).all()
    assert np.isfinite(found.deviations).all()
    assert refit(seen, steps).profile.layer_overhead_s > 0


class Proportional:
    """A law with one figure, which all times equal."""

    def __init__(self, count):
        self.count = count

    def seconds(self, logs, sharpness=math.inf):
        return np.full(self.count, np.exp(logs[0]))

    def derivatives(self, logs, sharpness=math.inf):
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
        def derivatives(self, logs, sharpness=math.inf):
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
