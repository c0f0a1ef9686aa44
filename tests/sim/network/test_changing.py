"""Capacities that change with time: against the integral of the capacity, and free when idle."""

from bisect import bisect_right
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_twin import Route

from cutlayer.sim.clock import Clock
from cutlayer.sim.network import Network


class Steps:
    """Values from given times on; counts its evaluations."""

    def __init__(self, *steps):
        self.times = [time for time, _ in steps]
        self.values = [value for _, value in steps]
        self.evaluations = 0

    def piece(self, t):
        self.evaluations += 1
        index = bisect_right(self.times, t) - 1
        end = self.times[index + 1] if index + 1 < len(self.times) else inf
        return self.values[index], end

    def sent_by(self, t):
        """Bytes that the capacity could have carried from 0 to t."""
        edges = [*[time for time in self.times if time < t], t]
        return sum((b - a) * self.piece(a)[0] for a, b in pairwise(edges))

    def time_of(self, size):
        """Time at which `size` bytes have been carried from 0 on."""
        edges = [*self.times, inf]
        for (start, end), value in zip(pairwise(edges), self.values, strict=True):
            if value and size <= value * (end - start):
                return start + size / value
            size -= value * (end - start) if value else 0
        return inf


def network_of(profile, *, shared=True, others=0, general=False):
    clock = Clock()
    routes = [Route((("access", 1),))]
    resources = {"access": profile.values[0]}
    if shared:
        routes = [Route((("access", 1), (f"own{i}", 1))) for i in range(1 + others)]
        resources |= {f"own{i}": 1e9 for i in range(1 + others)}
    network = Network(clock, resources, routes, profiles={"access": profile}, general=general)
    return clock, network


steps = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 50)), min_size=1, max_size=8).map(
    lambda pieces: Steps(
        *zip(
            np.cumsum([0, *(length for length, _ in pieces)]).tolist(),
            [10.0, *(float(value) for _, value in pieces[:-1]), 7.0],
            strict=True,
        )
    )
)


@given(profile=steps, size=st.integers(1, 2000), shared=st.booleans(), general=st.booleans())
def test_a_flow_alone_takes_what_the_integral_says(profile, size, shared, general):
    clock, network = network_of(profile, shared=shared, general=general)
    flow = network.start(0, size)
    clock.run(flow.done)
    assert flow.finish_s == pytest.approx(profile.time_of(size), rel=1e-9)


@given(profile=steps, sizes=st.lists(st.integers(1, 500), min_size=2, max_size=6))
def test_flows_that_share_it_send_together_what_it_gives(profile, sizes):
    clock, network = network_of(profile, others=len(sizes) - 1)
    flows = [network.start(route, size) for route, size in enumerate(sizes)]
    clock.run(clock.all_of([flow.done for flow in flows]))
    ends = sorted(flow.finish_s for flow in flows)
    done = 0.0
    for index, size in enumerate(sorted(sizes)):  # T_k: equal shares, the shortest ends first
        total = sum(sorted(sizes)[:index]) + (len(sizes) - index) * size
        done = profile.time_of(total)
        assert ends[index] == pytest.approx(done, rel=1e-9)


def test_it_is_not_evaluated_without_transfers():
    profile = Steps(*[(0.001 * i, 100.0 + i % 3) for i in range(3_600_000)])
    clock, network = network_of(profile, shared=False)

    def work():
        yield clock.timeout(1800.0)
        yield network.start(0, 0.05).done
        yield clock.timeout(1700.0)

    clock.run(clock.process(work()))
    assert profile.evaluations <= 3


def test_it_is_evaluated_at_the_time_since_the_run_began():
    profile = Steps((0, 10.0), (100, 20.0), (200, 40.0))
    clock, network = network_of(profile)
    for wanted in (5.0, 2.5, 1.25):
        flow = network.start(0, 50)
        clock.run(flow.done)
        assert clock.now == pytest.approx(wanted)
        clock.rebase(100.0)


def test_an_outage_holds_transfers_back_and_loses_nothing():
    profile = Steps((0, 10.0), (1, 0.0), (61, 10.0))
    clock, network = network_of(profile, others=1)
    first, second = network.start(0, 10), network.start(1, 10)
    clock.run(clock.all_of([first.done, second.done]))
    assert (first.finish_s, second.finish_s) == (pytest.approx(62), pytest.approx(62))


def test_a_cancelled_transfer_is_no_longer_followed():
    profile = Steps(*[(float(i), 10.0 + i % 2) for i in range(1000)])
    clock, network = network_of(profile, shared=False)
    flow = network.start(0, 1000)
    clock.run(until=5.5)
    network.cancel(flow)
    before = profile.evaluations
    clock.run(until=500)
    assert profile.evaluations == before


def test_the_next_transfer_of_the_same_route_finds_it_up_to_date():
    profile = Steps((0, 10.0), (3, 100.0))
    clock, network = network_of(profile, shared=False)
    first, second = network.start(0, 20), network.start(0, 210)
    clock.run(clock.all_of([first.done, second.done]))
    assert (first.finish_s, second.finish_s) == (pytest.approx(2), pytest.approx(5))
