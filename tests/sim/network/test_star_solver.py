"""Every solver against the slow twin on random worlds: in floats to 1e-9, in fractions exactly."""

from fractions import Fraction
from math import inf

import numpy as np
import pytest
from slow_twin import Route, assert_same, simulate, star_routes, twin

FORMS = ["star", "uncapped star", "alone", "graph", "wifi and links"]


def random_routes(rng, form, number):
    clients = int(rng.integers(2, 7))
    capacities = {f"link{i}": number(1, 20) for i in range(clients)}
    if form == "alone":
        return capacities, [Route(((f"link{i}", number(1, 3)),)) for i in range(clients)]
    capacities["server"] = number(5, 40)
    if form == "uncapped star":
        return capacities, [Route((("server", number(1, 3)),)) for _ in range(clients)]
    if form == "star":
        routes = [Route(((f"link{i}", 1), ("server", number(1, 3)))) for i in range(clients)]
        return capacities, routes
    if form == "graph":
        capacities["core"] = number(5, 30)
        names = list(capacities)
        routes = []
        for _ in range(clients + 2):
            picked = rng.choice(len(names), size=int(rng.integers(1, 4)), replace=False)
            routes.append(Route(tuple((names[k], number(1, 3)) for k in sorted(picked))))
        return capacities, routes
    capacities |= {"air": number(0.5, 1), "in": number(5, 30), "out": number(5, 30)}
    airtime = [1 / number(10, 50) for _ in range(clients)]
    up = [Route((("air", airtime[i]), ("in", 1))) for i in range(clients)]
    return capacities, up + [Route((("air", airtime[i]), ("out", 1))) for i in range(clients)]


def random_actions(rng, capacities, routes, number, events, unlimited=inf):
    """Bursts and single starts, with cancellations and changes of caps and capacities."""
    actions, now, flows = [], number(0, 1), 0
    for _ in range(events):
        if rng.random() < 0.5:
            now += number(0.001, 6)
        kind = rng.random()
        if kind < 0.65 or not flows:
            flows += 1
            size = 0 if rng.random() < 0.05 else number(0.1, 100)
            weight = number(0.3, 4) if rng.random() < 0.4 else 1
            cap = number(0.5, 15) if rng.random() < 0.4 else inf
            route = int(rng.integers(len(routes)))
            actions.append((now, "start", f"f{flows}", route, size, weight, cap))
            continue
        # Strictly later than the start, so that the order within an instant does not matter.
        now += number(0.001, 2)
        flow = f"f{int(rng.integers(1, flows + 1))}"
        if kind < 0.75:
            actions.append((now, "cancel", flow))
        elif kind < 0.85:
            actions.append((now, "cap", flow, number(0.5, 15) if rng.random() < 0.8 else unlimited))
        else:
            name = list(capacities)[int(rng.integers(len(capacities)))]
            high = 1 if name == "air" else 40
            capacity = [0 * number(1, 2), unlimited, *[number(high / 8, high)] * 4][
                int(rng.integers(6))
            ]
            actions.append((now, "capacity", name, capacity))
    return actions


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fifo", [True, False])
def test_floats_agree_with_the_twin(form, fifo):
    for seed in range(60):
        rng = np.random.default_rng([seed, FORMS.index(form), fifo])

        def number(low, high, rng=rng):
            return float(rng.uniform(low, high))

        capacities, routes = random_routes(rng, form, number)
        actions = random_actions(rng, capacities, routes, number, events=40)
        got, _ = simulate(capacities, routes, actions, fifo=fifo)
        assert_same(got, twin(capacities, routes, actions, fifo))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fifo", [True, False])
def test_fractions_agree_exactly(form, fifo):
    for seed in range(12):
        rng = np.random.default_rng([1, seed, FORMS.index(form), fifo])

        def number(low, high, rng=rng):
            return Fraction(int(rng.integers(round(low * 997), round(high * 997) + 2)), 997)

        capacities, routes = random_routes(rng, form, number)
        # A division by infinity would give a float.
        actions = random_actions(rng, capacities, routes, number, 14, unlimited=Fraction(10**9))
        got, _ = simulate(capacities, routes, actions, fifo=fifo, start_at=Fraction(0), check=False)
        expected = twin(capacities, routes, actions, fifo)
        assert_same(got, expected, tolerance=0)
        assert all(isinstance(value, Fraction | int) for _, value in got.values())


@pytest.mark.parametrize("form", FORMS)
def test_filling_everything_agrees_with_the_faster_forms(form):
    for seed in range(20):
        rng = np.random.default_rng([2, seed, FORMS.index(form)])

        def number(low, high, rng=rng):
            return float(rng.uniform(low, high))

        capacities, routes = random_routes(rng, form, number)
        actions = random_actions(rng, capacities, routes, number, events=60)
        got, _ = simulate(capacities, routes, actions)
        expected, _ = simulate(capacities, routes, actions, general=True)
        assert_same(got, expected)


def test_the_routes_determine_the_solver():
    def forms(resources, routes, **options):
        return simulate(resources, routes, [], **options)[1].forms

    links = {"link0": 1, "link1": 1, "server": 1}
    assert forms(links, star_routes(2)) == ("star", "star")
    assert forms(links | {"server": inf}, star_routes(2)) == ("alone", "alone")
    assert forms(links, star_routes(2)[:1]) == ("alone",)
    assert forms(links, star_routes(2)[:1], fifo=False) == ("tree",)
    assert forms({"a": 1}, [Route((("a", 1),))], fifo=False) == ("star",)
    assert forms({}, [Route(())]) == ("alone",)
    duplex = {"up0": 1, "down0": 1, "up1": 1, "down1": 1, "in": 1, "out": 1}
    routes = [
        Route(((f"{d}{i}", 1), (s, 1))) for d, s in (("up", "in"), ("down", "out")) for i in "01"
    ]
    assert forms(duplex, routes) == ("star",) * 4
    line = [Route((("a", 1), ("b", 1))), Route((("a", 1),)), Route((("b", 1),))]
    assert forms({"a": 1, "b": 1}, line) == ("filling",) * 3
    assert forms({"a": 1, "b": 1}, line, general=True) == ("filling",) * 3


def test_a_long_busy_time_keeps_its_precision():
    """Tags and sums are computed anew from time to time; one giant flow keeps the star busy."""
    rng = np.random.default_rng(7)
    routes = star_routes(40)
    capacities = {f"link{i}": float(rng.uniform(1, 3)) for i in range(40)} | {"server": 30.0}
    capacities["link0"] = 1e3
    actions, now = [(0.0, "start", "giant", 0, 1e4, 0.2, inf)], 0.0
    for k in range(6000):
        now += float(rng.exponential(0.06))
        size, route = float(rng.exponential(1)), int(rng.integers(1, 40))
        actions.append((now, "start", f"f{k}", route, size, 1, inf))
    got, network = simulate(capacities, routes, actions, check=False)
    assert network.forms == ("star",) * 40
    expected, _ = simulate(capacities, routes, actions, general=True, check=False)
    assert_same(got, expected)


def test_short_transfers_after_gigantic_ones_keep_their_precision():
    """A virtual clock at 10^12 bytes would round a transfer of 1 byte to four digits."""
    actions = [(0.0, "start", "giant", 0, 1e12 + 5e3, 1, inf), (1.0, "capacity", "server", 2.0)]
    actions += [(2.0 + 2 * k, "start", f"f{k}", 1, 1 / 3, 1, inf) for k in range(200)]
    capacities = {"link0": inf, "link1": inf, "server": 1e12}
    fate, network = simulate(capacities, star_routes(2), actions, check=False)
    assert network.forms == ("star",) * 2
    assert fate["f199"][1] - 400.0 == pytest.approx(1 / 3, rel=1e-9)
