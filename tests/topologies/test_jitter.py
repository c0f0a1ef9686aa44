"""Varying delays: they keep the mean, are not negative, and have the given spread."""

import math

import numpy as np
import pytest
from scipy.stats import gamma, kstest, lognorm, uniform
from scipy.stats import t as student

from cutlayer.topologies.jitter import Jitter

MEAN_S = 0.04
VARIANCE = math.log(1 + 0.5**2)
LAWS = {
    "lognormal": lognorm(math.sqrt(VARIANCE), scale=MEAN_S * math.exp(-VARIANCE / 2)),
    "gamma": gamma(4, scale=MEAN_S / 4),
    "uniform": uniform(0.5 * MEAN_S, MEAN_S),
}


@pytest.mark.parametrize("kind", LAWS)
def test_the_law_and_its_mean(kind):
    stream = np.random.default_rng(5)
    jitter = Jitter(kind, 0.5)
    drawn = np.array([jitter.sample(stream, MEAN_S) for _ in range(4000)])
    assert kstest(drawn, LAWS[kind].cdf).pvalue > 1e-3
    assert LAWS[kind].mean() == pytest.approx(MEAN_S)
    half = student.ppf(1 - 0.5e-6, 3999) * drawn.std(ddof=1) / math.sqrt(4000)
    assert abs(drawn.mean() - MEAN_S) < half


@pytest.mark.parametrize(("kind", "spread"), [("lognormal", 3), ("gamma", 3), ("uniform", 1)])
def test_no_delay_is_negative(kind, spread):
    stream = np.random.default_rng(6)
    assert min(Jitter(kind, spread).sample(stream, 1.0) for _ in range(5000)) >= 0
    assert Jitter(kind, spread).sample(stream, 0.0) == 0


@pytest.mark.parametrize(("kind", "spread"), [("uniform", 1.1), ("gamma", 0), ("normal", 0.1)])
def test_invalid_jitter_is_refused(kind, spread):
    with pytest.raises(ValueError, match="invalid jitter"):
        Jitter(kind, spread)


@pytest.mark.parametrize("kind", ["lognormal", "gamma", "uniform"])
def test_the_least_spread_that_a_number_holds_leaves_the_mean(kind):
    assert Jitter(kind, 5e-324).sample(np.random.default_rng(0), 2.0) == pytest.approx(
        2.0, rel=1e-12
    )
