"""The network as a whole against linear programs, queues in theory, and laws of conservation."""

from math import inf, sqrt

import numpy as np
import pytest
import simpy
from scipy.stats import t as student
from slow_twin import Way, assert_same, simulate, twin
from test_max_min_fairness import rates_by_linear_programs
from test_star_solver import random_actions
from test_tree_solver import tree_world

from sim.network import Network

REPLICATIONS, ARRIVALS, WARM_UP = 20, 2000, 200


def world_of(form, rng):
    def number(low, high):
        return float(rng.uniform(low, high))

    if form == "tree":
        return tree_world(rng, number)
    names = [f"r{k}" for k in range(1 if form == "star" else 4)]
    ways = []
    for _ in range(6):
        picked = rng.choice(len(names), size=int(rng.integers(1, len(names) + 1)), replace=False)
        ways.append(Way(tuple((names[k], number(0.5, 2)) for k in sorted(picked))))
    return {name: number(3, 20) for name in names}, ways


@pytest.mark.parametrize("form", ["star", "tree", "filling"])
def test_rates_are_lexicographic_max_min_by_linear_programs(form):
    forms = set()
    for seed in range(8):
        rng = np.random.default_rng([seed, 11])
        capacities, ways = world_of(form, rng)
        env = simpy.Environment()
        network = Network(env, capacities, ways)
        weights = [float(rng.uniform(0.5, 3)) for _ in ways]
        caps = [float(rng.uniform(0.2, 6)) if rng.random() < 0.4 else inf for _ in ways]
        flows = [network.start(i, 1e6, weights[i], caps[i]) for i in range(len(ways))]
        env.run(until=1e-3)
        forms |= set(network.forms)
        expected = rates_by_linear_programs(
            capacities, weights, caps, [list(way.resources) for way in ways]
        )
        assert [network.rate(flow) for flow in flows] == pytest.approx(expected, rel=1e-5)
    assert form in forms


@pytest.mark.parametrize("flows", [40, 120])
def test_many_flows_of_a_graph_agree_with_the_twin(flows):
    """So many that they are solved in arrays; with cancellations, caps and changing capacities."""
    for seed in range(3):
        rng = np.random.default_rng([seed, flows])

        def number(low, high, rng=rng):
            return float(rng.uniform(low, high))

        capacities = {f"r{k}": number(20, 90) for k in range(8)}
        ways = []
        for _ in range(flows):
            picked = rng.choice(8, size=int(rng.integers(1, 4)), replace=False)
            ways.append(Way(tuple((f"r{k}", number(0.5, 2)) for k in sorted(picked))))
        burst = [
            (0.0, "start", f"b{i}", i, number(1, 100), number(0.5, 2), inf) for i in range(flows)
        ]
        rest = random_actions(rng, capacities, ways, number, events=30)
        got, network = simulate(capacities, ways, burst + rest)
        assert set(network.forms) == {"filling"}
        assert_same(got, twin(capacities, ways, burst + rest))


def mean_sojourn(rng, sizes, rate):
    """Mean seconds from asking to the end, Poisson arrivals on one route, one after the other."""
    env = simpy.Environment()
    network = Network(env, {"link": 1.0}, [Way((("link", 1),))])
    flows = []

    def arrivals():
        for gap, size in zip(rng.exponential(1 / rate, ARRIVALS), sizes, strict=True):
            yield env.timeout(float(gap))
            flows.append(network.start(0, float(size)))

    env.process(arrivals())
    env.run()
    return float(np.mean([flow.finish_s - flow.queued_s for flow in flows[WARM_UP:]]))


@pytest.mark.parametrize(
    ("name", "draw", "second_moment"),
    [
        ("M/M/1", lambda rng: rng.exponential(1, ARRIVALS), 2.0),
        ("M/D/1", lambda rng: np.ones(ARRIVALS), 1.0),
        ("M/G/1", lambda rng: rng.choice([0.5, 3.0], ARRIVALS, p=[0.8, 0.2]), 0.8 * 0.25 + 0.2 * 9),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_route_is_a_queue_of_one_server(name, draw, second_moment):
    """Pollaczek and Khinchine: W = s + lambda E[s^2] / (2 (1 - rho)), mean size 1, C = 1.

    The theory lies in a t-interval over replications that misses it once in a million runs.
    """
    load = 0.5
    expected = 1 + load * second_moment / (2 * (1 - load))
    if name == "M/M/1":
        assert expected == pytest.approx(1 / (1 - load))
    seed = np.random.SeedSequence()
    means = []
    for child in seed.spawn(REPLICATIONS):
        rng = np.random.default_rng(child)
        means.append(mean_sojourn(rng, draw(rng), load))
    half = student.ppf(1 - 0.5e-6, REPLICATIONS - 1) * np.std(means, ddof=1) / sqrt(REPLICATIONS)
    assert half < 0.3 * expected, "too wide to tell anything"
    assert abs(np.mean(means) - expected) < half, (seed.entropy, np.mean(means), expected)


@pytest.mark.parametrize("form", ["star", "tree", "filling"])
def test_littles_law_conservation_and_utilisation(form):
    """What is sent is what capacity was used for; mean number = rate x mean time; never above 1."""
    rng = np.random.default_rng(4)
    capacities, ways = world_of(form, rng)
    env = simpy.Environment()
    network = Network(env, capacities, ways)
    loads = network.loads_of(network.shared)
    network.observe(loads)
    flows = []

    def client(route):
        for _ in range(40):
            yield env.timeout(float(rng.exponential(2)))
            flow = network.start(route, float(rng.exponential(8)))
            flows.append(flow)
            yield flow.done

    for route in range(len(ways)):
        env.process(client(route))
    env.run()
    consumed = dict.fromkeys(capacities, 0.0)
    for flow in flows:
        for name, amount in ways[flow.route].resources:
            consumed[name] += amount * flow.size_bytes
    for name, series in loads.series().items():
        spans = np.diff(series.times)
        assert (series.load <= series.capacity * (1 + 1e-9)).all()
        assert series.load[-1] == pytest.approx(0, abs=1e-9)
        assert float((series.load[:-1] * spans).sum()) == pytest.approx(consumed[name], rel=1e-9)
    held = network.collect_bottlenecks()
    assert held
    assert max(held.values()) <= env.now
    # Little: the time integral of the number in flight is the sum of their times.
    moments = sorted([(f.start_s, 1) for f in flows] + [(f.finish_s, -1) for f in flows])
    area, number, before = 0.0, 0, 0.0
    for time, step in moments:
        area, number, before = area + number * (time - before), number + step, time
    assert area == pytest.approx(sum(f.finish_s - f.start_s for f in flows), rel=1e-9)


def test_on_one_link_half_the_capacity_ends_every_transfer_later():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        starts = np.sort(rng.uniform(0, 5, 8))
        actions = [
            (float(s), "start", i, i, float(rng.uniform(1, 20)), 1, inf)
            for i, s in enumerate(starts)
        ]
        ways = [Way((("link", 1),)) for _ in range(8)]
        wide, _ = simulate({"link": 8.0}, ways, actions)
        narrow, _ = simulate({"link": 4.0}, ways, actions)
        fewer, _ = simulate({"link": 8.0}, ways, actions[:-1])
        assert all(narrow[i][1] > wide[i][1] for i in range(8))
        assert all(fewer[i][1] <= wide[i][1] + 1e-9 for i in range(7))
        assert any(fewer[i][1] < wide[i][1] - 1e-9 for i in range(7)) == (
            wide[7][1] > starts[7] and max(wide[i][1] for i in range(7)) > starts[7]
        )
