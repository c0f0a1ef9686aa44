"""Nodes between clients and the server that have a device, in every topology that has such nodes."""

import pytest

from cutlayer import load_scenario
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.build.topology import make_topology
from cutlayer.topologies import AccessLink, Branch, Clients, Computer, DeviceProfile, Server, tiers
from cutlayer.topologies.queueing import Queueing

HEAD = """\
name: t
data: {dataset: digits, test_fraction: 0.2, train_samples: 200, partition: {sizes: 4}}
model: {name: lenet, cut: 1}
training: {rounds: 1, batch_size: 4, optimizer: {name: sgd, lr: 0.01}}
methods: [splitfed]
topology:
"""
SERVER = "server: {device: server-8-core, slots: 1}"
LINK = "{up: 10 Mbit/s, down: 10 Mbit/s, delay: 3 ms}"
PI = f"{{device: raspberry-pi-4b, count: 2, link: {LINK}}}"
STATION = "{device: raspberry-pi-4b, count: 2}"
EDGE = "device: jetson-nano, slots: 2"
EDGE_NODES = f"edge_nodes: [{{link: {LINK}, {EDGE}, clients: [{PI}]}}]"

TOPOLOGIES = {
    "two_tier": f"{{{SERVER}, {EDGE_NODES}}}",
    "three_tier": f"{{{SERVER}, regions: [{{link: {LINK}, {EDGE_NODES}}}]}}",
    "region": f"{{{SERVER}, regions: [{{link: {LINK}, {EDGE}, edge_nodes: "
    f"[{{link: {LINK}, clients: [{PI}]}}]}}]}}",
    "wifi": f"{{{SERVER}, cells: [{{wifi: {{delay: 1 ms, rate: 9 Mbit/s, backhaul: {LINK}, {EDGE}, "
    f"clients: [{STATION}]}}}}]}}",
    "cellular": f"{{{SERVER}, cells: [{{cellular: {{delay: 1 ms, backhaul: {LINK}, {EDGE}, clients: "
    "[{device: raspberry-pi-4b, count: 2, up: 1 Mbit/s, down: 2 Mbit/s}]}}]}",
    "wifi_cell": f"{{{SERVER}, delay: 1 ms, rate: 9 Mbit/s, backhaul: {LINK}, {EDGE}, clients: "
    f"[{STATION}]}}",
    "ring": f"{{{SERVER}, sites: 3, link: {LINK}, {EDGE}, clients: [{PI}]}}",
    "mesh": f"{{{SERVER}, sites: 2, link: {LINK}, {EDGE}, clients: [{PI}]}}",
    "graph": f"{{{SERVER}, nodes: {{pi: {{client: {{device: raspberry-pi-4b, count: 2}}}}, "
    f"box: {{relay: {{{EDGE}}}}}}}, edges: [{{from: pi, to: box, link: {LINK}}}, "
    f"{{from: box, to: server, link: {LINK}}}]}}",
}
KIND = {"region": "three_tier", "wifi": "cells", "cellular": "cells"}
NAMES = {  # of the edge node that the first client reaches first
    "two_tier": "edge-0",
    "three_tier": "region-0.edge-0",
    "region": "region-0",
    "wifi": "access-point-0",
    "cellular": "base-station-0",
    "wifi_cell": "access-point",
    "ring": "site-0",
    "mesh": "site-0",
    "graph": "box",
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def loading(text: str):
        (tmp_path / "t.yaml").write_text(HEAD + text, encoding="utf-8")
        return load_scenario("t.yaml")

    return loading


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_a_node_with_a_device_is_the_edge_of_its_clients(load, kind):
    loaded = load(f"  {KIND.get(kind, kind)}: {TOPOLOGIES[kind]}\n")
    topology = make_topology(loaded.scenario)
    assert topology.edge_of(topology.clients[0]) == NAMES[kind]
    node = topology.node(NAMES[kind])
    assert node.device.name == "jetson-nano"
    assert node.slots == 2
    assert set(map(topology.edge_of, topology.clients)) == set(topology.edges)


def test_a_network_has_devices_at_some_of_its_nodes(load, tmp_path):
    (tmp_path / "n.json").write_text(
        '{"directed": false, "multigraph": false, "graph": {}, "nodes": [{"id": "A"}, {"id": "B"},'
        ' {"id": "C"}], "links": [{"source": "A", "target": "B"}, {"source": "B", "target": "C"}]}',
        encoding="utf-8",
    )
    text = (
        "  network_file:\n    file: n.json\n    server: {device: server-8-core, slots: 1, at: A}\n"
        f"    clients: [{{device: raspberry-pi-4b, at: [B, C], link: {LINK}}}]\n"
        "    edge_nodes: [{device: jetson-nano, at: B, discipline: {priority: [raspberry-pi-4b]}}]\n"
        "    rate: 1 Gbit/s\n    delay: 1 ms\n"
    )
    topology = make_topology(load(text).scenario)
    assert topology.edges == ("B",)
    assert [topology.edge_of(client) for client in topology.clients] == ["B", "B"]
    assert topology.node("B").queueing == Queueing("priority", first=("raspberry-pi-4b",))
    with pytest.raises(ScenarioError, match="is not a node of the network"):
        load(text.replace("at: B,", "at: X,"))


@pytest.mark.parametrize("field", ["slots: 2", "stack: pytorch-python-loader", "discipline: fifo"])
def test_fields_without_a_device_are_refused(load, field):
    with pytest.raises(ScenarioError, match=f"{field.partition(':')[0]} has no effect: add device"):
        load(f"  two_tier: {{{SERVER}, {EDGE_NODES.replace(EDGE, field)}}}\n")


def test_a_device_at_the_server_s_own_access_point_is_refused(load):
    with pytest.raises(ScenarioError, match="a device there needs a backhaul"):
        load(f"  wifi_cell: {TOPOLOGIES['wifi_cell'].replace(f'backhaul: {LINK}, ', '')}\n")


def test_routes_to_an_edge_node_are_the_first_part_of_those_to_the_server():
    device = DeviceProfile.from_speed("d", 1e9)
    link = AccessLink(1e6, 2e6, 0.25)
    topology = tiers(
        server=Server(device),
        branches=[Branch(2, link, [Clients(device, 3, link)], computer=Computer(device))],
    )
    client = "edge-1.d-2"
    whole = topology.route(client, "server")
    parts = topology.route(client, "edge-1"), topology.route("edge-1", "server")
    assert whole.resources == parts[0].resources + parts[1].resources
    assert whole.delay_s == parts[0].delay_s + parts[1].delay_s
    assert topology.route("edge-1", client).resources == (("edge-1.d-2.down", 1.0),)
    assert topology.path("server", client)[1:] == topology.path("edge-1", client)
