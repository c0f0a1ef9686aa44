"""Filling in arrays: fair, with the same rates and bottlenecks as filling in plain Python."""

from math import inf

import numpy as np
import pytest

from cutlayer.sim.network.solvers.check import check_allocation
from cutlayer.sim.network.solvers.max_min import share_out
from cutlayer.sim.network.solvers.max_min_arrays import NO_RESOURCE, fill_arrays


def random_instance(rng, flows, resources):
    names = [f"r{k}" for k in range(resources)]
    capacities = {n: 0.0 if rng.random() < 0.05 else float(rng.uniform(1, 10)) for n in names}
    weights = [float(rng.uniform(0.5, 3)) for _ in range(flows)]
    caps = [float(rng.choice([inf, inf, 0.0, rng.uniform(0, 3)])) for _ in range(flows)]
    uses = []
    for _ in range(flows):
        picked = rng.choice(resources, size=int(rng.integers(0, min(5, resources))), replace=False)
        uses.append([(names[k], float(rng.uniform(0.5, 2))) for k in picked])
    return capacities, weights, caps, uses


def in_arrays(capacities, weights, caps, uses):
    """Return rates and the names of the bottlenecks, by `fill_arrays`."""
    names = [None, *capacities]
    deepest = max(1, *map(len, uses))
    resource = np.full((deepest, len(uses)), NO_RESOURCE)
    consumption = np.zeros((deepest, len(uses)))
    for f, used in enumerate(uses):
        for k, (name, amount) in enumerate(used):
            resource[k, f], consumption[k, f] = names.index(name), amount
    capacity = np.array([inf, *capacities.values()])
    before = [a.copy() for a in (capacity, resource, consumption)]
    rates, full = fill_arrays(capacity, np.array(weights), np.array(caps), resource, consumption)
    for array, copy in zip((capacity, resource, consumption), before, strict=True):
        assert np.array_equal(array, copy), "the arguments are kept from solve to solve"
    return rates, {names[k] for k in np.flatnonzero(full)}


@pytest.mark.parametrize("resources", [1, 3, 12, 60])
def test_arrays_agree_with_plain_python_and_are_fair(resources):
    for seed in range(60):
        rng = np.random.default_rng([seed, resources])
        instance = random_instance(rng, int(rng.integers(1, 80)), resources)
        rates, bottlenecks = in_arrays(*instance)
        expected, full = share_out(*instance)
        assert rates == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert bottlenecks == set(full)
        check_allocation(*instance, rates.tolist())


def test_a_bottleneck_is_full_and_holds_a_flow_below_its_cap():
    for seed in range(60):
        rng = np.random.default_rng([1, seed])
        capacities, weights, caps, uses = random_instance(rng, 30, 10)
        rates, bottlenecks = in_arrays(capacities, weights, caps, uses)
        for name in capacities:
            crossing = [(f, dict(used)[name]) for f, used in enumerate(uses) if name in dict(used)]
            carried = sum(a * rates[f] for f, a in crossing)
            held = [f for f, _ in crossing if rates[f] < caps[f] * (1 - 1e-9)]
            full = carried >= capacities[name] * (1 - 1e-9)
            top = max((rates[f] / weights[f] for f, _ in crossing), default=0)
            holds = full and any(rates[f] / weights[f] >= top * (1 - 1e-9) for f in held)
            assert holds == (name in bottlenecks)


def test_rounding_leaves_no_negative_capacity():
    """Caps that fill a link to the last bit, and one flow of very little weight."""
    for seed in range(60):
        rng = np.random.default_rng([2, seed])
        caps = rng.uniform(0, 1, 50).tolist()
        one_link = {"a": sum(caps)}, [1e-20, *[1.0] * 50], [inf, *caps], [[("a", 1.0)]] * 51
        weights = [1e-20, *caps]  # so that all flows reach their caps in the same pass
        for instance in (one_link, (one_link[0], weights, *one_link[2:])):
            assert min(in_arrays(*instance)[0]) >= 0
            assert min(share_out(*instance)[0]) >= 0


def test_a_hundred_thousand_flows_are_fair_and_need_few_passes(monkeypatch):
    """Clients behind edges, edges over several cores: few passes, not one for each of 600 links."""
    rng = np.random.default_rng(5)
    flows, edges, cores = 100_000, 600, 8
    edge, core = rng.integers(edges, size=flows), edges + rng.integers(cores, size=flows)
    capacity = np.concatenate([[inf], rng.uniform(100, 300, edges), rng.uniform(3e3, 2e4, cores)])
    resource = 1 + np.stack([edge, core])
    cap = np.where(rng.random(flows) < 0.3, rng.uniform(0, 2, flows), inf)
    ones = np.ones(flows)
    passes = []
    bincount = np.bincount
    monkeypatch.setattr(np, "bincount", lambda *a: passes.append(1) or bincount(*a))
    rates, _ = fill_arrays(capacity, ones, cap, resource, np.ones((2, flows)))
    monkeypatch.undo()
    assert len(passes) <= 2 * 50
    load = np.bincount(resource.ravel(), np.tile(rates, 2), len(capacity))
    full = load >= capacity * (1 - 1e-9)
    top = np.zeros(len(capacity))
    np.maximum.at(top, resource.ravel(), np.tile(rates, 2))
    assert np.all(load <= capacity * (1 + 1e-9))
    assert np.all(rates <= cap)
    bottleneck = (full[resource] & (rates >= top[resource] * (1 - 1e-9))).any(axis=0)
    assert np.all((rates == cap) | bottleneck)
