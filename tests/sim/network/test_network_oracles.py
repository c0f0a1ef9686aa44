"""The network as a whole: many flows against the twin, and laws of conservation."""

from math import inf

import numpy as np
import pytest
import simpy
from slow_twin import Route, assert_same, simulate, twin
from test_star_solver import random_actions
from test_tree_solver import tree_world

from cutlayer.sim.network import Network
from cutlayer.sim.network.observers import Loads


def world_of(form, rng):
    def number(low, high):
        return float(rng.uniform(low, high))

    if form == "tree":
        return tree_world(rng, number)
    names = [f"r{k}" for k in range(1 if form == "star" else 4)]
    routes = []
    for _ in range(6):
        picked = rng.choice(len(names), size=int(rng.integers(1, len(names) + 1)), replace=False)
        routes.append(Route(tuple((names[k], number(0.5, 2)) for k in sorted(picked))))
    return {name: number(3, 20) for name in names}, routes


@pytest.mark.parametrize("flows", [40, 120])
def test_many_flows_of_a_graph_agree_with_the_twin(flows):
    """Enough to be solved in arrays; with cancellations, caps and changing capacities."""
    for seed in range(3):
        rng = np.random.default_rng([seed, flows])

        def number(low, high, rng=rng):
            return float(rng.uniform(low, high))

        capacities = {f"r{k}": number(20, 90) for k in range(8)}
        routes = []
        for _ in range(flows):
            picked = rng.choice(8, size=int(rng.integers(1, 4)), replace=False)
            routes.append(Route(tuple((f"r{k}", number(0.5, 2)) for k in sorted(picked))))
        burst = [
            (0.0, "start", f"b{i}", i, number(1, 100), number(0.5, 2), inf) for i in range(flows)
        ]
        rest = random_actions(rng, capacities, routes, number, events=30)
        got, network = simulate(capacities, routes, burst + rest)
        assert set(network.forms) == {"filling"}
        assert_same(got, twin(capacities, routes, burst + rest))


@pytest.mark.parametrize("form", ["star", "tree", "filling"])
def test_littles_law_conservation_and_utilisation(form):
    """Bytes sent = capacity used; mean number = rate x mean time; utilisation at most 1."""
    rng = np.random.default_rng(4)
    capacities, routes = world_of(form, rng)
    env = simpy.Environment()
    network = Network(env, capacities, routes)
    loads = Loads(network, network.shared)
    network.observe(loads)
    flows = []

    def client(route):
        for _ in range(40):
            yield env.timeout(float(rng.exponential(2)))
            flow = network.start(route, float(rng.exponential(8)))
            flows.append(flow)
            yield flow.done

    for route in range(len(routes)):
        env.process(client(route))
    env.run()
    consumed = dict.fromkeys(capacities, 0.0)
    for flow in flows:
        for name, amount in routes[flow.route].resources:
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
        routes = [Route((("link", 1),)) for _ in range(8)]
        wide, _ = simulate({"link": 8.0}, routes, actions)
        narrow, _ = simulate({"link": 4.0}, routes, actions)
        fewer, _ = simulate({"link": 8.0}, routes, actions[:-1])
        assert all(narrow[i][1] > wide[i][1] for i in range(8))
        assert all(fewer[i][1] <= wide[i][1] + 1e-9 for i in range(7))
        assert any(fewer[i][1] < wide[i][1] - 1e-9 for i in range(7)) == (
            wide[7][1] > starts[7] and max(wide[i][1] for i in range(7)) > starts[7]
        )
