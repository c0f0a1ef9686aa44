"""Changes without an effect or with a known one: scale, time of day, order, links cut in two."""

from math import inf

import numpy as np
import pytest
from slow_twin import Route, assert_same, simulate, star_routes

ROUTES = 6
CAPACITIES = {f"link{i}": 2.0 + 1.7 * i for i in range(ROUTES)} | {"server": 20.0}
STAR = star_routes(ROUTES)
WIFI = [Route((("air", 1 / (5.0 + i)), ("server", 1))) for i in range(ROUTES)]
ACCESS = [
    Route((*route.resources, ("core", 1))) if k % 2 else route for k, route in enumerate(STAR)
]
WORLDS = {
    "star": (CAPACITIES, STAR),
    "wifi": ({"air": 1.0, "server": 6.0}, WIFI),
    "graph": (CAPACITIES | {"core": 7.0}, ACCESS),
}
worlds = pytest.mark.parametrize("world", WORLDS)


def starts(seed, count=60):
    rng = np.random.default_rng(seed)
    now, actions = 0.0, []
    for k in range(count):
        now += float(rng.exponential(0.7)) if rng.random() < 0.6 else 0.0
        size, weight = float(rng.exponential(8)), float(rng.uniform(0.5, 2))
        actions.append((now, "start", k, int(rng.integers(ROUTES)), size, weight, inf))
    return actions


def times(fate, factor=1.0):
    return {name: (what, value * factor) for name, (what, value) in fate.items()}


@worlds
def test_sizes_and_capacities_scale_together(world):
    """A power of two changes no bit of the times; capacities alone shorten them."""
    capacities, routes = WORLDS[world]
    actions = starts(0)
    expected, _ = simulate(capacities, routes, actions)
    larger = {name: 1024 * capacity for name, capacity in capacities.items()}
    scaled = [(*a[:4], 1024 * a[4], *a[5:]) for a in actions]
    assert simulate(larger, routes, scaled)[0] == expected
    faster = [(a[0] / 1024, *a[1:]) for a in actions]
    assert simulate(larger, routes, faster)[0] == times(expected, 1 / 1024)


@worlds
def test_the_time_of_day_does_not_matter(world):
    capacities, routes = WORLDS[world]
    actions = starts(1)
    expected, _ = simulate(capacities, routes, actions)
    assert_same(simulate(capacities, routes, actions, start_at=86_400.0)[0], expected)


@worlds
def test_names_and_order_of_routes_do_not_matter(world):
    capacities, routes = WORLDS[world]
    actions = starts(2)
    expected, _ = simulate(capacities, routes, actions)
    order = np.random.default_rng(3).permutation(ROUTES).tolist()
    renamed = {f"x-{name}": capacity for name, capacity in reversed(capacities.items())}
    permuted = [
        Route(tuple((f"x-{name}", a) for name, a in reversed(routes[old].resources)))
        for old in order
    ]
    moved = [(*a[:3], order.index(a[3]), *a[4:]) for a in actions]
    assert_same(simulate(renamed, permuted, moved)[0], expected)


@worlds
def test_a_link_cut_in_two_is_the_same_link(world):
    """The shared link twice in a row makes a tree of a star, with the same times."""
    capacities, routes = WORLDS[world]
    actions = starts(4)
    expected, _ = simulate(capacities, routes, actions)
    halves = capacities | {"second half": capacities["server"]}
    longer = [Route((*route.resources, ("second half", 1))) for route in routes]
    got, network = simulate(halves, longer, actions)
    assert network.forms == ("tree",) * ROUTES
    assert_same(got, expected)


@worlds
def test_a_link_without_a_limit_changes_no_bit(world):
    capacities, routes = WORLDS[world]
    actions = starts(5)
    expected, _ = simulate(capacities, routes, actions)
    wider = capacities | {"backbone": inf} | {f"hall{k}": inf for k in range(ROUTES)}
    longer = [
        Route((("backbone", 1), *route.resources, (f"hall{k}", 1)))
        for k, route in enumerate(routes)
    ]
    assert simulate(wider, longer, actions)[0] == expected


@worlds
def test_weights_count_only_against_each_other(world):
    capacities, routes = WORLDS[world]
    actions = starts(6)
    expected, _ = simulate(capacities, routes, actions)
    heavier = [(*a[:5], 8 * a[5], a[6]) for a in actions]
    assert_same(simulate(capacities, routes, heavier)[0], expected)


def test_more_capacity_of_a_star_makes_no_transfer_later():
    """With equal weights; in a graph, or with weights, single transfers may end later."""
    capacities, routes = WORLDS["star"]
    actions = [(*a[:5], 1, inf) for a in starts(7)]
    earlier = None
    for server in (2.0, 3.0, 5.0, 11.0, inf):
        fate, _ = simulate(capacities | {"server": server}, routes, actions)
        if earlier is not None:
            assert all(end <= earlier[name][1] * (1 + 1e-12) for name, (_, end) in fate.items())
        earlier = fate
