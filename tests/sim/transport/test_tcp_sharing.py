"""Flows that share links under TCP: max-min with caps at every instant, and their accounts."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from tcp_worlds import World

from cutlayer.sim.transport import TransportSettings
from cutlayer.sim.transport.tcp_formulas import sending_time

TCP = TransportSettings(headers=False, window_bytes=inf)
OPEN = replace(TCP, handshake="open")
W0 = 14_480


def watch(world, ends):
    """Prove the rates fair at every event, up to `ends`."""
    proven = 0
    while not ends.processed:
        world.env.step()
        proven += world.network.check_allocation()
    return proven


@pytest.mark.parametrize("general", [False, True], ids=["star", "filling"])
@pytest.mark.parametrize("seed", range(4))
def test_rates_are_fair_under_the_caps_at_every_event(seed, general):
    rng = np.random.default_rng(seed)
    rtts = [0.0, *rng.uniform(0.001, 0.2, 7).tolist()]
    settings = TransportSettings(window_bytes=200_000)
    world = World(rtts, settings, own=2e6, shared=5e6, loss=1e-4, general=general)
    flows = []

    def sender():
        for _ in range(60):
            yield world.env.timeout(float(rng.exponential(0.02)))
            flows.append(world.send(int(rng.integers(16)), int(rng.exponential(2 * 10**5)) + 1))
        yield world.env.all_of([flow.done for flow in flows])

    assert watch(world, world.env.process(sender())) > 1000
    for flow in flows:
        account = world.tcp.accounts[flow.sequence]
        limit = TransportSettings.limit(settings, rtts[flow.route % 8], 1e-4)[0]
        assert account.cap <= limit
        assert flow.finish_s - flow.start_s >= flow.size_bytes / min(limit, 2e6) * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_star_and_filling_agree(seed):
    rng = np.random.default_rng(100 + seed)
    rtts = rng.uniform(0, 0.2, 6).tolist()
    sizes = rng.integers(1, 3 * 10**6, 12).tolist()
    waits = rng.exponential(0.05, 12).tolist()
    ends = []
    for general in (False, True):
        world = World(rtts, own=3e6, shared=6e6, general=general)
        flows = []

        def sender(world=world, flows=flows):
            for route, (size, wait) in enumerate(zip(sizes, waits, strict=True)):
                yield world.env.timeout(wait)
                flows.append(world.send(route, size))

        world.env.run(world.env.process(sender()))
        world.run(*flows)
        ends.append([flow.finish_s for flow in flows])
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)


def test_equal_flows_share_a_link_after_their_slow_start():
    """Ten flows, 1.25 MB/s each in the end: they leave slow start when their shares bind."""
    world = World([0.05] * 10, TCP, shared=1.25e7)
    flows = [world.send(i, 10**6) for i in range(10)]
    times = world.run(*flows)
    assert max(times) == pytest.approx(min(times), rel=1e-12)
    # As if each had a link of a tenth of its own: the same caps, then the same share.
    assert times[0] == pytest.approx(sending_time(10**6, 1.25e6, 0.05), rel=1e-9)


def test_slow_start_ends_when_the_links_give_half_of_the_window():
    """A window of twice its share would overflow a queue of one bandwidth-delay product."""
    world = World([0.1] * 100, TCP, shared=1.25e6)
    flows = [world.send(i, 100_000) for i in range(100)]
    world.run(*flows)
    # The share is 1250 bytes a round trip, the first window 14,480: slow start ends after one.
    assert {world.account(flow).rounds for flow in flows} == {1}
    assert flows[0].finish_s == pytest.approx(0.1 + 100 * 100_000 / 1.25e6)
    assert {world.account(flow).window_bytes for flow in flows} == {W0}


@pytest.mark.parametrize(("share", "rounds"), [(0.45, 1), (0.55, 2)])
def test_half_a_window_is_the_bound(share, rounds):
    """The second time a window of 1.55 w0 meets a share of 0.55 w0."""
    world = World([0.1] * 4, OPEN, shared=4 * share * W0 / 0.1)
    flows = [world.send(i, 20 * W0) for i in range(4)]
    world.run(*flows)
    for flow in flows:
        account = world.account(flow)
        assert account.rounds == rounds
        assert account.window_bytes == pytest.approx((1 if rounds == 1 else 1 + share) * W0)


def test_a_burst_costs_few_solves():
    """All wake-ups of one instant lead to one solve, and there are few of them."""
    world = World([0.05] * 300, TCP, shared=1.25e7)
    world.run(*[world.send(i, 10**5) for i in range(300)])
    assert world.network.solves <= 4


def test_a_competing_flow_makes_no_flow_faster():
    for size in (1000, 10**5, 10**6, 10**7):
        free = World([0.04, 0.04], own=5e6, shared=6e6)
        (alone,) = free.run(free.send(0, size))
        world = World([0.04, 0.04], own=5e6, shared=6e6)
        flow, _ = world.send(0, size), world.send(1, 10**7)
        assert world.run(flow)[0] >= alone * (1 - 1e-12)
    assert world.run(flow)[0] > 1.5 * alone


def test_the_account_adds_up_and_says_what_held_a_flow_back():
    settings = replace(TCP, window_bytes=100_000)
    world = World([0.05, 0.05], settings, own=1.5e6, shared=2.5e6)
    long, late = world.send(0, 3 * 10**6), world.send(1, 10**6)
    world.run(long, late)
    for flow in (long, late):
        account = world.account(flow)
        parts = (
            account.connect_s,
            account.slow_start_s,
            account.window_s,
            account.loss_s,
            account.own_link_s,
            account.shared_s,
        )
        assert sum(parts) == pytest.approx(flow.finish_s - flow.start_s)
        assert account.connect_s == 0.05
        # 10, 20 and 40 segments a round trip; the fourth window covers 1.5 MB/s x RTT.
        assert account.slow_start_s == pytest.approx(0.15)
        assert account.loss_s == account.window_s == 0
    assert world.account(late).shared_s > 0.5
    assert world.account(long).own_link_s > 0.5
    assert world.account(long).cap_from == "window"
    assert world.account(long).cap == 100_000 / 0.05


@pytest.mark.parametrize(
    ("own", "settings", "loss", "holder"),
    [
        (1e9, replace(TCP, window_bytes=50_000), 0.0, "window_s"),
        (1e9, TCP, 0.01, "loss_s"),
        (1e5, TCP, 0.0, "own_link_s"),
        (1e9, TCP, 0.0, "slow_start_s"),
    ],
)
def test_the_account_of_a_flow_alone_names_what_held_it(own, settings, loss, holder):
    world = World([0.05], settings, own=own, loss=loss)
    flow = world.send(0, 10**6)
    world.run(flow)
    account = world.account(flow)
    held = {name: getattr(account, name) for name in vars(account) if name.endswith("_s")}
    for name in ("start_s", "end_s", "connect_s"):
        held.pop(name)
    assert max(held, key=held.get) == holder
    assert held[holder] > 0.6 * (flow.finish_s - 0.05)
    assert account.shared_s < 1e-9
