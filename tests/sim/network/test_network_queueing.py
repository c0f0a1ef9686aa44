"""Theory of queues: processor sharing, with and without a limit per customer."""

from math import factorial, inf, sqrt

import numpy as np
import simpy
from scipy.stats import t as student
from slow_twin import Way

from sim.network import Network

SIZES = np.array([1.0, 6.0])
CHANCES = np.array([0.8, 0.2])
MEAN = float(SIZES @ CHANCES)
REPLICATIONS, ARRIVALS, WARM_UP = 30, 1200, 150


def mean_time_in_system(rng, load, cap):
    """Mean seconds from start to end for each of SIZES, Poisson arrivals on a link of 1 byte/s."""
    env = simpy.Environment()
    network = Network(env, {"link": 1.0}, [Way((("link", 1),))], fifo=False)
    gaps = rng.exponential(MEAN / load, ARRIVALS).tolist()
    sizes = rng.choice(SIZES, ARRIVALS, p=CHANCES).tolist()
    flows = []

    def arrivals():
        for gap, size in zip(gaps, sizes, strict=True):
            yield env.timeout(gap)
            flows.append(network.start(0, size, cap=cap))

    env.process(arrivals())
    env.run()
    assert network.forms == ("star",)
    kept = flows[WARM_UP:-WARM_UP]
    return [
        np.mean([flow.finish_s - flow.start_s for flow in kept if flow.size_bytes == size])
        for size in SIZES
    ]


def assert_theory(expected, load, cap=inf):
    """The theory lies in a t-interval over replications that misses it once in a million runs."""
    seed = np.random.SeedSequence()
    means = np.array(
        [
            mean_time_in_system(np.random.default_rng(child), load, cap)
            for child in seed.spawn(REPLICATIONS)
        ]
    )
    half = student.ppf(1 - 0.5e-6, REPLICATIONS - 1) * means.std(0, ddof=1) / sqrt(REPLICATIONS)
    assert np.all(half < 0.25 * means.mean(0)), "too wide to tell anything"
    assert np.all(np.abs(means.mean(0) - expected) < half), (seed.entropy, means.mean(0), expected)


def test_processor_sharing_slows_all_sizes_alike():
    """M/G/1-PS: E[T | x] = x / (C (1 - rho)) for every size x."""
    assert_theory(SIZES / (1 - 0.6), load=0.6)


def test_processor_sharing_with_a_cap_is_as_many_servers():
    """E[N] = a + C(m, a) rho / (1 - rho) with m = C / u, by Erlang; E[T | x] = x E[N] / rho."""
    m, load = 3, 0.7
    a = m * load
    tail = a**m / factorial(m) / (1 - load)
    wait = tail / (sum(a**k / factorial(k) for k in range(m)) + tail)
    number = a + wait * load / (1 - load)
    assert_theory(SIZES * number / load, load=load, cap=1 / m)
