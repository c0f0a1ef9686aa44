"""Theory of queues, and what holds on every path: bytes, load and number are conserved.

Stochastic laws: a law's value lies in the t-interval over 30 independent replications, with a fresh
seed each run, at a level that misses a true value once in a million comparisons (as far as means of
a thousand customers are normal). There are some twenty, so a false alarm comes once in some 50,000
runs; it prints the seed. An interval too wide to tell anything is an error as well.
"""

from math import factorial, inf, sqrt

import numpy as np
import pytest
import simpy
from scipy.stats import t as student
from slow_twin import Route, star_routes

from cutlayer.sim.network import Network
from cutlayer.sim.network.observers import Loads
from cutlayer.sim.network.solvers import component

SIZES = np.array([0.5, 2.0, 6.0])
CHANCES = np.array([0.5, 0.35, 0.15])
MEAN = float(SIZES @ CHANCES)
REPLICATIONS, ARRIVALS, WARM_UP = 30, 1200, 150
MISSED = 1e-6


def flows_of_a_queue(rng, sizes, arrivals_per_s, capacity=1.0, cap=inf, fifo=False):
    """Return transfers with Poisson arrivals on one link and one route, without warm-up and end."""
    env = simpy.Environment()
    network = Network(env, {"link": capacity}, [Route((("link", 1),))], fifo=fifo)
    gaps = rng.exponential(1 / arrivals_per_s, len(sizes)).tolist()
    flows = []

    def arrivals():
        for gap, size in zip(gaps, sizes.tolist(), strict=True):
            yield env.timeout(gap)
            flows.append(network.start(0, size, cap=cap))

    env.process(arrivals())
    env.run()
    assert network.forms == ("alone" if fifo else "star",)
    return flows[WARM_UP:-WARM_UP]


def assert_theory(replicate, expected, width=0.35):
    """Check that the means which `replicate(rng)` returns have the expectations `expected`."""
    seed = np.random.SeedSequence()
    means = np.array([replicate(np.random.default_rng(s)) for s in seed.spawn(REPLICATIONS)])
    mean, expected = means.mean(0), np.asarray(expected)
    half = student.ppf(1 - MISSED / 2, REPLICATIONS - 1) * means.std(0, ddof=1) / sqrt(REPLICATIONS)
    assert np.all(half < width * mean), "too wide to tell anything"
    assert np.all(np.abs(mean - expected) < half), (seed.entropy, mean, expected)


SERVICES = {
    # mean 1, second moment, and how to draw
    "M/M/1": (2.0, lambda rng, n: rng.exponential(1.0, n)),
    "M/D/1": (1.0, lambda rng, n: np.ones(n)),
    "M/G/1, uniform": (4 / 3, lambda rng, n: rng.uniform(0, 2, n)),
    "M/G/1, two sizes": (1.75, lambda rng, n: rng.choice([0.5, 2.5], n, p=[0.75, 0.25])),
}


@pytest.mark.parametrize("name", SERVICES)
def test_waits_of_transfers_in_turn_are_pollaczek_and_khinchins(name):
    """Wq = lambda E[s^2] / (2 (1 - rho)): 1 / (mu - lambda) - 1 / mu for M/M/1, half of it for M/D/1."""
    second_moment, draw = SERVICES[name]
    load, rate = 0.6, 50.0  # bytes/s: service times are sizes / rate, with mean 1 / rate

    def means(rng):
        flows = flows_of_a_queue(rng, draw(rng, 2 * ARRIVALS), load * rate, rate, fifo=True)
        waits = np.mean([flow.start_s - flow.queued_s for flow in flows])
        sojourns = np.mean([flow.finish_s - flow.queued_s for flow in flows])
        return [waits, sojourns]

    waiting = load * second_moment / (2 * (1 - load)) / rate
    if name == "M/M/1":
        assert waiting + 1 / rate == pytest.approx(1 / (rate - load * rate))
    if name == "M/D/1":
        assert waiting == pytest.approx(load / (2 * rate * (1 - load)))
    assert_theory(means, [waiting, waiting + 1 / rate])


def mean_for_each_size(load, cap=inf):
    def means(rng):
        sizes = rng.choice(SIZES, ARRIVALS, p=CHANCES)
        flows = flows_of_a_queue(rng, sizes, load / MEAN, cap=cap)
        return [
            np.mean([f.finish_s - f.start_s for f in flows if f.size_bytes == size])
            for size in SIZES
        ]

    return means


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_processor_sharing_slows_all_sizes_alike(load):
    """M/G/1-PS: E[T | x] = x / (C (1 - rho)) for every size x."""
    assert_theory(mean_for_each_size(load), SIZES / (1 - load))


@pytest.mark.parametrize("servers", [2, 3])
def test_processor_sharing_with_a_cap_is_as_many_servers(servers):
    """E[N] = a + C(m, a) rho / (1 - rho) with m = C / u, by Erlang; E[T | x] = x E[N] / rho."""
    load = 0.7
    a = servers * load
    tail = a**servers / factorial(servers) / (1 - load)
    wait = tail / (sum(a**k / factorial(k) for k in range(servers)) + tail)
    blocked = 1.0  # the recursion of Erlang's formulas, as a check of the sums above
    for k in range(1, servers + 1):
        blocked = a * blocked / (k + a * blocked)
    assert wait == pytest.approx(servers * blocked / (servers - a * (1 - blocked)))
    number = a + wait * load / (1 - load)
    assert_theory(mean_for_each_size(load, cap=1 / servers), SIZES * number / load)


WORLDS = {
    "one link": ({"server": 10.0}, [Route((("server", 1),))] * 6),
    "star": (
        {f"link{k}": 2.0 + k for k in range(6)} | {"server": 10.0},
        star_routes(6, airtime=1.5),
    ),
    "tree": (
        {f"link{k}": 3.0 + k for k in range(6)} | {"edge0": 5.0, "edge1": 8.0, "server": 10.0},
        [Route(((f"link{k}", 1), (f"edge{k % 2}", 1.5), ("server", 1))) for k in range(6)],
    ),
    "filling": (
        {"a": 5.0, "b": 7.0, "c": 6.0},
        [
            Route(tuple((n, 1 + k / 9) for n in names))
            for k, names in enumerate(["a", "b", "c", "ab", "bc", "abc"])
        ],
    ),
}


class Watcher:
    """Integrates over time the number in flight and the rate of each transfer."""

    def __init__(self, network):
        self.network = network
        self.since = 0.0
        self.flow_seconds = self.busy_s = 0.0
        self.rates = {}
        self.sent = {}

    def note(self, solver, now):
        elapsed = now - self.since
        self.flow_seconds += len(self.rates) * elapsed
        self.busy_s += elapsed if self.rates else 0
        for flow, rate in self.rates.items():
            self.sent[flow] = self.sent.get(flow, 0) + rate * elapsed
        self.since = now
        self.rates = {flow: self.network.rate(flow) for flow in self.network.in_flight()}
        self.network.check_allocation()


@pytest.mark.parametrize("world", [*WORLDS, "filling in tables"])
def test_bytes_load_and_number_are_conserved(world, monkeypatch):
    """For each transfer and link, with Little's law; loads within capacities; no capacity wasted."""
    if world == "filling in tables":
        monkeypatch.setattr(component, "TABLE_FROM", 1)
    capacities, routes = WORLDS[world.removesuffix(" in tables")]
    rng = np.random.default_rng(1)
    env = simpy.Environment()
    network = Network(env, capacities, routes)
    assert set(network.forms) == {"star" if world == "one link" else world.split()[0]}
    watcher, loads = Watcher(network), Loads(network, network.shared)
    network.observe(loads, watcher)
    flows = []

    def arrivals():
        for k in range(400):
            yield env.timeout(float(rng.exponential(0.8)))
            cap = float(rng.choice([inf, 0.5, 3.0])) if world != "one link" else inf
            flows.append(network.start(k % 6, float(rng.exponential(4)), cap=cap))

    env.process(arrivals())
    env.run()
    for flow in flows:
        assert watcher.sent[flow] == pytest.approx(flow.size_bytes, rel=1e-9)
    sojourns = sum(flow.finish_s - flow.start_s for flow in flows)
    assert watcher.flow_seconds == pytest.approx(sojourns, rel=1e-9)
    series = loads.series()
    assert set(series) == set(network.shared)
    for name, taken in series.items():
        assert np.all(taken.load <= taken.capacity * (1 + 1e-9))
        carried = np.sum(np.diff(taken.times) * taken.load[:-1])
        crossing = sum(f.size_bytes * dict(routes[f.route].resources).get(name, 0) for f in flows)
        assert carried == pytest.approx(crossing, rel=1e-9)
        assert taken.load[-1] == 0
    if world == "one link":
        total = sum(flow.size_bytes for flow in flows)
        assert watcher.busy_s == pytest.approx(total / capacities["server"], rel=1e-9)
        load = series["server"].load
        assert load[load > 0] == pytest.approx(10.0, rel=1e-12)
