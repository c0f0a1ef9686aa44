"""Filling solves connected flows together, and no others: components that merge and split."""

from fractions import Fraction
from itertools import pairwise
from math import inf

import networkx as nx
import numpy as np
import pytest
import simpy
from slow_twin import Route, assert_same, simulate, twin

from cutlayer.sim.network import Network
from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers import component
from cutlayer.sim.network.solvers.any_graph import Filling
from cutlayer.sim.network.solvers.component import Component
from cutlayer.sim.network.solvers.resource import Resource, Sender, separated

RESOURCES = 9


@pytest.fixture(params=[1, 4, 10**9], ids=["tables", "tables from 4 flows", "no tables"])
def tables(request, monkeypatch):
    """From how many flows on a component keeps a table; with 4, tables come and go."""
    monkeypatch.setattr(component, "TABLE_FROM", request.param)


def random_world(rng, number):
    """Routes over few of many resources, so that components are small, merge and split."""
    capacities = {f"r{k}": number(1, 20) for k in range(RESOURCES)}
    routes = []
    for _ in range(14):
        picked = rng.choice(RESOURCES, size=int(rng.choice([1, 2, 2, 3])), replace=False)
        routes.append(Route(tuple((f"r{k}", number(1, 3)) for k in picked.tolist())))
    return capacities, [*routes, Route(())]


def random_actions(rng, number, events, unlimited=inf):
    actions, now, flows = [], number(0, 1), 0
    for _ in range(events):
        if rng.random() < 0.6:  # else at the same instant
            now += number(0.001, 4)
        kind = rng.random()
        if kind < 0.55 or not flows:
            flows += 1
            weight = number(0.3, 4) if rng.random() < 0.4 else 1
            cap = number(0.5, 15) if rng.random() < 0.4 else inf
            route = int(rng.integers(15))
            if route == 14:
                cap = number(0.5, 15)
            actions.append((now, "start", f"f{flows}", route, number(0.1, 60), weight, cap))
            continue
        flow = f"f{int(rng.integers(1, flows + 1))}"
        if kind < 0.65:
            actions.append((now, "cancel", flow))
        elif kind < 0.75:
            actions.append((now, "cap", flow, number(0.5, 15)))
        else:
            capacity = [0 * number(1, 2), unlimited, *[number(1, 20)] * 3][int(rng.integers(5))]
            actions.append((now, "capacity", f"r{int(rng.integers(RESOURCES))}", capacity))
    return actions


def assert_components(solver):
    """Flows of one component are connected, those of different ones share nothing."""
    graph = nx.Graph()
    for flow in solver.flows():
        graph.add_node(flow)
        sender = solver._senders[flow]
        for resource, _ in sender.uses:
            assert sender in resource.users
            if resource.capacity < inf:
                graph.add_edge(flow, resource)
    whole = {
        frozenset(n for n in part if isinstance(n, Flow)) for part in nx.connected_components(graph)
    }
    components = set(solver._component_of.values())
    assert {frozenset(s.flow for s in c.senders()) for c in components} == whole
    assert all(c.count == len(list(c.senders())) for c in components)
    for resource in solver._resources.values():
        expected = resource.capacity < inf and resource.users
        at = solver._component_at.get(resource)
        assert (at in components) if expected else (at is None)


@pytest.mark.parametrize("fifo", [True, False])
def test_components_that_merge_and_split_agree_with_the_twin(tables, fifo, monkeypatch):
    solve = Filling.solve

    def solve_and_check(solver, now):
        delay = solve(solver, now)
        assert_components(solver)
        return delay

    monkeypatch.setattr(Filling, "solve", solve_and_check)
    for seed in range(40):
        rng = np.random.default_rng([seed, fifo])

        def number(low, high, rng=rng):
            return float(rng.uniform(low, high))

        capacities, routes = random_world(rng, number)
        actions = random_actions(rng, number, 60)
        got, network = simulate(capacities, routes, actions, fifo=fifo, general=True)
        assert "filling" in network.forms
        assert_same(got, twin(capacities, routes, actions, fifo))


def test_in_fractions_components_agree_exactly_whatever_the_table_size(monkeypatch):
    monkeypatch.setattr(component, "TABLE_FROM", 1)
    for seed in range(8):
        rng = np.random.default_rng([3, seed])

        def number(low, high, rng=rng):
            return Fraction(int(rng.integers(round(low * 97), round(high * 97) + 2)), 97)

        capacities, routes = random_world(rng, number)
        actions = random_actions(rng, number, 16, unlimited=Fraction(10**9))
        options = {"general": True, "start_at": Fraction(0), "check": False}
        got, _ = simulate(capacities, routes, actions, **options)
        assert_same(got, twin(capacities, routes, actions), tolerance=0)
        assert all(isinstance(value, Fraction | int) for _, value in got.values())


@pytest.fixture
def solved(monkeypatch):
    """The components solved so far, as sets of routes."""
    solved = []
    solve = Component.solve

    def noted(solved_component):
        solved.append(frozenset(sender.flow.route for sender in solved_component.senders()))
        solve(solved_component)

    monkeypatch.setattr(Component, "solve", noted)
    return solved


def test_only_flows_that_are_connected_now_are_solved_together(tables, solved):
    """Two pairs on a and b; a transfer over both connects them from 1 s to 2 s."""
    a, b, both = Route((("a", 1),)), Route((("b", 1),)), Route((("a", 1), ("b", 1)))
    env = simpy.Environment()
    network = Network(env, {"a": 10.0, "b": 10.0}, [a, a, b, b, both], general=True)
    for route in range(4):
        network.start(route, 100)
    env.run(until=1)
    assert solved == [{0, 1}, {2, 3}]
    bridge = network.start(4, 1e9)
    env.run(until=2)
    assert solved[2:] == [{0, 1, 2, 3, 4}]
    network.cancel(bridge)
    env.run(until=3)
    assert sorted(map(sorted, solved[3:])) == [[0, 1], [2, 3]]
    network.set_capacity("b", 5.0)
    env.run(until=4)
    assert solved[5:] == [{2, 3}]
    network.set_capacity("a", inf)
    env.run(until=5)
    assert sorted(map(sorted, solved[6:])) == [[0], [1]]


def test_a_link_in_an_outage_connects_and_an_unlimited_one_does_not(solved):
    a, both = Route((("a", 1),)), Route((("a", 1), ("b", 1)))
    env = simpy.Environment()
    network = Network(env, {"a": 0.0, "b": 3.0}, [a, both, both], general=True)
    flows = [network.start(route, 30, cap=2.0) for route in range(3)]
    env.run(until=1)
    assert solved == [{0, 1, 2}]
    network.set_capacity("a", inf)
    env.run(until=2)
    assert sorted(map(sorted, solved[1:])) == [[0], [1, 2]]
    assert [network.rate(flow) for flow in flows] == [2, 1.5, 1.5]
    network.set_capacity("a", 3.0)
    env.run(until=3)
    assert solved[3:] == [{0, 1, 2}]
    assert [network.rate(flow) for flow in flows] == [1, 1, 1]


def test_a_change_costs_no_more_with_many_others_in_flight(solved):
    """A hundred pairs, each on two links of its own: no solve has a third flow."""
    routes = [Route(((f"r{k // 2}", 1), (f"r{k // 2}'", 1))) for k in range(200)]
    routes += [Route(((f"r{k}", 1), (f"r{k + 1}", 1))) for k in range(99)]
    resources = {f"r{k}{side}": 1.0 + k / 7 for k in range(100) for side in ("", "'")}
    env = simpy.Environment()
    network = Network(env, resources, routes)
    assert network.forms[:200] == ("filling",) * 200
    for route in range(200):
        network.start(route, 1 + route / 13)
    env.run()
    assert max(map(len, solved)) == 2
    assert sum(map(len, solved)) == 300


def send(number, uses):
    """Put a flow on resources."""
    flow = Flow(simpy.Environment(), number, number, 1, 1, inf, 0)
    sender = Sender(flow, uses, 1, inf)
    for resource, _ in uses:
        resource.users[sender] = None


def test_searches_in_turns_find_the_parts():
    """Against networkx; one of the parts with a start is left out, and never the only one."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        resources = [Resource(str(k), inf if rng.random() < 0.1 else 1.0) for k in range(20)]
        links = {}
        for route in range(int(rng.integers(5, 25))):
            picked = rng.choice(20, size=int(rng.integers(1, 4)), replace=False)
            links[route] = [(resources[k], 1.0) for k in picked.tolist()]
            send(route, links[route])
        graph = nx.Graph()
        for used in links.values():
            finite = [r for r, _ in used if r.capacity < inf]
            graph.add_nodes_from(finite)
            graph.add_edges_from(pairwise(finite))
        starts = [r for r in resources if r in graph and rng.random() < 0.4]
        expected = [set(p) for p in nx.connected_components(graph) if p & set(starts)]
        parts = [set(part) for part in separated(starts)]
        assert len(parts) == max(0, len(expected) - 1)
        assert all(part in expected for part in parts)
        assert sum(map(len, parts)) == len(set().union(*parts))


def test_searches_that_meet_at_once_look_at_few(monkeypatch):
    """Two links with 10,000 transfers over both: one or two of them show that they are connected."""
    left, right = Resource("left", 1.0), Resource("right", 1.0)
    looked = []

    class Uses(tuple):
        __slots__ = ()

        def __iter__(self):
            looked.append(self)
            return super().__iter__()

    for k in range(10_000):
        send(k, Uses([(left, 1.0), (right, 1.0)]))
    looked.clear()
    assert separated([left, right]) == []
    assert len(looked) == 1
