"""Rates of every solver against linear programs: raise the lowest level, fix its flows, repeat."""

from fractions import Fraction
from math import inf

import numpy as np
import pytest
import simpy
from scipy.optimize import linprog
from slow_twin import Route

from cutlayer.sim.network import Network
from cutlayer.sim.network.solvers import component
from cutlayer.sim.network.solvers.check import check_allocation
from cutlayer.sim.network.solvers.max_min import share_out

WORLDS = ["star", "two tiers", "tree", "graph"]


def rates_by_linear_programs(capacities, weights, caps, uses):
    """Lexicographic max-min of rate / weight."""
    flows, names = len(weights), list(capacities)
    loads = np.zeros((len(names), flows + 1))
    for f, use in enumerate(uses):
        for name, consumption in use:
            loads[names.index(name), f] = consumption
    limits = np.array([capacities[name] for name in names])
    fixed = {}
    while len(fixed) < flows:
        floors = np.zeros((flows, flows + 1))  # w t - x <= 0 for the flows that still rise
        for f in range(flows):
            if f not in fixed:
                floors[f, f], floors[f, flows] = -1, weights[f]
        bounds = [(fixed.get(f, 0), fixed.get(f, caps[f])) for f in range(flows)]
        matrix, right = np.vstack([loads, floors]), np.append(limits, np.zeros(flows))

        def best(goal, level_bounds, bounds=bounds, matrix=matrix, right=right):
            cost = np.zeros(flows + 1)
            cost[goal] = -1
            solved = linprog(cost, matrix, right, bounds=[*bounds, level_bounds], method="highs")
            assert solved.status == 0
            return -solved.fun

        level = best(flows, (0, None))
        slightly_less = level * (1 - 1e-9)
        for f in range(flows):
            if f not in fixed:
                most = best(f, (slightly_less, slightly_less))
                if most <= level * weights[f] * (1 + 1e-6):
                    fixed[f] = most
    return [fixed[f] for f in range(flows)]


def random_world(rng, kind, number):
    """Return capacities, and the uses of a few flows, a route each."""
    flows = int(rng.integers(3, 7))
    own = [[(f"own{f}", number(1, 2))] for f in range(flows)]
    if kind == "star":
        uses = [[*own[f], ("root", number(1, 3))] for f in range(flows)]
    elif kind == "two tiers":
        uses = [[*own[f], (f"edge{f % 2}", number(1, 2)), ("root", 1)] for f in range(flows)]
    elif kind == "tree":
        # Some end below the root, some begin above an edge.
        routes = [
            ["edge0", "region", "root"],
            ["edge1", "region", "root"],
            ["region", "root"],
            ["root"],
        ]
        uses = [[*own[f], *((n, number(1, 2)) for n in routes[f % 4])] for f in range(flows)]
    else:
        names = np.array(["a", "b", "c", "d"])
        uses = [
            [(str(n), number(0.5, 2)) for n in rng.permutation(names)[: int(rng.integers(1, 4))]]
            for _ in range(flows)
        ]
    capacities = {name: number(1, 4 if "own" in name else 8) for use in uses for name, _ in use}
    weights = [number(0.5, 3) for _ in uses]
    caps = [number(0.2, 4) if rng.random() < 0.3 else inf for _ in uses]
    return capacities, weights, caps, uses


def rates_of_network(capacities, weights, caps, uses, start_at=0, **options):
    """Return the rates of flows that start together, a second later."""
    env = simpy.Environment(start_at)
    network = Network(env, capacities, [Route(tuple(used)) for used in uses], **options)
    flows = [
        network.start(f, 10**9, weight, cap)
        for f, (weight, cap) in enumerate(zip(weights, caps, strict=True))
    ]
    env.run(until=start_at + 1)
    return [network.rate(flow) for flow in flows], network


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("kind", WORLDS)
def test_rates_are_lexicographic_max_min_by_linear_programs(kind, general):
    forms = set()
    for seed in range(10):
        rng = np.random.default_rng([seed, WORLDS.index(kind)])
        world = random_world(rng, kind, lambda low, high, rng=rng: float(rng.uniform(low, high)))
        rates, network = rates_of_network(*world, general=general)
        assert rates == pytest.approx(rates_by_linear_programs(*world), rel=1e-5)
        forms.update(network.forms)
    if general:
        assert forms == {"filling"}
    elif kind != "graph":
        assert forms == {"star" if kind == "star" else "tree"}


def test_rates_of_filling_in_tables_are_too(monkeypatch):
    monkeypatch.setattr(component, "TABLE_FROM", 1)
    for seed in range(10):
        rng = np.random.default_rng([1, seed])
        world = random_world(rng, "graph", lambda low, high, rng=rng: float(rng.uniform(low, high)))
        rates, _ = rates_of_network(*world, general=True)
        assert rates == pytest.approx(rates_by_linear_programs(*world), rel=1e-5)


@pytest.mark.parametrize("kind", WORLDS)
def test_in_fractions_every_solver_gives_the_same_rates_and_proves_them_exactly(kind):
    for seed in range(10):
        rng = np.random.default_rng([2, seed, WORLDS.index(kind)])

        def number(low, high, rng=rng):
            return Fraction(int(rng.integers(round(low * 97), round(high * 97) + 1)), 97)

        world = random_world(rng, kind, number)
        expected, _ = share_out(*world)
        for general in (False, True):
            rates, _ = rates_of_network(*world, start_at=Fraction(0), general=general)
            assert rates == expected
            assert all(isinstance(rate, Fraction) for rate in rates)
            check_allocation(*world, rates, tolerance=0)


def test_an_unfair_allocation_is_recognised():
    """The oracle itself: an allocation that is feasible and work-conserving, but not max-min."""
    world = (
        {"a": 10.0, "b": 10.0},
        [1, 1, 1],
        [inf] * 3,
        [[("a", 1), ("b", 1)], [("a", 1)], [("b", 1)]],
    )
    assert rates_by_linear_programs(*world) == pytest.approx([5, 5, 5], rel=1e-6)
    assert rates_by_linear_programs(*world) != pytest.approx([10 / 3, 20 / 3, 20 / 3], rel=1e-3)
