"""Topologies of scenarios, from the file to the rates of transfers."""

import json

import networkx
import pytest
from simpy import Environment

from cutlayer import load_scenario, run
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.build.checks import topology_checked
from cutlayer.sim.build.links import links_of
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.network import Network
from cutlayer.topologies import Topology

HEAD = """\
name: t
data: {dataset: digits, test_fraction: 0.2, train_samples: 200, partition: {sizes: 4}}
model: {name: lenet, cut: 1}
training: {rounds: 1, batch_size: 4, optimizer: {name: sgd, lr: 0.01}}
methods: [splitfed]
topology:
"""
SERVER = "server: {device: server-8-core, slots: 1}"
PI = "device: raspberry-pi-4b"
FAST = "{up: 10 Gbit/s, down: 10 Gbit/s, delay: 3 ms}"
WIFI = f"""\
  cells:
    {SERVER}
    cells:
      - wifi:
          delay: 2 ms
          backhaul: {FAST}
          clients: [{{{PI}, count: 3, rate: 40 Mbit/s}}, {{{PI}, rate: 4 Mbit/s, name: slow}}]
"""
CELLULAR = f"""\
  cells:
    {SERVER}
    cells:
      - cellular:
          delay: 15 ms
          backhaul: {FAST}
          clients:
            - {{{PI}, count: 3, up: 8 Mbit/s, down: 80 Mbit/s, name: near}}
            - {{{PI}, up: 2 Mbit/s, down: 8 Mbit/s, name: far}}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def loading(text: str) -> Loaded:
        (tmp_path / "t.yaml").write_text(HEAD + text, encoding="utf-8")
        return load_scenario("t.yaml")

    return loading


def rates(topology: Topology, ways: list[tuple[str, str]], *, general: bool) -> list[float]:
    """The rates of transfers on these routes, all in flight at once, in bytes per second."""
    env = Environment()
    routes = [topology.route(*way) for way in ways]
    weights = [route.weight for route in routes]
    network = Network(env, topology.resources, routes, general=general, weights=weights)
    flows = [network.start(index, 1e9) for index in range(len(routes))]
    env.run(until=1.0)
    network.check_allocation()
    return [network.rate(flow) for flow in flows]


@pytest.mark.parametrize("general", [False, True])
def test_the_slow_station_slows_a_wifi_cell(load, general):
    topology = make_topology(load(WIFI).scenario)
    ups = [(client, "server") for client in topology.clients]
    r = [5e6, 5e6, 5e6, 0.5e6]
    equal = 1 / sum(1 / rate for rate in r)
    assert rates(topology, ups, general=general) == pytest.approx([equal] * 4)
    # Downloads use the same medium: with twice the transfers, each has half the rate.
    both = ups + [("server", client) for client in topology.clients]
    assert rates(topology, both, general=general) == pytest.approx([equal / 2] * 8)
    assert rates(topology, ups[:2], general=general) == pytest.approx([2.5e6] * 2)


@pytest.mark.parametrize("general", [False, True])
def test_in_a_cellular_cell_each_client_gets_a_share_of_its_own_rate(load, general):
    topology = make_topology(load(CELLULAR).scenario)
    ups = [(client, "server") for client in topology.clients]
    downs = [("server", client) for client in topology.clients]
    up, down = [1e6, 1e6, 1e6, 0.25e6], [10e6, 10e6, 10e6, 1e6]
    assert rates(topology, ups, general=general) == pytest.approx([r / 4 for r in up])
    assert rates(topology, downs, general=general) == pytest.approx([r / 4 for r in down])
    # Uplink and downlink are separate media and do not affect each other.
    both = rates(topology, ups + downs, general=general)
    assert both == pytest.approx([r / 4 for r in up + down])
    assert rates(topology, ups[2:], general=general) == pytest.approx([0.5e6, 0.125e6])


def test_clients_behind_an_edge_node_share_its_uplink(load):
    link = "{up: 8 Mbit/s, down: 80 Mbit/s, delay: 5 ms}"
    clients = f"[{{{PI}, count: 4, link: wifi-50}}]"
    text = (
        f"  two_tier: {{{SERVER}, edge_nodes: [{{count: 2, link: {link}, clients: {clients}}}]}}\n"
    )
    topology = make_topology(load(text).scenario)
    ups = [(client, "server") for client in topology.clients]
    assert rates(topology, ups, general=False) == pytest.approx([0.25e6] * 8)
    assert rates(topology, ups[:5], general=False) == pytest.approx([0.25e6] * 4 + [1e6])


NETWORK = f"""\
  network_file:
    file: net.json
    server: {{device: server-8-core, slots: 1, at: b}}
    clients: [{{{PI}, count: 1, link: {FAST}, at: [a, c]}}]
    rate: {{attribute: {{name: Mbps, unit: Mbit/s, otherwise: 8 Mbit/s}}}}
    delay: {{attribute: {{name: delay, unit: us}}}}
    routing: inverse_rate
"""


@pytest.fixture
def net(tmp_path):
    """A triangle whose direct link from a to b is short and slow."""
    graph = networkx.Graph()
    graph.add_edge("a", "b", Mbps=1, delay=10)
    graph.add_edge("a", "c", Mbps=80, delay=2000)
    graph.add_edge("c", "b", delay=3000)
    (tmp_path / "net.json").write_text(
        json.dumps(networkx.node_link_data(graph, edges="edges")), encoding="utf-8"
    )


def test_a_network_file_has_its_rates_delays_and_routing(load, net):
    topology = make_topology(load(NETWORK).scenario)
    far = topology.route("a.raspberry-pi-4b-0", "server")
    assert [name for name, _ in far.resources[1:]] == ["a->c", "c->b"]
    assert far.delay_s == pytest.approx(0.003 + 0.002 + 0.003)
    assert topology.resources["a->c"] == 10e6
    assert topology.resources["c->b"] == 1e6
    direct = make_topology(load(NETWORK.replace("inverse_rate", "delay")).scenario)
    assert len(direct.path("a.raspberry-pi-4b-0", "server")) == 3


def test_missing_attributes_of_a_network_are_reported_at_the_topology(load, net):
    loaded = load(NETWORK.replace("name: delay", "name: dealy"))
    with pytest.raises(ValueError, match=r"t\.yaml:\d+: topology: the edge from 'a' to 'b' has"):
        topology_checked(loaded)


@pytest.mark.parametrize("text", [WIFI, CELLULAR, NETWORK], ids=["wifi", "cellular", "network"])
def test_every_kind_of_topology_runs(load, net, text):
    (result,) = run(load(text), executor="none")
    (method,) = result.methods.values()
    assert result.status == "complete"
    assert method.rounds[0].virtual_time_s > 0


def test_links_are_found_in_every_part_of_a_section(load):
    text = f"""\
  three_tier:
    server: {{device: server-8-core, slots: 1, link: wifi-50}}
    regions:
      - link: {FAST}
        edge_nodes: [{{link: fedfly-75, clients: [{{{PI}, link: 4g}}]}}]
""".replace("fedfly-75", "{name: fedfly-75, delay: 1 ms}")
    assert set(links_of(load(text).scenario)) == {"wifi-50", "fedfly-75", "4g"}


LINKED = "server: {device: server-8-core, slots: 1, link: 4g}"
ONE = f"clients: [{{{PI}, link: 4g}}]"
KINDS = {
    "star": f"{{{LINKED}, {ONE}}}",
    "cells": (
        f"{{{LINKED}, cells: [{{wifi: {{rate: 1 MB/s, delay: 0 s, backhaul: 4g, "
        f"clients: [{{{PI}}}]}}}}]}}"
    ),
    "two_tier": f"{{{LINKED}, edge_nodes: [{{link: 4g, {ONE}}}]}}",
    "three_tier": f"{{{LINKED}, regions: [{{link: 4g, edge_nodes: [{{link: 4g, {ONE}}}]}}]}}",
    "ring": f"{{{LINKED}, sites: 3, server_at: 1, link: 4g, {ONE}}}",
    "mesh": f"{{{LINKED}, sites: 3, server_at: 1, link: 4g, {ONE}}}",
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_routes_use_the_servers_own_link(load, kind):
    topology = make_topology(load(f"  {kind}: {KINDS[kind]}\n").scenario)
    for client in topology.clients:
        assert topology.route(client, "server").resources[-1][0] == "server.down"
        assert topology.route("server", client).resources[0][0] == "server.up"
    if kind in ("ring", "mesh"):
        assert topology.graph.has_edge("server", "site-1")


@pytest.mark.parametrize("kind", ["ring", "mesh"])
def test_routing_of_sites_is_that_of_the_section(load, kind):
    for routing in ("delay", "hops", "inverse_rate"):
        section = KINDS[kind].replace("sites: 3", f"sites: 3, routing: {routing}")
        assert make_topology(load(f"  {kind}: {section}\n").scenario).routing == routing


def test_routing_of_a_graph_is_that_of_the_section(load):
    text = f"""\
  graph:
    {SERVER}
    nodes: {{c: {{client: {{{PI}}}}}, x: relay}}
    edges:
      - {{from: c, to: server, link: {{rate: 1 Mbit/s, delay: 9 ms, duplex: full}}}}
      - {{from: c, to: x, link: {{rate: 1 Mbit/s, delay: 1 ms, duplex: full}}}}
      - {{from: x, to: server, link: {{rate: 1 Mbit/s, delay: 1 ms, duplex: full}}}}
"""
    assert len(make_topology(load(text).scenario).path("c", "server")) == 2
    assert len(make_topology(load(f"{text}    routing: hops\n").scenario).path("c", "server")) == 1
