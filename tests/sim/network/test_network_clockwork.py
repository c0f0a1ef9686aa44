"""The network in SimPy: one solve an instant, order, precision, errors, no livelock."""

import os
import subprocess
import sys
from math import inf
from pathlib import Path

import numpy as np
import pytest
import simpy
from slow_twin import Route, star_routes

from cutlayer.sim.network import Network, StalledClockError

FORMS = {
    "star": ({"link0": 3.0, "link1": 9.0, "link2": inf, "server": 10.0}, star_routes(3)),
    "alone": (
        {f"link{i}": 1.7 + i for i in range(3)},
        [Route(((f"link{i}", 1),)) for i in range(3)],
    ),
    "filling": (
        {"a": 5.0, "b": 7.0},
        [Route((("a", 1), ("b", 1))), Route((("a", 1),)), Route((("b", 1),))],
    ),
}
form = pytest.mark.parametrize("form", FORMS)


def start_some(network, seed, count=40):
    """Start transfers at random times in one process; return the list that it fills."""
    rng = np.random.default_rng(seed)
    flows = []

    def process():
        for _ in range(count):
            if rng.random() < 0.6:
                yield network.env.timeout(float(rng.exponential(1)))
            size = float(rng.exponential(5))
            flows.append(network.start(int(rng.integers(3)), size, cap=float(rng.uniform(1, 9))))

    return network.env.process(process()), flows


def run_to_last(env, process, flows):
    env.run(process)
    env.run(env.all_of([flow.done for flow in flows]))


@pytest.mark.parametrize("name", ["star", "filling"])
def test_one_solve_for_every_instant_with_a_change(name):
    resources, routes = FORMS[name]
    env = simpy.Environment()
    network = Network(env, resources, routes)
    process, flows = start_some(network, 3)
    run_to_last(env, process, flows)
    instants = {t for flow in flows for t in (flow.start_s, flow.finish_s)}
    busy = {t for t in instants if any(flow.start_s <= t < flow.finish_s for flow in flows)}
    assert network.solves == len(busy)


def run_and_count(env):
    events = 0
    while env.peek() < inf:
        env.step()
        events += 1
    return events


def one_link(clients, start_at=0, **options):
    routes = [Route((("server", 1),)) for _ in range(clients)]
    return Network(simpy.Environment(start_at), {"server": 1.0}, routes, **options)


def test_a_burst_costs_one_event_each_and_two_for_all():
    network = one_link(1000)
    flows = [network.start(k, 1.0) for k in range(1000)]
    assert run_and_count(network.env) == 1000 + 2
    assert network.solves == 1
    assert {flow.finish_s for flow in flows} == {1000.0}


@pytest.mark.parametrize("general", [False, True])
def test_no_wake_up_comes_too_early_and_none_twice(general):
    """Each end is a wake-up, the event of the flow, and a settle for the other flows."""
    sizes = np.random.default_rng(4).exponential(1, 300).tolist()
    network = one_link(300, general=general)
    for k, size in enumerate(sizes):
        network.start(k, size)
    assert run_and_count(network.env) == 3 * 300
    assert network.solves == 300


def test_changes_that_cause_one_another_at_one_instant_are_one_change():
    network = one_link(20)
    env = network.env
    signals = [env.event() for _ in range(21)]

    def client(k):
        yield signals[k]
        network.start(k, 1.0)
        signals[k + 1].succeed()

    for k in range(20):
        env.process(client(k))
    signals[0].succeed()
    env.run()
    assert network.solves == 1


@pytest.mark.parametrize("general", [False, True])
def test_ends_at_one_instant_come_in_the_order_of_the_starts(general):
    resources = {"link0": 2.0, "link1": inf, "link2": 2.0, "server": 8.0}
    network = Network(simpy.Environment(), resources, star_routes(3), general=general)
    order = []
    # 2, 4 and 2 bytes/s: capped, sharing, capped; the second on route 0 starts after the others.
    for route, size in ((0, 1.0), (0, 1.0), (1, 4.0), (2, 2.0)):
        flow = network.start(route, size)
        flow.done.callbacks.append(lambda e: order.append((e.value.route, network.env.now)))
    network.env.run()
    assert order == [(0, 0.5), (0, 1), (1, 1), (2, 1)]


@pytest.mark.parametrize("general", [False, True])
def test_ends_that_the_clock_cannot_tell_apart_are_one_instant(general):
    network = one_link(2, start_at=1e9, general=general)
    flows = [network.start(0, 1.0), network.start(1, 1.0 + 1e-9)]
    network.env.run()
    assert {flow.finish_s for flow in flows} == {1e9 + 2}
    assert network.solves == 1


@form
def test_cancelled_at_its_very_end_a_flow_has_nothing_left(form):
    """In numbers that round badly: 1.9 - 0.1 * (1.9 / 0.1) is not 0."""
    resources = {"link0": 0.1, "link1": 0.1, "server": 10.0 if form != "alone" else inf}
    network = Network(simpy.Environment(), resources, star_routes(2), general=form == "filling")
    first, second = network.start(0, 1.9), network.start(1, 3.0)
    network.env.run(network.env.timeout(1.9 / 0.1))
    assert network.left_bytes(first) == network.cancel(first) == 0
    network.env.run(second.done)
    assert second.finish_s == pytest.approx(3.0 / 0.1, rel=1e-15)
    assert network.solves == (0 if form == "alone" else 2)


@form
def test_a_round_gives_the_same_bits_whenever_the_clock_is_put_back(form):
    """Rounds of one network, each from 0 after an idle time, and a round of a fresh network."""
    resources, routes = FORMS[form]
    rounds = []

    def one_round(network):
        process, flows = start_some(network, 5)
        network.env.run(process)
        network.cancel(flows.pop())
        network.env.run(network.env.all_of([flow.done for flow in flows]))
        rounds.append([(flow.start_s, flow.finish_s) for flow in flows])

    network = Network(simpy.Environment(), resources, routes)
    for _ in range(3):
        one_round(network)
        for name, capacity in resources.items():  # a late change while nothing is in flight
            network.set_capacity(name, capacity)
        network.env._now = 0
    one_round(Network(simpy.Environment(), resources, routes))
    assert rounds[0] == rounds[1] == rounds[2] == rounds[3]


@form
def test_reading_changes_nothing(form):
    resources, routes = FORMS[form]
    seen = []
    for look in (False, True):
        env = simpy.Environment()
        network = Network(env, resources, routes)
        process, flows = start_some(network, 8)

        def watch(env=env, network=network, flows=flows):
            while True:
                yield env.timeout(0.0317)
                for flow in flows:
                    assert 0 <= network.left_bytes(flow) <= flow.size_bytes
                    assert network.rate(flow) >= 0
                network.check_allocation()

        if look:
            env.process(watch())
        run_to_last(env, process, flows)
        seen.append([flow.finish_s for flow in flows])
    assert seen[0] == seen[1]


@form
@pytest.mark.parametrize("clock", [1e9, 1e15])
def test_ends_closer_than_the_clock_can_tell_do_not_stop_it(form, clock):
    resources, routes = FORMS[form]
    env = simpy.Environment(clock)
    network = Network(env, resources, routes, stall_limit=1000)

    def sender(route):
        for k in range(200):
            flow = network.start(route, 1e-8 * (1 + k % 7))
            yield flow.done
            assert flow.finish_s >= flow.start_s

    senders = [env.process(sender(route)) for route in range(3)]
    env.run(env.all_of(senders))
    assert network.in_flight() == []


def test_a_stopped_clock_is_reported():
    env = simpy.Environment()
    network = Network(env, {"link": 1.0}, [Route((("link", 1),))], stall_limit=500)

    def endless():
        yield env.timeout(2)
        while True:
            yield network.start(0, 0).done

    env.process(endless())
    with pytest.raises(StalledClockError, match=r"has stopped at 2 s: 601 settles .* route 0"):
        env.run()


def test_more_settles_than_the_limit_are_fine_while_time_passes():
    env = simpy.Environment()
    network = Network(env, {"link": 1.0}, [Route((("link", 1),))], stall_limit=1)

    def long():
        for _ in range(500):
            yield network.start(0, 1).done

    env.run(env.process(long()))
    assert env.now == 500


def test_the_log_is_the_same_under_every_hash_seed():
    root = Path(__file__).parents[3]
    script = (
        "import simpy, test_network_clockwork as t\n"
        "from cutlayer.sim.network import Network\n"
        "for form in t.FORMS:\n"
        "    env = simpy.Environment()\n"
        "    process, flows = t.start_some(Network(env, *t.FORMS[form]), 9)\n"
        "    t.run_to_last(env, process, flows)\n"
        "    print([(f.start_s, f.finish_s) for f in flows])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ
            | {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}:{Path(__file__).parent}"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "12345")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 1000
