"""Less capacity, or one more transfer: which transfers end later, and which may end earlier.

If all shared resources are nested (one link, star, tree), one more transfer, or less capacity of the
root, raises no level, so that no transfer ends earlier: each route has sent less at any time, so no
fewer routes are busy, which gives none of them more. This needs weights and caps that belong to the
routes. Less capacity of one client's own link slows that client and leaves more to the others, for a
while; they may still end later, if they could not use it and share with that client afterwards.
In a graph nothing like this holds for single transfers. For the rates at one instant, the sorted
levels are no better, lexicographically, because fewer rates are feasible.
"""

from itertools import pairwise
from math import inf

import numpy as np
import pytest
import simpy
from slow_twin import Route, simulate, star_routes

from cutlayer.sim.network import Network

CLIENTS = 8
STAR = star_routes(CLIENTS)
TREE = [
    Route((*route.resources[:1], (f"edge{k % 2}", 1), ("server", 1)))
    for k, route in enumerate(STAR)
]
NESTED = {"one link": [Route((("server", 1),))] * CLIENTS, "star": STAR, "tree": TREE}
ROUNDING = 1e-9
forms = pytest.mark.parametrize("form", NESTED)
solvers = pytest.mark.parametrize("general", [False, True], ids=["chosen", "filling"])


def random_capacities(rng):
    own = {f"link{k}": float(rng.uniform(1, 6)) for k in range(CLIENTS)}
    return own | {"edge0": 7.0, "edge1": 9.0, "server": 12.0}


def random_starts(rng, count, together=False):
    """Starts with a weight and a cap for each route; if `together`, one a route, all at 0."""
    weights = rng.uniform(0.5, 2, CLIENTS).tolist()
    caps = [float(rng.choice([inf, rng.uniform(1, 5)])) for _ in range(CLIENTS)]
    now, actions = 0.0, []
    for k in range(CLIENTS if together else count):
        now += 0 if together else float(rng.exponential(0.5))
        route = k if together else int(rng.integers(CLIENTS))
        size = float(rng.exponential(8))
        actions.append((now, "start", k, route, size, weights[route], caps[route]))
    return actions


def ends(capacities, routes, actions, general=False):
    fate, network = simulate(capacities, routes, actions, general=general)
    assert all(what == "finished" for what, _ in fate.values())
    return {name: end for name, (_, end) in fate.items()}, set(network.forms)


def assert_none_earlier(later, than):
    for name, end in than.items():
        assert later[name] >= end * (1 - ROUNDING), name
    assert any(later[name] > end * 1.001 for name, end in than.items()), "nothing has changed"


@solvers
def test_half_of_a_link_takes_a_batch_twice_the_time(general):
    sizes = [3.0, 10.0, 11.0, 25.0, 60.0, 61.0, 200.0]
    routes = [Route((("link", 1),))] * len(sizes)
    actions = [(0, "start", k, k, size, 1 + k % 3, inf) for k, size in enumerate(sizes)]
    whole, _ = ends({"link": 8.0}, routes, actions, general)
    half, _ = ends({"link": 4.0}, routes, actions, general)
    assert half == {name: 2 * end for name, end in whole.items()}
    assert max(whole.values()) == pytest.approx(sum(sizes) / 8, rel=1e-12)


@forms
@solvers
def test_half_of_the_root_lets_no_transfer_end_earlier(form, general):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        capacities, actions = random_capacities(rng), random_starts(rng, 60)
        runs = []
        for server in (3.0, 6.0, 12.0, 24.0):
            times, used = ends(capacities | {"server": server}, NESTED[form], actions, general)
            assert used == {"filling" if general else "tree" if form == "tree" else "star"}
            runs.append(times)
        for slow, fast in pairwise(runs[:3]):
            assert_none_earlier(slow, fast)
        assert all(runs[2][name] >= end * (1 - ROUNDING) for name, end in runs[3].items())


@forms
@solvers
def test_one_transfer_more_lets_no_other_end_earlier(form, general):
    for seed in range(8):
        rng = np.random.default_rng([1, seed])
        capacities, actions = random_capacities(rng), random_starts(rng, 40)
        extra = Route((("edge0", 1), ("server", 1))) if form == "tree" else Route((("server", 1),))
        more = [(3.0, "start", "more", CLIENTS, 80.0, 1.5, inf)]
        routes = [*NESTED[form], extra]
        without, _ = ends(capacities, routes, actions, general)
        actions = sorted(actions + more, key=lambda action: action[0])
        assert_none_earlier(ends(capacities, routes, actions, general)[0], without)


@solvers
def test_one_transfer_more_on_a_link_delays_all_that_meet_it(general):
    """Transfers that end before it starts keep their times; those that meet it get less meanwhile."""
    rng = np.random.default_rng(4)
    starts = [(float(t), "start", k, k, float(s), 1, inf) for k, (t, s) in enumerate(
        zip(np.sort(rng.uniform(0, 10, 12)), rng.exponential(5, 12), strict=True)
    )]  # fmt: skip
    routes = [Route((("link", 1),))] * 13
    without, _ = ends({"link": 6.0}, routes, starts, general)
    more = sorted([*starts, (5.0, "start", "more", 12, 20.0, 1, inf)], key=lambda a: a[0])
    with_it, _ = ends({"link": 6.0}, routes, more, general)
    over = {name for name, end in without.items() if end <= 5}
    assert over
    assert over < set(without)
    for time, _, name, *_ in starts:
        if name in over:
            assert with_it[name] == pytest.approx(without[name], rel=1e-12)
        elif time < with_it["more"]:
            assert with_it[name] > without[name] * (1 + 1e-6)


@solvers
def test_half_of_one_own_link_delays_its_transfer_and_no_other_of_a_batch(general):
    """The others are held back by the shared link alone, which is full until all of them end."""
    seen = helped = 0
    for seed in range(40):
        rng = np.random.default_rng([2, seed])
        k = int(rng.integers(CLIENTS))
        capacities = {f"link{j}": inf for j in range(CLIENTS)} | {"server": 12.0}
        actions = [(*a[:6], inf) for a in random_starts(rng, 0, together=True)]
        own = float(rng.uniform(1, 6))
        whole, _ = ends(capacities | {f"link{k}": own}, STAR, actions, general)
        half, _ = ends(capacities | {f"link{k}": own / 2}, STAR, actions, general)
        assert half[k] >= whole[k] * (1 - ROUNDING)
        seen += half[k] > whole[k] * 1.001
        for other in set(half) - {k}:
            assert half[other] <= whole[other] * (1 + ROUNDING)
            helped += half[other] < whole[other] * 0.999
    assert seen > 10
    assert helped > 10


@solvers
def test_half_of_a_link_may_end_a_whole_round_earlier(general):
    """The short transfer ends later and the long one earlier."""
    routes = [Route((("shared", 1), ("own0", 1))), Route((("shared", 1), ("own1", 1)))]
    capacities = {"shared": 10.0, "own0": 4.0, "own1": 8.0}
    actions = [(0, "start", "short", 0, 10.0, 1, inf), (0, "start", "long", 1, 40.0, 1, inf)]
    # 4 and 6 until 2.5; then 8 to the long one. With half: 2 and 8, both until 5.
    assert ends(capacities, routes, actions, general)[0] == {"short": 2.5, "long": 5.625}
    assert ends(capacities | {"own0": 2.0}, routes, actions, general)[0] == {"short": 5, "long": 5}


def test_in_a_graph_one_transfer_more_may_end_another_earlier():
    """It slows the transfer that crosses both roads, which leaves more of the second road."""
    roads = {"first": 10.0, "second": 10.0}
    routes = [
        Route((("first", 1), ("second", 1))),
        Route((("second", 1),)),
        *[Route((("first", 1),))] * 2,
    ]
    actions = [(0, "start", k, k, 1000.0 if k != 1 else 20.0, 1, inf) for k in range(4)]
    alone, used = ends(roads, routes, actions[:2])
    assert used == {"filling"}
    assert alone[1] == 4
    assert ends(roads, routes, actions)[0][1] == pytest.approx(3)


def levels(capacities, routes, flows):
    """Sorted rate / weight of flows (route, weight, cap) that are in flight together."""
    env = simpy.Environment()
    network = Network(env, capacities, routes, fifo=False)
    started = [network.start(route, 1e9, weight, cap) for route, weight, cap in flows]
    env.run(until=1)
    return [network.rate(flow) / flow.weight for flow in started]


def assert_no_better(worse, better):
    """Compare levels lexicographically, from the lowest up; return whether they are worse."""
    for low, high in zip(sorted(worse), sorted(better), strict=True):
        if abs(low - high) > ROUNDING * high:
            assert low < high
            return True
    return False


def test_in_a_graph_less_of_anything_is_lexicographically_no_better():
    worse = 0
    for seed in range(60):
        rng = np.random.default_rng([3, seed])
        capacities = {f"r{k}": float(rng.uniform(1, 10)) for k in range(6)}
        routes = [
            Route(
                tuple((f"r{k}", 1) for k in rng.choice(6, int(rng.integers(1, 4)), replace=False))
            )
            for _ in range(12)
        ]
        flows = [
            (k, float(rng.uniform(0.5, 2)), float(rng.choice([inf, rng.uniform(0.5, 5)])))
            for k in range(12)
        ]
        before = levels(capacities, routes, flows)
        for name in capacities:
            halved = capacities | {name: capacities[name] / 2}
            worse += assert_no_better(levels(halved, routes, flows), before)
        more = levels(capacities, routes, [*flows, (int(rng.integers(12)), 1.0, inf)])
        worse += assert_no_better(more[:12], before)
        crossed = {name for route in routes for name, _ in route.resources}
        lowest = min(
            capacities[n] / sum(w for r, w, _ in flows if n in dict(routes[r].resources))
            for n in crossed
        )
        assert min(before) >= min([lowest, *(cap / w for _, w, cap in flows)]) * (1 - ROUNDING)
    assert worse > 300
