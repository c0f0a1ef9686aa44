"""The `transport` section of a scenario, through the whole stack."""

from math import inf
from pathlib import Path

import pytest
from small_scenarios import PLAIN, scenario

from cutlayer import run
from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.clients import transports
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.transport import IDEAL, TransportSettings
from cutlayer.sim.transport.tcp_formulas import HEADER_EFFICIENCY, sending_time

TWO_GROUPS = """\
topology.star.clients=[
  {device: slow, count: 2, name: phones, link: {up: 8 Mbit/s, down: 16 Mbit/s, delay: 20 ms}},
  {device: slow, name: pi, link: {up: 8 Mbit/s, down: 16 Mbit/s, delay: 20 ms}}]"""


@pytest.fixture
def load(tmp_path: Path):
    def load(*overrides: str):
        return scenario(tmp_path, PLAIN + "methods: [classic_fl]\n", *overrides)

    return load


def times(loaded):
    """Of the one round: label, bytes, start and end of every interval on the network."""
    (result,) = run(loaded, executor="none")
    record = next(iter(result.methods.values())).kept[-1].record
    log = record.intervals
    return [
        (
            Activity(int(log.activity[i])),
            int(log.wire_bytes[i]),
            float(log.start[i]),
            float(log.end[i]),
        )
        for i in range(len(log.start))
        if log.phase[i] in (Phase.UPLINK, Phase.DOWNLINK)
    ]


def test_the_messages_of_a_round_take_the_times_of_the_formula(load):
    (connect, down, up) = times(load("transport=tcp"))
    rtt = 0.04
    assert (connect[0], connect[1:]) == (Activity.CONNECT, (0, 0.0, pytest.approx(rtt)))
    assert down[2] == pytest.approx(rtt)
    for (_, size, start, end), rate in ((down, 2e6), (up, 1e6)):
        goodput = rate * HEADER_EFFICIENCY
        assert end - start == pytest.approx(sending_time(size, goodput, rtt, setup_rtts=0))


def test_with_every_switch_off_the_log_is_that_of_ideal_transport(load):
    off = (
        "transport={tcp: {headers: false, handshake: open, slow_start: false, window: unlimited, "
        "idle_restart: false, loss_model: none}}"
    )
    assert times(load(off)) == times(load("transport=ideal")) == times(load())


@pytest.mark.parametrize(
    "switch", ["headers: true", "handshake: tls", "slow_start: true", "window: 20 kB"]
)
def test_each_switch_reaches_the_network(load, switch):
    off = {
        "headers": "false",
        "handshake": "open",
        "slow_start": "false",
        "window": "unlimited",
    }
    name, _, value = switch.partition(": ")

    def last(settings):
        text = ", ".join(f"{key}: {each}" for key, each in settings.items())
        return times(load(f"transport={{tcp: {{{text}}}}}"))[-1][3]

    assert last({**off, name: value}) > last(off)


def test_groups_can_have_a_transport_of_their_own(load):
    scenario = load(
        TWO_GROUPS,
        "transport={tcp: {handshake: tls, window: unlimited}}",
        "transports=[{clients: phones-1, transport: ideal}, {clients: pi, transport: "
        "{tcp: {loss_model: pftk, rtt_bias: 0.25, initial_window: 4, headers: false, "
        "idle_restart: false, slow_start: false}}}]",
    ).scenario
    assert transports(make_plan(scenario, 0)) == (
        TransportSettings(handshake="tls", window_bytes=inf),
        IDEAL,
        TransportSettings(
            headers=False,
            slow_start=False,
            initial_window=4,
            idle_restart=False,
            loss="pftk",
            rtt_bias=0.25,
        ),
    )


def test_a_round_is_not_reused_for_a_client_with_another_transport(load):
    loaded = load(
        "topology.star.clients.0.count=2",
        "transport=tcp",
        "transports=[{clients: slow-0, transport: {tcp: {handshake: tls}}}]",
        "training.clients_per_round=1",
        "training.rounds=8",
    )
    (reused,) = run(loaded, executor="none")
    (played,) = run(loaded, executor="none", reuse=False)
    reused, played = reused.methods["classic_fl"], played.methods["classic_fl"]
    assert reused.event_digest == played.event_digest
    assert reused.reused_rounds == 6


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            "[{clients: phone, transport: tcp}]",
            "neither a group nor a client; did you mean 'phones",
        ),
        (
            "[{clients: phones, transport: tcp}, {clients: phones-1, transport: ideal}]",
            "transports.1.clients: phones-1 is already set by an earlier entry",
        ),
        ("[{clients: phones}]", "transports.0.transport: is required"),
    ],
)
def test_a_wrong_group_is_refused(load, entries, message):
    with pytest.raises(ScenarioError, match=message):
        run(load(TWO_GROUPS, f"transports={entries}"), executor="none")
