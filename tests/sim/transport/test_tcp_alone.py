"""A flow alone: the event form agrees with the closed form, and every switch works."""

from dataclasses import replace
from math import inf

import pytest
import simpy
from tcp_worlds import Route, World, alone

from cutlayer.sim.network import Network
from cutlayer.sim.transport import IDEAL, PathSettings, Tcp, TransportSettings
from cutlayer.sim.transport.settings import SETUP_RTTS
from cutlayer.sim.transport.tcp_formulas import (
    HEADER_EFFICIENCY,
    cubic_rate,
    mathis_rate,
    pftk_rate,
    sending_time,
)

W0 = 14_480
SIZES = (1, 1448, W0, W0 + 1, 3 * W0, 3 * W0 + 1, 10**5, 327_680, 10**6, 10**7, 3 * 10**7)
RTTS = (0, 1e-4, 0.001, 0.01, 0.05, 0.3)
PLAIN = TransportSettings(handshake="open", slow_start=False, window_bytes=inf, headers=False)
PLAIN_START = replace(PLAIN, slow_start=True)


@pytest.mark.parametrize("window", [inf, 4 * 2**20, 65_536, 5000], ids=str)
@pytest.mark.parametrize("handshake", SETUP_RTTS)
def test_the_event_form_is_the_closed_form(handshake, window):
    settings = TransportSettings(handshake=handshake, window_bytes=window)
    for megabits in (1, 10, 100, 1000):
        rate = megabits * 125_000
        for rtt in RTTS:
            for size in SIZES:
                expected = sending_time(
                    size,
                    rate * HEADER_EFFICIENCY,
                    rtt,
                    setup_rtts=SETUP_RTTS[handshake],
                    window_bytes=window,
                )
                assert alone(size, rate, rtt, settings) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("start_at", [1e3, 1e6])
def test_rounding_of_the_clock_costs_no_round_trip(start_at):
    for size in (3 * W0, 7 * W0, 7 * W0 + 1, 1023 * W0, 1023 * W0 + 1):
        for rtt in (0.0013, 0.05):
            fresh = alone(size, 1e9, rtt)
            assert alone(size, 1e9, rtt, start_at=start_at) == pytest.approx(fresh, abs=2e-8)


def test_shared_links_and_the_general_solver_give_the_same():
    for size in (10**5, 10**7):
        own = alone(size, 1.25e6, 0.05)
        for options in ({"shared": 1.25e6}, {"shared": 1.25e6, "general": True}):
            world = World([0.05], **options)
            assert world.run(world.send(0, size))[0] == pytest.approx(own, rel=1e-12)


def test_with_all_switches_off_transport_is_ideal():
    """Bit for bit, with other flows and pipelines of messages."""
    for settings in (IDEAL, replace(TransportSettings(), **vars(IDEAL))):
        rtts = [0.02, 0.3, 0.0, 0.1]
        with_tcp = World(rtts, settings, own=1.7e6, shared=3.1e6)
        plain_env = simpy.Environment()
        capacities = {f"{d}{i}": 1.7e6 for d in ("up", "down") for i in range(4)}
        routes = [
            Route(((f"{d}{i}", 1.0), ("server", 1.0))) for d in ("up", "down") for i in range(4)
        ]
        plain = Network(plain_env, capacities | {"server": 3.1e6}, routes)
        ends = []
        for env, network in ((with_tcp.env, with_tcp.network), (plain_env, plain)):
            flows = [network.start(k % 8, 10_007 * (1 + k)) for k in range(40)]
            env.run(env.all_of([flow.done for flow in flows]))
            ends.append([(flow.start_s, flow.finish_s) for flow in flows])
        assert ends[0] == ends[1]


ALL_ON = TransportSettings(handshake="tls", window_bytes=100_000, loss="cubic")
LOSSY = {"rate": 1.25e7, "rtt": 0.05, "loss": 0.001}


@pytest.mark.parametrize("switch", ["headers", "handshake", "slow_start", "window_bytes", "loss"])
def test_each_switch_alone_makes_a_transfer_longer(switch):
    """Than ideal transport; and TCP without this switch is faster than with all of them."""
    size = 10**6
    ideal = alone(size, 1.25e7, 0.05, IDEAL, loss=0.001)
    assert ideal == size / 1.25e7
    one = replace(IDEAL, **{switch: getattr(ALL_ON, switch)})
    assert alone(size, 1.25e7, 0.05, one, loss=0.001) > ideal
    if switch != "headers":  # with all of them on, the link is not the bottleneck
        rest = replace(ALL_ON, **{switch: getattr(IDEAL, switch)})
        everything = alone(size, 1.25e7, 0.05, replace(ALL_ON, loss="mathis"), loss=1e-3)
        if switch == "window_bytes":
            return
        assert alone(size, 1.25e7, 0.05, rest, loss=0.001) < everything


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rtt", (0, 0.001, 0.01, 0.04, 0.1, 0.3)),
        ("loss", (0, 1e-5, 1e-4, 1e-3, 0.01, 0.1)),
        ("window_bytes", (inf, 10**5, 5 * 10**4, 20_000, 2000)),
        ("initial_window", (64, 32, 10, 4, 1)),
        ("handshake", ("open", "tcp", "tls")),
        ("rate", (1e8, 1e7, 1e6, 1e5)),
    ],
)
def test_more_round_trip_loss_or_limit_never_helps(name, values):
    times = []
    for value in values:
        case = {"rate": 1.25e7, "rtt": 0.05, "loss": 0.0}
        settings = TransportSettings()
        if name in case:
            case[name] = value
        else:
            settings = replace(settings, **{name: value})
        times.append(alone(10**6, case["rate"], case["rtt"], settings, loss=case["loss"]))
    assert times == sorted(times)
    assert times[0] < times[-1]
    assert len(set(times)) >= len(values) - 1


@pytest.mark.parametrize(
    ("model", "rate"), [("mathis", mathis_rate), ("pftk", pftk_rate), ("cubic", cubic_rate)]
)
def test_loss_caps_a_long_flow_at_its_formula(model, rate):
    settings = replace(PLAIN, loss=model)
    world = World([0.08], settings, own=1e9, loss=0.002)
    flow = world.send(0, 10**8)
    world.run(flow)
    assert flow.finish_s == pytest.approx(10**8 / rate(0.002, 0.08), rel=1e-12)
    assert alone(10**6, 1e9, 0.08, replace(settings, loss="none"), loss=0.002) == 1e-3
    assert alone(10**6, 1e9, 0.08, settings) == 1e-3


def test_slow_start_ends_when_the_window_covers_the_path():
    """62,500 bytes fit on the path; 14,480 doubled three times is more."""
    world = World([0.05], PLAIN_START, own=1.25e6)
    flow = world.send(0, 10**7)
    world.run(flow)
    assert world.account(flow).rounds == 3
    assert world.account(flow).window_bytes == pytest.approx(8 * W0)


def test_a_cap_of_the_caller_applies_too():
    world = World([0.05], own=1e9)
    flow = world.network.start(0, 10**6, cap=1e5)
    world.run(flow)
    assert flow.finish_s == pytest.approx(0.05 + 10)


def test_handshakes_in_round_trips():
    took = [
        alone(1000, inf, 0.1, replace(PLAIN, handshake=handshake))
        for handshake in ("open", "tcp", "quic", "tls")
    ]
    assert took == pytest.approx([0, 0.1, 0.1, 0.2])


def test_a_network_of_parallel_transfers_is_refused():
    env = simpy.Environment()
    with pytest.raises(ValueError, match="TCP needs a network whose routes carry one transfer"):
        Network(env, {}, [Route(())], fifo=False, transport=Tcp(env, [PathSettings(0.1, 0)]))
