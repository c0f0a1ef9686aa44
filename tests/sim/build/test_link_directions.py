"""Whole rounds react in the right direction: less capacity, more delay or more clients cost time."""

import pytest
from small_scenarios import read

from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.run import run

BASE = """\
name: direction
seed: 0
data: {dataset: digits, train_samples: 240, partition: {sizes: 30}}
model: {name: lenet, cut: 1}
training: {rounds: 1, batch_size: 10, optimizer: {name: sgd, lr: 0.01}}
topology:
  two_tier:
    server: {device: server-8-core, slots: 4, link: {up: SERVER, down: SERVER, delay: FAR}}
    edge_nodes:
      - name: edge
        count: 2
        link: {up: EDGE, down: EDGE, delay: MIDDLE}
        clients:
          - {device: raspberry-pi-4b, name: pi, count: COUNT, link: {up: OWN, down: OWN, delay: NEAR}}
transport: TRANSPORT
methods: [classic_fl, splitfed, {ecofed: {init: random}}]
"""
# Each tier is a bottleneck: an edge node's link for its two clients, the server's link for all.
USUAL = {
    "SERVER": "12 Mbit/s",
    "EDGE": "8 Mbit/s",
    "OWN": "5 Mbit/s",
    "FAR": "5 ms",
    "MIDDLE": "10 ms",
    "NEAR": "20 ms",
    "COUNT": "2",
    "TRANSPORT": "ideal",
}


def results(**changes: str) -> dict[str, MethodResult]:
    text = BASE
    for name, value in (USUAL | changes).items():
        text = text.replace(name, value)
    (result,) = run(read(text), executor="none")
    return result.methods


@pytest.fixture(scope="module")
def usual():
    return {transport: results(TRANSPORT=transport) for transport in ("ideal", "tcp")}


@pytest.mark.parametrize("transport", ["ideal", "tcp"])
@pytest.mark.parametrize(
    "changes",
    [
        {"SERVER": "6 Mbit/s"},
        {"EDGE": "4 Mbit/s"},
        {"OWN": "2.5 Mbit/s"},
        {"FAR": "10 ms"},
        {"MIDDLE": "20 ms"},
        {"NEAR": "40 ms"},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_half_the_capacity_or_twice_the_delay_slows_every_method(usual, changes, transport):
    slower = results(TRANSPORT=transport, **changes)
    for label, before in usual[transport].items():
        assert slower[label].virtual_time_s > before.virtual_time_s * (1 + 1e-9), label
        assert slower[label].wire_bytes == before.wire_bytes


@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_a_third_client_at_each_edge_slows_every_method(usual, transport):
    company = results(TRANSPORT=transport, COUNT="3")
    for label, before in usual[transport].items():
        assert company[label].virtual_time_s > before.virtual_time_s * (1 + 1e-9), label


def test_tcp_slows_every_method_and_sends_the_same_bytes(usual):
    for label, ideal in usual["ideal"].items():
        tcp = usual["tcp"][label]
        assert tcp.virtual_time_s > ideal.virtual_time_s * 1.03  # headers alone cost 3.6 %
        assert tcp.wire_bytes == ideal.wire_bytes
        assert tcp.learning_digest == ideal.learning_digest


@pytest.mark.parametrize(
    ("switch", "change"),
    [
        ("headers", "headers: false"),
        ("handshake", "handshake: open"),
        ("slow start", "slow_start: false"),
        ("the first window", "initial_window: 40"),
    ],
)
def test_disabling_a_part_of_tcp_saves_time(usual, switch, change):
    freer = results(TRANSPORT=f"{{tcp: {{{change}}}}}")
    gains = [usual["tcp"][label].virtual_time_s - freer[label].virtual_time_s for label in freer]
    assert min(gains) > -1e-9
    assert max(gains) > 1e-3


def test_idle_restart_costs_a_method_that_pauses(usual):
    without = results(TRANSPORT="{tcp: {idle_restart: false}}")
    gains = [
        usual["tcp"][label].virtual_time_s - without[label].virtual_time_s for label in without
    ]
    assert min(gains) > -1e-9


def test_a_small_window_and_a_lossy_link_cost_time(usual):
    tight = results(TRANSPORT="{tcp: {window: 8 KiB}}")
    lossy = results(TRANSPORT="tcp", NEAR="20 ms, loss: 0.05")
    for label, tcp in usual["tcp"].items():
        assert tight[label].virtual_time_s > tcp.virtual_time_s, label
        assert lossy[label].virtual_time_s > tcp.virtual_time_s, label


@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_the_links_table_is_consistent(usual, transport):
    for method in usual[transport].values():
        rows = {row["link"]: row for row in method.rows_of("links")}
        for row in rows.values():
            assert 0 < row["utilisation"] <= 1 + 1e-9
            assert 0 <= row["bottleneck_s"] <= row["busy_s"] * (1 + 1e-9)
            assert row["busy_s"] <= method.virtual_time_s * (1 + 1e-9)
        up = sum(r.wire_up for r in method.rounds)
        assert rows["server.down"]["wire_bytes"] == up
        assert sum(rows[f"edge-{i}.up"]["wire_bytes"] for i in range(2)) == up
        own = [row["wire_bytes"] for link, row in rows.items() if "pi" in link and "up" in link]
        assert (len(own), sum(own)) == (4, up)
