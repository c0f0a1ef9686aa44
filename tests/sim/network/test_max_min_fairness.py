"""Rates at one instant: against the textbook, and the proof itself (LP: test_lp_oracle.py)."""

from math import inf

import numpy as np
import pytest
from slow_twin import textbook_rates

from cutlayer.sim.network import AllocationError
from cutlayer.sim.network.solvers.check import check_allocation
from cutlayer.sim.network.solvers.max_min import share_out


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


def test_filling_has_a_bottleneck_for_every_flow_and_agrees_with_the_textbook():
    for seed in range(150):
        rng = np.random.default_rng([1, seed])
        instance = random_instance(rng, int(rng.integers(1, 30)), int(rng.integers(1, 9)))
        rates, _ = share_out(*instance)
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
    assert share_out({"a": 1.0}, [], [], []) == ([], [])
    assert share_out({"a": inf}, [1, 1], [inf, 3], [[("a", 1)], [("a", 1)]]) == ([inf, 3], [])
    assert share_out({"a": 0.0}, [1], [inf], [[("a", 1)]]) == ([0], ["a"])
