"""A slow and simple model of the network to compare with, and a driver for the real one.

Both take the same actions, sorted by time:

    (time, "start", flow, route, size, weight, cap)     (time, "cancel", flow)
    (time, "capacity", resource, capacity)              (time, "cap", flow, cap)

and return the fate of each flow: ("finished", time), ("cancelled", bytes left) or ("left", bytes left
at the end).
"""

from math import inf
from typing import NamedTuple

import simpy

from cutlayer.sim.network import Network


class Route(NamedTuple):
    """A route of the tests."""

    resources: tuple
    delay_s: float = 0.0


def star_routes(clients, shared="server", airtime=1):
    """Return routes over one private link each and one shared resource."""
    return [Route(((f"link{i}", 1), (shared, airtime))) for i in range(clients)]


def textbook_rates(capacities, flows):
    """Raise all rates together; whenever a cap or a resource is reached, its flows stop there."""
    rates = [0] * len(flows)
    rising = list(range(len(flows)))
    while rising:
        room = {}
        for name, capacity in capacities.items():
            load = sum(dict(flows[f][2]).get(name, 0) * flows[f][0] for f in rising)
            if load and capacity < inf:
                used = sum(
                    dict(use).get(name, 0) * rate
                    for f, ((_, _, use), rate) in enumerate(zip(flows, rates, strict=True))
                    if f not in rising
                )
                room[name] = max(0 * capacity, capacity - used) / load
        level = {
            f: min([flows[f][1] / flows[f][0]] + [room[n] for n, _ in flows[f][2] if n in room])
            for f in rising
        }
        lowest = min(level.values())
        for f in [f for f in rising if level[f] == lowest]:
            rates[f] = lowest * flows[f][0]
            rising.remove(f)
    return rates


def twin(capacities, routes, actions, fifo=True):
    """Step from change to change and compute all rates anew each time."""
    capacities, actions = dict(capacities), list(actions)
    now, fate, sending, queue = 0, {}, {}, []
    while True:
        for flow in list(queue):
            if not fifo or flow["route"] not in [s["route"] for s in sending.values()]:
                queue.remove(flow)
                if flow["left"]:
                    sending[flow["name"]] = flow
                else:
                    fate[flow["name"]] = ("finished", now)
        flows = list(sending.values())
        rates = textbook_rates(
            capacities, [(f["weight"], f["cap"], routes[f["route"]].resources) for f in flows]
        )
        waits = [f["left"] / r if r else inf for f, r in zip(flows, rates, strict=True)]
        wait = min(waits, default=inf)
        if actions and actions[0][0] - now < wait:
            wait = actions[0][0] - now
        elif wait == inf:
            rest = {f["name"]: ("left", f["left"]) for f in flows + queue}
            return fate | rest
        now += wait
        for flow, rate, its_wait in zip(flows, rates, waits, strict=True):
            flow["left"] -= flow["left"] if its_wait == wait else rate * wait
            if its_wait == wait:
                del sending[flow["name"]]
                fate[flow["name"]] = ("finished", now)
        while actions and actions[0][0] == now:
            _, kind, name, *rest = actions.pop(0)
            if kind == "capacity":
                capacities[name] = rest[0]
            elif kind == "start":
                keys = ("route", "left", "weight", "cap")
                queue.append({"name": name, **dict(zip(keys, rest, strict=True))})
            else:
                for flow in [f for f in [*sending.values(), *queue] if f["name"] == name]:
                    if kind == "cap":
                        flow["cap"] = rest[0]
                    else:
                        fate[name] = ("cancelled", flow["left"])
                        sending.pop(name, None)
                        queue = [f for f in queue if f is not flow]


def simulate(capacities, routes, actions, *, start_at=0, check=True, **options):
    """Do the same with the real network; the rates are proven fair after every change."""
    env = simpy.Environment(start_at)
    network = Network(env, capacities, routes, **options)
    flows, fate = {}, {}

    def prove(_):
        event = env.event()
        event._ok, event._value = True, None
        event.callbacks.append(lambda _: network.check_allocation())
        env.schedule(event, 3)

    def act():
        for time, kind, name, *rest in actions:
            if start_at + time > env.now:
                yield env.timeout(start_at + time - env.now)
            if kind == "start":
                flows[name] = network.start(*rest)
                if check:
                    flows[name].done.callbacks.append(prove)
            elif kind == "capacity":
                network.set_capacity(name, rest[0])
            elif kind == "cap":
                network.set_cap(flows[name], rest[0])
            elif flows[name].state not in ("finished", "cancelled"):
                fate[name] = ("cancelled", network.cancel(flows[name]))
            if check:
                prove(None)

    env.process(act())
    env.run()
    for name, flow in flows.items():
        if flow.state == "finished":
            assert flow.done.processed
            assert flow.queued_s <= flow.start_s <= flow.finish_s
            fate[name] = ("finished", flow.finish_s - start_at)
        elif flow.state != "cancelled":
            fate[name] = ("left", network.left_bytes(flow))
    return fate, network


def assert_same(got, expected, tolerance=1e-9):
    """Compare fates, times and bytes to a relative tolerance; exactly if it is 0."""
    assert got.keys() == expected.keys()
    for name, (what, value) in expected.items():
        assert got[name][0] == what, (name, got[name], expected[name])
        assert abs(got[name][1] - value) <= tolerance * max(1, abs(value)), (name, got[name], value)
