"""Accounts of filling: loads, bottlenecks and caps, with tables and without."""

from math import inf

import numpy as np
import pytest
import simpy
from slow_twin import Route

from cutlayer.sim.network import Network
from cutlayer.sim.network.solvers import component
from cutlayer.sim.network.solvers.table import SPARE

OVER_BOTH, OVER_A, OVER_B = Route((("a", 1), ("b", 2))), Route((("a", 1),)), Route((("b", 1),))


@pytest.fixture(params=[1, 10**9], ids=["tables", "no tables"], autouse=True)
def tables(request, monkeypatch):
    monkeypatch.setattr(component, "TABLE_FROM", request.param)


def network_of(a, b, routes=(OVER_BOTH, OVER_A, OVER_B)):
    env = simpy.Environment()
    return env, Network(env, {"a": a, "b": b}, list(routes), general=True)


def load(network, name):
    return network._shared_by[name].load(name)


def test_loads_and_rates_of_two_links():
    # b gives 9 / 3 a level of 3; a, 10 - 3 to the one that has a alone.
    env, network = network_of(10.0, 9.0)
    flows = [network.start(0, 30), network.start(1, 70, cap=5), network.start(2, 60)]
    assert (load(network, "a"), load(network, "b")) == (0, 0)
    env.run(until=1)
    assert [network.rate(flow) for flow in flows] == [3, 5, 3]
    assert (load(network, "a"), load(network, "b")) == (8, 9)
    env.run(until=11)
    assert [network.left_bytes(flow) for flow in flows] == [0, 15, 22.5 + 7.5 - 9]
    assert (load(network, "a"), load(network, "b")) == (5, 9)
    env.run()
    assert (load(network, "a"), load(network, "b")) == (0, 0)


def test_how_long_a_link_was_a_bottleneck():
    # Until 10 s b holds two at 3 and a holds none: the third is at its cap. Then b holds the last one.
    env, network = network_of(10.0, 9.0)
    flows = [network.start(0, 30), network.start(1, 70, cap=5), network.start(2, 75)]
    env.run()
    assert [flow.finish_s for flow in flows] == [10, 14, 15]
    assert [flow.capped_s for flow in flows] == [0, 14, 0]
    assert network.collect_bottlenecks() == pytest.approx({"b": 15})
    assert network.collect_bottlenecks() == {}


def test_bottlenecks_can_be_collected_in_the_middle():
    env, network = network_of(10.0, 10.0)
    network.start(1, 100)
    network.start(2, 60)
    late = env.timeout(4)
    late.callbacks.append(lambda _: network.set_capacity("a", 5.0))
    env.run(until=5)
    first = network.collect_bottlenecks()
    env.run()
    second = network.collect_bottlenecks()
    assert first == {"a": 4, "b": 4}
    assert second == {"a": 12, "b": 2}


def test_time_at_a_cap_that_changes_and_of_a_cancelled_transfer():
    env, network = network_of(10.0, inf)
    flows = [network.start(1, 1000, cap=2), network.start(1, 1000)]
    other = network.start(0, 1000, cap=3)
    env.run(until=4)
    network.set_cap(other, 20)
    assert other.capped_s == 4
    env.run(until=6)
    network.cancel(other)
    network.cancel(flows[0])
    assert (other.capped_s, flows[0].capped_s) == (4, 6)


def test_a_transfer_with_a_cap_of_0_waits():
    env, network = network_of(10.0, 9.0)
    flow = network.start(1, 20, cap=0)
    env.run(until=3)
    assert network.left_bytes(flow) == 20
    network.set_cap(flow, inf)
    env.run()
    assert (flow.finish_s, flow.capped_s) == (5, 3)
    assert network.collect_bottlenecks() == pytest.approx({"a": 2})


def test_an_outage_is_a_bottleneck():
    env, network = network_of(0.0, 9.0)
    flow = network.start(1, 20, cap=4)
    env.run(until=3)
    network.set_capacity("a", 10.0)
    env.run()
    assert (flow.finish_s, flow.capped_s) == (8, 5)
    assert network.collect_bottlenecks() == pytest.approx({"a": 3})


def test_every_byte_is_accounted_for_at_caps_and_at_bottlenecks():
    """At any time a flow is at its cap, or a link holds it back: the times add up."""
    rng = np.random.default_rng(3)
    env, network = network_of(10.0, 9.0)
    flows = []

    def arrive():
        for _ in range(300):
            yield env.timeout(float(rng.exponential(1.5)))
            cap = float(rng.choice([inf, rng.uniform(0.5, 6)]))
            flows.append(network.start(int(rng.integers(3)), float(rng.exponential(6)), cap=cap))

    env.process(arrive())
    env.run()
    held = network.collect_bottlenecks()
    assert held.keys() == {"a", "b"}
    for flow in flows:
        lasted = flow.finish_s - flow.start_s
        assert 0 <= flow.capped_s <= lasted * (1 + 1e-9)
        if flow.cap == inf:
            assert flow.capped_s == 0
    alone_at_cap = sum(flow.capped_s for flow in flows)
    assert alone_at_cap > 0
    below_cap = sum(flow.finish_s - flow.start_s - flow.capped_s for flow in flows)
    assert max(held.values()) <= env.now
    assert below_cap >= max(held.values()) * (1 - 1e-9)


def test_a_table_forgets_resources_without_users():
    """Transfers along a chain of links: each crosses the next link, and the last one is left."""
    links = 6 * SPARE
    routes = [Route(((f"l{k}", 1), (f"l{k + 1}", 1))) for k in range(links)]
    env = simpy.Environment()
    network = Network(env, {f"l{k}": 3.0 ** (k % 5) for k in range(links + 1)}, routes)
    assert set(network.forms) == {"filling"}
    flow = network.start(0, 1e6)
    sizes = []
    for k in range(1, links):
        following = network.start(k, 1e6)
        env.run(until=k)
        assert network.cancel(flow) < 1e6
        flow = following
        network.check_allocation()
        solver = network._solver[0]
        table = solver._component_of[solver._senders[flow]]._table
        sizes.append(0 if table is None else len(table._capacity))
    assert max(sizes) <= SPARE + 10
    network.set_capacity(f"l{links - 1}", 0.25)
    env.run(until=links)
    assert network.rate(flow) == 0.25


def test_rounds_are_the_same_bits_after_an_idle_time():
    def one_round(network, seed):
        rng = np.random.default_rng(seed)
        flows = []

        def arrive():
            for _ in range(120):
                yield network.env.timeout(float(rng.exponential(0.5)))
                flows.append(network.start(int(rng.integers(3)), float(rng.exponential(6))))

        network.env.run(network.env.process(arrive()))
        network.env.run(network.env.all_of([flow.done for flow in flows]))
        return [flow.finish_s for flow in flows]

    _, used = network_of(10.0, 9.0)
    one_round(used, 1)
    used.env._now = 0
    _, fresh = network_of(10.0, 9.0)
    assert one_round(used, 2) == one_round(fresh, 2)
