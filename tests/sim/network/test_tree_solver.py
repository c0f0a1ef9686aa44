"""The tree against the slow twin, the proof and progressive filling; its accounts by hand."""

from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
import pytest
import simpy
from slow_twin import Route, assert_same, simulate, twin
from test_star_solver import random_actions

from cutlayer.sim.clock import Clock
from cutlayer.sim.network import Network
from cutlayer.sim.network.observers import Loads


def tree_world(rng, number, depth=3, count=6):
    """A random tree of up to five resources below a root; routes may end at any, some own a link."""
    capacities = {"root": number(5, 40)}
    above: dict[str, Any] = {"root": None}
    depths = {"root": 0}
    for k in range(int(rng.integers(1, 6))):
        inner = [name for name in above if depths[name] < depth]
        parent = inner[int(rng.integers(len(inner)))]
        above[f"e{k}"], depths[f"e{k}"] = parent, depths[parent] + 1
        capacities[f"e{k}"] = number(2, 30)
    routes = []
    for route in range(count):
        chain = []
        at = list(above)[int(rng.integers(len(above)))]
        while at is not None:
            chain.append((at, number(0.5, 3) if rng.random() < 0.5 else 1))
            at = above[at]
        if rng.random() < 0.5:
            capacities[f"link{route}"] = number(1, 20)
            chain.append((f"link{route}", 1))
        order = rng.permutation(len(chain))
        routes.append(Route(tuple(chain[i] for i in order)))
    return capacities, routes


@pytest.mark.parametrize("fifo", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_floats_agree_with_the_twin_and_every_allocation_is_proven(depth, fifo):
    trees = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, depth, fifo])

        def number(low, high, rng=rng):
            return float(rng.uniform(low, high))

        capacities, routes = tree_world(rng, number, depth, count=int(rng.integers(3, 9)))
        actions = random_actions(rng, capacities, routes, number, events=40)
        got, network = simulate(capacities, routes, actions, fifo=fifo)
        assert_same(got, twin(capacities, routes, actions, fifo=fifo))
        trees += "tree" in network.forms
    assert trees > 30


@pytest.mark.parametrize("depth", [2, 3])
def test_fractions_agree_exactly(depth):
    for seed in range(12):
        rng = np.random.default_rng([seed, depth])

        def number(low, high, rng=rng):
            return Fraction(int(rng.integers(int(low * 8), int(high * 8) + 1)) or 1, 8)

        capacities, routes = tree_world(rng, number, depth, count=4)
        actions = random_actions(rng, capacities, routes, number, events=9)
        got, _ = simulate(capacities, routes, actions)
        assert_same(got, twin(capacities, routes, actions), tolerance=0)


def test_a_long_busy_time_keeps_its_precision():
    rng = np.random.default_rng(3)
    capacities = {"root": 30.0, "left": 14.0, "right": 18.0}
    capacities |= {f"link{i}": float(rng.uniform(1, 3)) for i in range(40)}
    capacities["link0"] = 1e3
    routes = [
        Route(((f"link{i}", 1), ("left" if i % 2 else "right", 1), ("root", 1))) for i in range(40)
    ]
    actions, now = [(0.0, "start", "giant", 0, 1e4, 0.2, inf)], 0.0
    for k in range(3000):
        now += float(rng.exponential(0.06))
        size, route = float(rng.exponential(1)), int(rng.integers(1, 40))
        actions.append((now, "start", f"f{k}", route, size, 1, inf))
    got, network = simulate(capacities, routes, actions, check=False)
    assert network.forms == ("tree",) * 40
    expected, _ = simulate(capacities, routes, actions, general=True, check=False)
    assert_same(got, expected)


def test_what_happens_after_an_idle_time_is_the_same_to_the_last_bit():
    capacities = {"root": 10.0, "edge": 7.0}
    routes = [
        Route((("edge", 1), ("root", 1))),
        Route((("edge", 1), ("root", 1))),
        Route((("root", 1),)),
    ]
    clock = Clock()
    network = Network(clock, capacities, routes)
    ends = []
    for _ in range(3):
        flows = [network.start(i, 10 / (i + 3)) for i in range(3)]
        clock.run(clock.all_of([flow.done for flow in flows]))
        ends.append([flow.finish_s for flow in flows])
        clock.rebase(float(clock.now))
    assert ends[0] == ends[1] == ends[2]


class TestForms:
    def forms(self, capacities, *paths):
        routes = [Route(tuple((name, 1) for name in path.split())) for path in paths]
        return Network(simpy.Environment(), capacities, routes).forms

    def test_nested_resources_are_a_tree(self):
        capacities = {"region": 9, "left": 5, "right": 5}
        forms = self.forms(capacities, "left region", "region left", "right region", "region right")
        assert forms == ("tree",) * 4

    def test_a_medium_with_a_link_for_each_direction_is_a_tree_with_the_medium_as_root(self):
        capacities = {"air": 9, "in": 5, "out": 5}
        assert self.forms(capacities, "air in", "air in", "air out", "air out") == ("tree",) * 4

    def test_two_media_on_the_same_links_are_not_a_tree(self):
        capacities = {"air1": 9, "air2": 9, "in": 5, "out": 5}
        forms = self.forms(capacities, "air1 in", "air1 out", "air2 in", "air2 out")
        assert forms == ("filling",) * 4

    def test_a_route_may_end_below_the_root(self):
        assert self.forms({"a": 9, "b": 5}, "a", "a b", "a b") == ("tree",) * 3


class TestAccounts:
    """Edge 6, root 10; two transfers over the edge, one straight to the root."""

    def play(self, sizes, caps=(inf, inf, inf)):
        env = simpy.Environment()
        routes = [
            Route((("edge", 1), ("root", 1))),
            Route((("edge", 1), ("root", 1))),
            Route((("root", 1),)),
        ]
        network = Network(env, {"edge": 6.0, "root": 10.0}, routes)
        flows = [
            network.start(i, size, cap=cap)
            for i, (size, cap) in enumerate(zip(sizes, caps, strict=True))
        ]
        return env, network, flows

    def test_rates_and_loads(self):
        env, network, flows = self.play((30, 30, 40))
        loads = Loads(network, ("edge", "root"))
        network.observe(loads)
        env.run(until=1)
        assert [network.rate(flow) for flow in flows] == [3, 3, 4]
        env.run()
        series = loads.series()
        assert series["edge"].load.tolist() == [6, 0]
        assert series["root"].load.tolist() == [10, 0]
        assert series["root"].times.tolist() == [0, 10]

    def test_how_long_each_link_was_a_bottleneck(self):
        # Until 10 s both are full: the edge holds its two, the root the third. It ends with them.
        env, network, _ = self.play((30, 30, 40))
        env.run()
        assert network.collect_bottlenecks() == pytest.approx({"edge": 10, "root": 10})
        assert network.collect_bottlenecks() == {}

    def test_a_link_that_is_full_of_capped_transfers_holds_none_back(self):
        env, network, flows = self.play((20, 40, 0.5), caps=(2, 4, 0.5))
        env.run()
        assert network.collect_bottlenecks() == {}
        assert [flow.capped_s for flow in flows] == pytest.approx([10, 10, 1])

    def test_time_at_the_cap_is_counted_for_each(self):
        # 2 and 4 over the edge and 4 until 5 s; then 5 and 5, and from 7.4 s on 6 alone.
        env, network, flows = self.play((10, 38, 32), caps=(2, inf, inf))
        env.run()
        assert [flow.finish_s for flow in flows] == pytest.approx([5, 8.4, 7.4])
        assert [flow.capped_s for flow in flows] == pytest.approx([5, 0, 0])
        assert network.collect_bottlenecks() == pytest.approx({"edge": 6, "root": 7.4})

    def test_bottlenecks_can_be_collected_in_the_middle(self):
        env, network, _ = self.play((30, 30, 40))
        env.run(until=4)
        network.cancel(network.in_flight()[2])
        env.run(until=6)
        first = network.collect_bottlenecks()
        env.run()
        rest = network.collect_bottlenecks()
        assert first["root"] == pytest.approx(4)
        assert first.get("edge", 0) + rest["edge"] == pytest.approx(10)
