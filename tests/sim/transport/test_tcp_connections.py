"""Connections, windows that are kept, idle restarts, and messages one after the other."""

from dataclasses import replace
from math import inf

import pytest
from tcp_worlds import World

from cutlayer.sim.transport import TransportSettings
from cutlayer.sim.transport.tcp_formulas import sending_time

W0 = 14_480
RATE = 1.25e7
RTT = 0.05
OPEN = TransportSettings(headers=False, handshake="open", window_bytes=inf)
TCP = TransportSettings(headers=False, window_bytes=inf)


def closed(size, setup, initial=W0):
    return sending_time(size, RATE, RTT, setup_rtts=setup, initial_window_bytes=initial)


def after(world, seconds):
    world.env.run(world.env.timeout(seconds))


@pytest.mark.parametrize("first", [0, 1], ids=["client", "server"])
def test_the_first_message_opens_the_connection_for_both_directions(first):
    world = World([RTT], TCP, own=RATE)
    one = world.send(first, 100)
    assert world.tcp.opened_s(0) == world.tcp.opened_s(1) == RTT
    after(world, 0.02)
    two = world.send(1 - first, 100)  # waits for the rest of the set-up
    after(world, 0.1)
    three = world.send(first, 100)
    world.run(one, two, three)
    assert one.finish_s == two.finish_s == pytest.approx(RTT + 100 / RATE)
    assert three.finish_s - three.start_s == pytest.approx(100 / RATE)


def test_every_client_has_a_connection_of_its_own():
    world = World([0.05, 0.1, 0.0], TCP, own=RATE)
    flows = [world.send(i, 100) for i in range(3)]
    world.run(*flows)
    assert [flow.finish_s for flow in flows] == pytest.approx([0.05 + 8e-6, 0.1 + 8e-6, 8e-6])


def test_a_message_that_ends_in_slow_start_leaves_its_window():
    """100 kB: windows of 1, 2 and 4 x w0 go out, the last with less than that."""
    world = World([RTT], OPEN, own=RATE)
    world.run(world.send(0, 100_000))
    after(world, 2 * RTT)  # the last window is acknowledged; less than a time-out passes
    assert world.run(world.send(0, 10**6)) == pytest.approx(
        [closed(10**6, 0, initial=4 * W0 + (10**5 - 3 * W0))]
    )


def test_a_window_that_is_not_used_does_not_grow():
    world = World([RTT], OPEN, own=RATE)
    for _ in range(10):
        world.run(world.send(0, 1000))
        after(world, 2 * RTT)
    assert world.run(world.send(0, 10**6)) == pytest.approx([closed(10**6, 0)])


def test_the_directions_have_windows_of_their_own():
    world = World([RTT], OPEN, own=RATE)
    world.run(world.send(0, 10**7))
    assert world.run(world.send(1, 10**6)) == pytest.approx([closed(10**6, 0)])


def test_messages_back_to_back_are_one_stream():
    """A stream in small messages is not faster than one message, and hardly slower."""
    whole = World([RTT], OPEN, own=RATE)
    (expected,) = whole.run(whole.send(0, 1_000_000))
    for size in (1000, 10_000, 62_500):
        world = World([RTT], OPEN, own=RATE)
        flows = [world.send(0, size) for _ in range(1_000_000 // size)]
        world.run(*flows)
        assert expected * (1 - 1e-9) <= flows[-1].finish_s <= expected + RTT


def test_a_message_uses_the_rest_of_the_current_round_trip():
    """The rest of the first message's window is sent evenly in the rest of its round trip."""
    world = World([RTT], OPEN, own=RATE)
    world.run(world.send(0, 10_000))
    after(world, 0.02 - world.env.now)
    flow = world.send(0, 100_000)
    after(world, 0.015)
    assert 100_000 - world.network.left_bytes(flow) == pytest.approx((W0 - 10_000) / 2)
    world.run(flow)
    rest = 100_000 - (W0 - 10_000) - (2 + 4) * W0  # in the windows that end at 50, 100 and 150 ms
    assert flow.finish_s == pytest.approx(0.15 + rest / RATE)


def test_after_an_idle_time_out_the_window_falls_back():
    rto = RTT + 0.2
    for idle, restarts in ((rto - 0.001, False), (rto + 0.001, True)):
        world = World([RTT], TCP, own=RATE)
        world.run(world.send(0, 10**7))
        after(world, idle)
        again = closed(10**6, 0) if restarts else 10**6 / RATE
        assert world.run(world.send(0, 10**6)) == pytest.approx([again])
        world = World([RTT], replace(TCP, idle_restart=False), own=RATE)
        world.run(world.send(0, 10**7))
        after(world, idle)
        assert world.run(world.send(0, 10**6)) == pytest.approx([10**6 / RATE])


def ping_pong(settings, think_s, rtt=0.02, count=100, size=327_680):
    """Send as split training does: up, compute, down, compute; return the seconds on the network."""
    world = World([rtt], settings, own=RATE)
    on_network = 0.0
    for _ in range(count):
        for route in (0, 1):
            on_network += world.run(world.send(route, size))[0]
            after(world, think_s + rtt / 2)
    return on_network


def test_ping_pong_of_split_training():
    """After less idle time than a time-out, only the first messages are slow; after more, all are."""
    line = 327_680 / RATE

    def message(initial):
        return sending_time(327_680, RATE, 0.02, setup_rtts=0, initial_window_bytes=initial)

    fast, slow = ping_pong(TCP, 0.01), ping_pong(TCP, 0.2)
    assert slow == pytest.approx(0.02 + 200 * message(W0), rel=1e-9)
    # The first message of each direction leaves a window of 16 w0, the second one that takes all.
    first_two = message(W0) + message(16 * W0)
    assert fast == pytest.approx(0.02 + 2 * first_two + 196 * line, rel=1e-9)
    assert ping_pong(replace(TCP, idle_restart=False), 0.2) == pytest.approx(fast, rel=1e-9)
    off = ping_pong(replace(TCP, slow_start=False), 0.2)
    assert off == pytest.approx(0.02 + 200 * line, rel=1e-9)


def test_every_round_opens_its_connections_anew_with_the_same_bits():
    world = World([RTT, 0.11], TCP, own=RATE, shared=1.5 * RATE)
    rounds = []
    for _ in range(3):
        world.tcp.open_round()
        assert world.tcp.opened_s(0) == -inf
        assert world.tcp.accounts == {}
        flows = [world.send(i, 400_000 + 7 * i) for i in (0, 1, 2, 3, 0)]
        world.run(*flows)
        rounds.append([(flow.start_s, flow.finish_s) for flow in flows])
        world.env._queue.clear()
        world.env._now = 0
    assert rounds[0] == rounds[1] == rounds[2]
    assert rounds[0][0][1] > RTT


def test_a_broken_connection_is_opened_again():
    world = World([RTT], TCP, own=RATE)
    broken = world.send(0, 10**7)
    after(world, 0.4)
    assert 0 < world.network.cancel(broken) < 10**7
    world.tcp.disconnect(0)
    assert world.tcp.opened_s(1) == -inf
    after(world, 0.01)
    down, up = world.send(1, 100), world.send(0, 10**6)
    world.run(down, up)
    assert down.finish_s == pytest.approx(0.41 + RTT + 100 / RATE)
    assert up.finish_s == pytest.approx(0.41 + closed(10**6, 1))


def test_a_transfer_cancelled_while_its_connection_opens_leaves_nothing_behind():
    world = World([RTT], TCP, own=RATE)
    gone = world.send(0, 1000)
    after(world, 0.01)
    assert world.network.cancel(gone) == 1000
    after(world, 0.01)
    kept = world.send(0, 10**6)  # the connection goes on opening
    world.run(kept)
    assert kept.finish_s == pytest.approx(closed(10**6, 1))
    assert world.account(gone).connect_s == pytest.approx(0.01)


def test_an_outage_at_the_start_does_not_end_slow_start():
    world = World([RTT], OPEN, own=RATE)
    world.network.set_capacity("up0", 0)
    flow = world.send(0, 10**6)
    after(world, 0.01)
    world.network.set_capacity("up0", RATE)
    world.run(flow)
    assert flow.finish_s > closed(10**6, 0)


def test_an_outage_stops_a_flow_until_it_ends():
    world = World([RTT], OPEN, own=RATE)
    flow = world.send(0, 10**6)
    after(world, 0.07)
    world.network.set_capacity("up0", 0)
    after(world, 3600)
    left = world.network.left_bytes(flow)
    world.network.set_capacity("up0", RATE)
    world.run(flow)
    assert 3600.07 + left / RATE <= flow.finish_s <= 3600.07 + closed(left, 0)
