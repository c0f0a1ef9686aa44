"""Rates at one instant: against linear programs, against the textbook, and the proof itself."""

from math import inf

import numpy as np
import pytest
from slow_twin import textbook_rates

from sim.network import AllocationError
from sim.network.certificate import check_allocation
from sim.network.fill import fill


def random_instance(rng, flows, resources):
    names = [f"r{k}" for k in range(resources)]
    capacities = {name: float(rng.uniform(1, 10)) for name in names}
    weights = [float(rng.uniform(0.5, 3)) for _ in range(flows)]
    caps = [float(rng.uniform(0.2, 6)) if rng.random() < 0.4 else inf for _ in range(flows)]
    uses = []
    for _ in range(flows):
        picked = rng.choice(resources, size=int(rng.integers(1, resources + 1)), replace=False)
        uses.append([(names[k], float(rng.uniform(0.5, 2))) for k in sorted(picked)])
    return capacities, weights, caps, uses


def rates_by_linear_programs(capacities, weights, caps, uses):
    """Lexicographic max-min: raise the lowest level, fix the flows that can rise no more, repeat."""
    from scipy.optimize import linprog

    flows, names = len(weights), list(capacities)
    loads = np.zeros((len(names), flows + 1))
    for f, use in enumerate(uses):
        for name, consumption in use:
            loads[names.index(name), f] = consumption
    limits = np.array([capacities[name] for name in names])
    fixed = {}
    while len(fixed) < flows:
        floors = np.zeros((flows, flows + 1))  # w t - x <= 0 for whoever still rises
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


def test_filling_is_lexicographic_max_min_by_linear_programs():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        instance = random_instance(rng, flows=int(rng.integers(2, 6)), resources=3)
        assert fill(*instance) == pytest.approx(rates_by_linear_programs(*instance), rel=1e-5)


def test_filling_has_a_bottleneck_for_every_flow_and_agrees_with_the_textbook():
    for seed in range(150):
        rng = np.random.default_rng([1, seed])
        instance = random_instance(rng, int(rng.integers(1, 30)), int(rng.integers(1, 9)))
        rates = fill(*instance)
        check_allocation(*instance, rates)
        capacities, weights, caps, uses = instance
        expected = textbook_rates(capacities, list(zip(weights, caps, uses, strict=True)))
        assert rates == pytest.approx(expected, rel=1e-9)


def test_the_proof_rejects_what_is_not_fair():
    capacities, uses = {"a": 10.0}, [[("a", 1.0)], [("a", 1.0)]]

    def check(*rates, weights=(1, 1), caps=(inf, inf)):
        check_allocation(capacities, weights, caps, uses, rates)

    check(5, 5)
    check(2, 8, caps=(2, inf))
    check(7.5, 2.5, weights=(3, 1))
    with pytest.raises(AllocationError, match=r"carries 11\.0 of 10\.0"):
        check(6, 5)
    with pytest.raises(AllocationError, match=r"flow 0 .* neither cap nor bottleneck"):
        check(4, 6)
    with pytest.raises(AllocationError, match=r"flow 0 .* neither cap nor bottleneck"):
        check(4, 4)
    with pytest.raises(AllocationError, match="cap of 2"):
        check(3, 7, caps=(2, inf))
    with pytest.raises(AllocationError, match=r"flow 1 .* neither cap nor bottleneck"):
        check(7.5, 2.5)


def test_no_flow_and_no_limit():
    assert fill({"a": 1.0}, [], [], []) == []
    assert fill({"a": inf}, [1, 1], [inf, 3], [[("a", 1)], [("a", 1)]]) == [inf, 3]
    assert fill({"a": 0.0}, [1], [inf], [[("a", 1)]]) == [0]
