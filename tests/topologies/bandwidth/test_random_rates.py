"""Random rates: functions of time whatever the order of the calls, and their distributions."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kstest
from scipy.stats import t as student
from walks import at, integral, pieces

from cutlayer.topologies.bandwidth import Lognormal, TwoStates
from cutlayer.topologies.bandwidth.random_rates import SIZE

TWO = TwoStates(good=1000.0, bad=100.0, good_s=8.0, bad_s=2.0)
WALK = Lognormal(mean=500.0, cv=0.6, correlation=0.8, step_s=0.5)
BOTH = pytest.mark.parametrize("varying", [TWO, WALK], ids=["two states", "lognormal"])


def profile(varying, seed=0, key="pi.up"):
    return varying.profile(seed, key, "pi")


def expected(values, truth):
    """Whether `truth` is in the interval of independent values (confidence 1 - 1e-6)."""
    values = np.asarray(values)
    half = student.ppf(1 - 0.5e-6, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return abs(values.mean() - truth) <= half


@BOTH
def test_the_order_of_the_calls_does_not_matter(varying):
    times = [random.Random(1).uniform(0, 3000) for _ in range(400)]
    forwards = profile(varying)
    known = {t: forwards.piece(t) for t in sorted(times)}
    for order in (times, sorted(times, reverse=True)):
        fresh = profile(varying)
        assert {t: fresh.piece(t) for t in order} == known
    far = profile(varying)
    far.piece(1e5)
    assert {t: far.piece(t) for t in times} == known


@BOTH
def test_a_look_back_does_not_change_what_follows(varying):
    onwards, back_and_forth = profile(varying), profile(varying)
    for t in (300.0, 900.0, 3000.0):
        back_and_forth.piece(t)
        back_and_forth.piece(0.0)
    assert list(pieces(back_and_forth, 9000, 2000)) == list(pieces(onwards, 9000, 2000))


@BOTH
def test_pieces_follow_one_another(varying):
    walked = profile(varying)
    found = list(pieces(walked, 2000))
    assert len(found) > 3 * SIZE
    for begin, end, value in found:
        assert walked.piece((begin + end) / 2)[0] == value
        assert walked.piece(begin)[0] == value


@BOTH
def test_seed_and_key_are_the_stream(varying):
    times = np.linspace(0, 500, 300)
    same = at(profile(varying), *times)
    assert at(profile(varying), *times) == same
    assert at(varying.profile(0, "pi.up", "another connection"), *times) == same
    for other in (profile(varying, seed=1), profile(varying, key="pi.down")):
        assert at(other, *times) != same


@BOTH
def test_the_mean_is_the_given_one(varying):
    runs = [integral(profile(varying, seed), 400) / 400 for seed in range(60)]
    assert expected(runs, varying.mean_bytes_per_s)


def test_two_states_have_the_given_shares_and_mean_times():
    assert TWO.mean_bytes_per_s == pytest.approx(0.8 * 1000 + 0.2 * 100)
    assert {value for *_, value in pieces(profile(TWO), 500)} == {1000.0, 100.0}
    starts = [profile(TWO, seed).piece(0.0)[0] == 1000 for seed in range(600)]
    assert expected(starts, 0.8)  # stationary from the first moment
    long_run = list(pieces(profile(TWO), 20_000))[1:-1]
    assert all(now[2] != then[2] for now, then in pairwise(long_run))
    for value, mean in ((1000.0, 8.0), (100.0, 2.0)):
        sojourns = [end - begin for begin, end, held in long_run if held == value]
        assert expected(sojourns, mean)
        assert kstest(sojourns, "expon", args=(0, mean)).pvalue > 1e-3


def test_the_autocovariance_of_two_states_decays_at_the_sum_of_their_rates():
    """The autocovariance is p (1 - p) exp(-(1/good_s + 1/bad_s) lag), in units of the difference."""
    lag = 1.0
    found = []
    for seed in range(1500):
        here, there = (value == 1000 for value in at(profile(TWO, seed), 7.0, 7.0 + lag))
        found.append((here - 0.8) * (there - 0.8))
    assert expected(found, 0.16 * math.exp(-lag * (1 / 8 + 1 / 2)))


def test_lognormal_has_its_variation_and_changes_at_its_steps():
    runs = [profile(WALK, seed).piece(3.2)[0] for seed in range(2000)]
    logs = np.log(runs)
    variance = math.log(1 + 0.6**2)
    assert kstest(logs, "norm", (math.log(500) - variance / 2, math.sqrt(variance))).pvalue > 1e-3
    first = [profile(WALK, seed).piece(0.0)[0] for seed in range(2000)]
    assert expected(first, 500)
    assert expected((np.array(first) - 500) ** 2, (0.6 * 500) ** 2)
    walk = profile(WALK)
    assert [walk.piece(t)[1] for t in (0.0, 0.49, 0.5, 99.9)] == [0.5, 0.5, 1.0, 100.0]


@pytest.mark.parametrize("first", [40, SIZE - 1])  # the second crosses from a block to the next
@pytest.mark.parametrize("steps", [1, 2, 5, SIZE])
def test_lognormal_correlates_as_an_ar1_process(first, steps):
    pairs = [
        np.log(at(profile(WALK, seed), first * 0.5, (first + steps) * 0.5)) - math.log(500)
        for seed in range(1500)
    ]
    variance = math.log(1 + 0.6**2)
    products = [(here + variance / 2) * (there + variance / 2) for here, there in pairs]
    assert expected(products, variance * 0.8**steps)


def test_the_correlation_of_the_rates_is_that_of_the_formula():
    pairs = [at(profile(WALK, seed), 4.0, 4.5) for seed in range(3000)]
    covariance = [(here / 500 - 1) * (there / 500 - 1) for here, there in pairs]
    assert expected(covariance, (1 + 0.6**2) ** 0.8 - 1)
