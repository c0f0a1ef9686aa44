"""The topologies beyond a star: their forms, how many clients they have, and their bad values."""

import json
import os

import networkx
import pytest
import yaml
from test_scenario_schema import valid

from cutlayer.scenarios import json_schema

HEAD = """\
name: t
data: {dataset: digits}
model: {name: vgg5, cut: 1}
training: {rounds: 1, batch_size: 10, optimizer: {name: sgd, lr: 0.01}}
methods: [classic_fl]
topology:
"""
SERVER = "server: {device: server-8-core, slots: 1}"
PI = "device: raspberry-pi-4b"
LINK = "{up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms}"

TOPOLOGIES = {
    "cells": (
        23,
        f"""\
  cells:
    server: {{device: server-8-core, slots: 1, link: {LINK}}}
    cells:
      - wifi: {{name: office, rate: 38 Mbit/s, delay: 2 ms, backhaul: 4g, clients: [{{{PI}, count: 3}}]}}
      - wifi: {{delay: 2 ms, backhaul: 4g, clients: [{{{PI}, count: 2, rate: 6 Mbit/s}}]}}
      - cellular:
          count: 2
          delay: 15 ms
          backhaul: {LINK}
          clients:
            - {{{PI}, count: 4, up: 10 Mbit/s, down: 80 Mbit/s, name: near}}
            - {{{PI}, count: 5, up: 2 Mbit/s, down: 20 Mbit/s}}
""",
    ),
    "two_tier": (
        43,
        f"""\
  two_tier:
    {SERVER}
    edge_nodes:
      - {{count: 4, link: {LINK}, clients: [{{{PI}, count: 10, link: wifi-50}}]}}
      - {{name: rural, link: 4g, clients: [{{{PI}, link: 4g}}, {{{PI}, count: 2, link: 4g}}]}}
""",
    ),
    "three_tier": (
        2 * (3 * 5 + 1),
        f"""\
  three_tier:
    {SERVER}
    regions:
      - count: 2
        link: {LINK}
        edge_nodes:
          - {{count: 3, link: {LINK}, clients: [{{{PI}, count: 5, link: wifi-50}}]}}
          - {{link: {LINK}, clients: [{{{PI}, link: wifi-50}}]}}
""",
    ),
    "ring": (
        12,
        f"""\
  ring:
    {SERVER}
    sites: 6
    server_at: 5
    link: {LINK}
    clients: [{{{PI}, count: 2, link: wifi-50}}]
    routing: hops
""",
    ),
    "mesh": (
        4,
        f"""\
  mesh: {{{SERVER}, sites: 2, link: 4g, clients: [{{{PI}, count: 2, link: wifi-50}}]}}
""",
    ),
    "network_file": (
        3 + 2 * 2 + 3,
        f"""\
  network_file:
    file: zoo.graphml
    server: {{device: server-8-core, slots: 1, at: Bern}}
    clients:
      - {{{PI}, link: 4g, at: all}}
      - {{{PI}, count: 2, link: 4g, at: [Bern, Genf], name: two}}
      - {{{PI}, count: 3, link: 4g, at: spread, name: three}}
    rate: {{attribute: {{name: LinkSpeedRaw, unit: bit/s, otherwise: 1 Gbit/s}}}}
    delay: distance
""",
    ),
}


@pytest.fixture(autouse=True)
def zoo(tmp_path, monkeypatch):
    """The working directory has a file with a small network."""
    graph = networkx.Graph()
    for key, name in enumerate(["Bern", "Basel", "Genf"]):
        graph.add_node(str(key), label=name, Longitude=7.0 + key, Latitude=47.0)
    graph.add_edge("0", "1", LinkSpeedRaw=10e9)
    graph.add_edge("1", "2")
    networkx.write_graphml(graph, tmp_path / "zoo.graphml")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_they_are_read_counted_and_written(read, known, kind):
    count, text = TOPOLOGIES[kind]
    loaded = read(HEAD + text)
    assert loaded.scenario.client_count == count
    written = loaded.resolved()
    assert read(json.dumps(written)).resolved() == written
    schema = json_schema(known["methods"], known["models"], known["datasets"])
    for form in (yaml.safe_load(HEAD + text), written):
        assert valid(form, schema, schema)


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_there_cannot_be_more_clients_in_a_round_than_in_all(problems, read, kind):
    count, text = TOPOLOGIES[kind]
    whole = HEAD + text
    assert read(whole, f"training.clients_per_round={count}")
    (said,) = problems(whole, f"training.clients_per_round={count + 1}")
    assert f"must be at most {count}, the number of clients" in said


@pytest.mark.parametrize(
    ("delay", "kind"),
    [
        ("5 ms", "float"),
        ("distance", "ByDistance"),
        ("{distance: {detour: 1.4}}", "ByDistance"),
        ("{attribute: {name: latency, unit: ms}}", "DelayAttribute"),
    ],
)
def test_forms_of_a_delay(read, delay, kind):
    _, text = TOPOLOGIES["network_file"]
    section = read(HEAD + text.replace("delay: distance", f"delay: {delay}")).scenario.topology
    assert type(section.delay).__name__ == kind


def test_a_node_named_by_a_number_need_not_be_quoted(read):
    networkx.write_graphml(networkx.path_graph(3), "numbers.graphml")
    _, text = TOPOLOGIES["network_file"]
    text = text.replace("zoo", "numbers").replace("at: Bern", "at: 1").replace("Bern, Genf", "0, 2")
    section = read(HEAD + text).scenario.topology
    assert section.server.at == "1"
    assert section.clients[1].places == ("0", "2")


def test_a_file_is_read_again_when_it_has_changed(read):
    _, text = TOPOLOGIES["network_file"]
    assert read(HEAD + text).scenario.client_count == 10
    graph = networkx.Graph(networkx.read_graphml("zoo.graphml"))
    graph.add_node("9", label="Chur", Longitude=9.5, Latitude=46.8)
    graph.add_edge("9", "0")
    networkx.write_graphml(graph, "zoo.graphml")
    os.utime("zoo.graphml", ns=(1, 1))
    assert read(HEAD + text).scenario.client_count == 11


CASES = [
    (
        "cells",
        "wifi: {name: office",
        "wlan: {name: office",
        'choice "wlan"; known are wifi',
    ),
    ("cells", "delay: 15 ms", "", "cells.cells.2.cellular.delay: is required"),
    ("cells", "up: 2 Mbit/s, ", "", "cellular.clients.1.up: is required"),
    ("cells", "up: 2 Mbit/s", "up: unlimited", "clients.1.up: must be limited here"),
    ("cells", "rate: 38 Mbit/s, ", "", "cells.0.wifi.clients.0.rate: is required without a rate"),
    (
        "cells",
        "wifi: {delay: 2 ms",
        "wifi: {rate: 1 MB/s, delay: 2 ms",
        "cells.1.wifi.clients.0.rate: is not allowed together with the rate of the whole cell",
    ),
    (
        "cells",
        "wifi: {delay: 2 ms",
        "wifi: {name: office, delay: 2 ms",
        "cells.1.wifi.name: is also the name of topology.cells.cells.0.wifi",
    ),
    ("cells", "backhaul: 4g", "backhaul: 5gg", "wifi.backhaul: is not a known link"),
    (
        "two_tier",
        "edge_nodes:",
        "edge_node:",
        "two_tier.edge_node: is an unknown key; did you mean 'edge_nodes'",
    ),
    ("two_tier", "name: rural, link: 4g", "name: rural", "edge_nodes.1.link: is required"),
    ("two_tier", "count: 4", "count: 0", "edge_nodes.0.count: must be at least 1"),
    ("two_tier", f"[{{{PI}, count: 10, link: wifi-50}}]", "[]", "clients: must not be empty"),
    ("two_tier", f"{PI}, link: 4g", f"{PI}, name: x, link: 4g", None),
    ("three_tier", "count: 2\n", "cuont: 2\n", "regions.0.cuont: is an unknown key; did you"),
    ("ring", "sites: 6", "sites: 2", "topology.ring: needs 3 sites or more, not 2"),
    ("ring", "server_at: 5", "server_at: 6", "has its server at site 6; sites are 0 to 5"),
    ("ring", "routing: hops", "routing: ospf", "must be delay, hops or inverse_rate"),
    ("mesh", "sites: 2", "sites: 1", "mesh.sites: must be at least 2"),
    ("network_file", "file: zoo.graphml", "", "must have one of file and topohub"),
    (
        "network_file",
        "file: zoo.graphml",
        "file: z.graphml",
        "file: is not a network: z.graphml does",
    ),
    ("network_file", "file: zoo.graphml", "file: zoo.gml", "file: is not a network: zoo.gml does"),
    (
        "network_file",
        "at: Bern",
        "at: Bren",
        "server.at: is not a node of the network; did you mean",
    ),
    ("network_file", "at: Bern", "at: all", "server.at: is not a node of the network"),
    ("network_file", "[Bern, Genf]", "[Bern, Gnf]", "clients.1.at.1: is not a node of the network"),
    ("network_file", "[Bern, Genf]", "[]", "clients.1.at: must not be empty"),
    ("network_file", "[Bern, Genf]", "every", "clients.1.at: is not a node of the network"),
    ("network_file", "unit: bit/s", "unit: bps", "unit: 'bps' in '1 bps' is not a unit of a rate"),
    ("network_file", "unit: bit/s, ", "", "rate.attribute.unit: is required"),
    ("network_file", "rate: {attribute:", "rate: {attrib:", 'the unknown choice "attrib"; did'),
    ("network_file", "delay: distance", "delay: {distance: {detour: 0.9}}", "must be at least 1"),
    ("network_file", "delay: distance", "delay: far", "delay: 'far' is not a duration"),
    ("network_file", "delay: distance", "", "network_file.delay: is required"),
    (
        "network_file",
        "name: three",
        "name: two",
        "is also the name of topology.network_file.clients.1",
    ),
]


@pytest.mark.parametrize(("kind", "old", "new", "said"), CASES)
def test_a_bad_value_is_one_sentence(problems, read, kind, old, new, said):
    _, text = TOPOLOGIES[kind]
    assert old in text
    changed = HEAD + text.replace(old, new, 1)
    if said is None:
        read(changed)
        return
    found = [line for line in problems(changed) if said in line]
    assert len(found) == 1, problems(changed)
    assert found[0].startswith("s.yaml:")


def test_a_shared_catalogue_link_is_refused_at_every_place(problems):
    _, text = TOPOLOGIES["three_tier"]
    (said,) = problems(HEAD + text.replace(f"link: {LINK}\n", "link: edpfl-hotspot\n", 1))
    assert "topology.three_tier.regions.0.link: is one medium for all stations" in said
