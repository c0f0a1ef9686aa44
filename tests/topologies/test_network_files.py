import json

import networkx
import pytest

from cutlayer.topologies import (
    AccessLink,
    DeviceProfile,
    Distance,
    Residents,
    Server,
    TopologyError,
    from_networkx,
    network_files,
    read_network,
    topohub_network,
)
from cutlayer.topologies.builders.network_edges import assumed_delay
from cutlayer.topologies.builders.network_nodes import network_nodes
from cutlayer.topologies.distance import FIBRE_M_PER_S, great_circle_m, position_of


@pytest.fixture
def zoo():
    graph = networkx.Graph(Network="Small", DateYear=2010)
    graph.add_node("0", label="Bern", Longitude=7.45, Latitude=46.95)
    graph.add_node("1", label="Basel", Longitude=7.59, Latitude=47.56)
    graph.add_node("2", label="Genf")
    graph.add_edge("0", "1", LinkSpeedRaw=10e9)
    graph.add_edge("1", "2")
    return graph


def edges_of(graph):
    return {frozenset(edge) for edge in graph.edges}


def test_graphml_as_networkx_writes_it(zoo, tmp_path):
    networkx.write_graphml(zoo, tmp_path / "zoo.graphml")
    read = read_network(tmp_path / "zoo.graphml")
    assert list(network_nodes(read).names.values()) == ["Bern", "Basel", "Genf"]
    assert edges_of(read) == edges_of(zoo)
    assert read.edges["0", "1"]["LinkSpeedRaw"] == 10e9
    assert position_of(read.nodes["1"]) == (7.59, 47.56)
    assert not read.is_directed()


@pytest.mark.parametrize("edges", ["edges", "links"])
@pytest.mark.parametrize("kind", [networkx.Graph, networkx.DiGraph, networkx.MultiDiGraph])
def test_node_link_json_as_networkx_writes_it(zoo, tmp_path, edges, kind):
    data = networkx.node_link_data(kind(zoo), edges=edges)
    (tmp_path / "zoo.json").write_text(json.dumps(data), encoding="utf-8")
    read = read_network(tmp_path / "zoo.json")
    assert type(read) is kind
    assert edges_of(networkx.Graph(read)) == edges_of(zoo)


BOMB = """<?xml version="1.0"?>
<!DOCTYPE g [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<graphml><graph edgedefault="undirected"><node id="&b;"/></graph></graphml>"""


EDGE_TO_1 = b'{"nodes": [{"id": 0}], "edges": [{"source": 0, "target": 1}]}'


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"", "is not a network file: expected a name that ends in .graphml or .json"),
        ("a.gpickle", b"cos\nsystem\n(S'true'\ntR.", "is not a network file"),
        ("a.graphml", b"", "cannot be read as a network: "),
        ("a.graphml", b"<graphml", "cannot be read as a network: "),
        ("a.graphml", b"<graphml></graphml>", "cannot be read as a network: "),
        ("a.graphml", b"\xff\xfe<", "is text in UTF-16: save it as UTF-8"),
        ("a.graphml", b"<graphml>\xff", "is not text in UTF-8 (line 1)"),
        ("a.graphml", BOMB.encode(), "has a document type or entities, which are not read"),
        ("a.graphml", BOMB.encode("utf-16"), "is text in UTF-16"),
        ("a.json", b"{", "is not valid JSON: Expecting property name"),
        ("a.json", b"[" * 200_000, "is nested too deeply"),
        ("a.json", b"1" * 5000, "holds a number of more than 4,300 digits"),
        ("a.json", b"[]", "is not node-link JSON: expected a mapping with nodes and edges"),
        ("a.json", b'{"nodes": []}', "expected a list of edges"),
        ("a.json", b'{"nodes": [], "edges": []}', ": the network has no nodes"),
        ("a.json", b'{"nodes": [{"x": 1}], "edges": []}', "has no id in node 0: expected text or"),
        (
            "a.json",
            b'{"nodes": [3], "edges": []}',
            "has no id in node 0: expected text or a number",
        ),
        ("a.json", b'{"nodes": [{"id": NaN}], "edges": []}', "number, got nan"),
        ("a.json", b'{"nodes": [{"id": {}}], "edges": []}', "number, got {}"),
        ("a.json", b'{"nodes": [{"id": 0}], "edges": [{"source": 0}]}', "has no target in edge 0"),
        (
            "a.json",
            b'{"nodes": [{"id": 0}, {"id": 0}], "edges": []}',
            "has two nodes with the id 0",
        ),
        ("a.json", EDGE_TO_1, "has an edge to 1, which is not a node"),
    ],
)
def test_invalid_files_are_refused_in_a_sentence(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TopologyError) as refused:
        read_network(path)
    assert str(refused.value).startswith(str(path))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < len(str(path)) + 200


def test_missing_and_too_large_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(TopologyError, match=r"none\.json does not exist"):
        read_network(tmp_path / "none.json")
    (tmp_path / "d.json").mkdir()
    with pytest.raises(TopologyError, match="is a folder, not a file"):
        read_network(tmp_path / "d.json")
    monkeypatch.setattr(network_files, "MAX_BYTES", 10)
    (tmp_path / "big.json").write_text(" " * 11, encoding="utf-8")
    with pytest.raises(
        TopologyError, match=r"big\.json is longer than 10 B, the most that is read"
    ):
        read_network(tmp_path / "big.json")
    monkeypatch.setattr(network_files, "MAX_BYTES", 1000)
    monkeypatch.setattr(network_files, "MAX_NODES", 2)
    data = {"nodes": [{"id": i} for i in range(3)], "edges": []}
    (tmp_path / "big.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(TopologyError, match="has 3 nodes: at most 2 are read"):
        read_network(tmp_path / "big.json")


def test_ends_of_edges_may_be_written_as_text(tmp_path):
    data = {"nodes": [{"id": 0}, {"id": 1}, {"id": [0, 1]}], "edges": []}
    data["edges"] = [{"source": "0", "target": 1, "u_of_edge": 3}, {"source": [0, 1], "target": 0}]
    (tmp_path / "a.json").write_text(json.dumps(data), encoding="utf-8")
    graph = read_network(tmp_path / "a.json")
    assert edges_of(graph) == {frozenset({0, 1}), frozenset({(0, 1), 0})}
    assert graph.edges[0, 1]["u_of_edge"] == 3


def test_a_missing_topohub_is_reported(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(network_files.importlib, "import_module", missing)
    with pytest.raises(TopologyError, match=r"not installed: pip install 'cutlayer\[topologies\]'"):
        topohub_network("topozoo/Abilene")


def test_topohub_has_the_topology_zoo_and_sndlib():
    pytest.importorskip("topohub")
    abilene = topohub_network("topozoo/Abilene")
    assert (len(abilene), abilene.number_of_edges()) == (11, 14)
    names = network_nodes(abilene).names
    assert {"Seattle", "Kansas City", "New York"} <= set(names.values())
    # The distances of the package, in km, are great circles of its own making.
    for here, there, data in abilene.edges(data=True):
        ends = [position_of(abilene.nodes[node]) for node in (here, there)]
        assert great_circle_m(*ends) / 1e3 == pytest.approx(data["dist"], rel=0.006)
    germany = topohub_network("sndlib/germany50")
    assert len(germany) == 50
    assert "Frankfurt" in network_nodes(germany).names.values()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("topozoo/Abilenne", "no network 'topozoo/Abilenne'; did you mean 'topozoo/Abilene'"),
        ("Abilene", "is not a network of topohub: expected a group"),
        ("topozoo/../../graph", "is not a network of topohub"),
        ("../topozoo/Abilene", "is not a network of topohub"),
        ("topozoo/", "is not a network of topohub"),
        ("topozoo/" + "a" * 300, "is not a network of topohub"),
        ("topozoo//etc/passwd", "is not a network of topohub"),
    ],
)
def test_networks_unknown_to_topohub_are_refused(name, problem):
    pytest.importorskip("topohub")
    with pytest.raises(TopologyError) as refused:
        topohub_network(name)
    assert problem in str(refused.value)


ZOO = ["Abilene", "Aarnet", "Geant2012", "Bics", "Cesnet201006", "Gblnet", "Itnet", "Uninett2011"]


@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo_are_topologies_with_delays(name):
    """Networks as they are, and as often in the Zoo: with duplicate labels, without positions."""
    pytest.importorskip("topohub")
    graph = topohub_network(f"topozoo/{name}")
    for damaged in (False, True):
        for index, node in enumerate(graph):
            if damaged and index % 4 == 2:
                graph.nodes[node].update(name="?", pos=None)
        nodes = network_nodes(graph)
        home = next(iter(graph))
        topology = from_networkx(
            graph,
            server=Server(DeviceProfile.from_speed("big", 1e12)),
            server_at=nodes.names[home],
            clients=[Residents(DeviceProfile.from_speed("pi", 1e9), 1, AccessLink(1, 1, 0), "all")],
            rate=1e9,
            delay=Distance(),
        )
        assert topology.unconnected == ()
        assert len(topology.clients) == len(graph)
        if damaged:
            assert nodes.names[list(graph)[2]] == list(graph)[2]
            assumed = assumed_delay(graph, Distance())
            assert 0 < assumed.edges < assumed.of
            assert 1e-6 < assumed.seconds < 0.1
            unplaced = nodes.names[list(graph)[2]]
            links = [link for link in topology.links.values() if link.source == unplaced]
            to_others = [link.delay_s for link in links if ".pi-" not in link.target]
            assert to_others
            assert set(to_others) == {assumed.seconds}


REPEATED = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key attr.name="label" attr.type="string" for="node" id="d0"/>
<key attr.name="Latitude" attr.type="double" for="node" id="d1"/>
<key attr.name="Longitude" attr.type="double" for="node" id="d2"/>
<graph edgedefault="undirected">
<node id="0"><data key="d0">London</data><data key="d1">51.5</data><data key="d2">-0.1</data></node>
<node id="1"><data key="d0">Paris</data><data key="d1">48.9</data><data key="d2">2.3</data></node>
<node id="2"><data key="d0">?</data></node>
<node id="3"><data key="d0">?</data></node>
<edge source="0" target="1"/><edge source="1" target="2"/><edge source="2" target="3"/>
</graph></graphml>"""


def test_repeated_labels_and_missing_positions_in_graphml(tmp_path):
    (tmp_path / "a.graphml").write_text(REPEATED, encoding="utf-8")
    graph = read_network(tmp_path / "a.graphml")
    assert list(network_nodes(graph).names.values()) == ["London", "Paris", "2", "3"]
    assumed = assumed_delay(graph, Distance())
    assert (assumed.edges, assumed.of) == (2, 3)
    assert assumed.seconds == pytest.approx(335e3 / FIBRE_M_PER_S, rel=0.02)


def test_graphml_of_too_many_tags_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    (tmp_path / "a.graphml").write_text(REPEATED, encoding="utf-8")
    monkeypatch.setattr(network_files, "MAX_TAGS", 20)
    with pytest.raises(TopologyError, match=r"has 34 tags: at most 20 are read"):
        read_network(tmp_path / "a.graphml")
    monkeypatch.setattr(network_files, "MAX_EDGES", 2)
    with pytest.raises(TopologyError, match=r"has 3 edges: at most 2 are read"):
        read_network(tmp_path / "a.graphml")


HEAD = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="undirected">'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<node id="a"/><edge source="a" target="B"/>', "has an edge to 'B', which is not a node"),
        ('<node id="a"/><node id="a"/>', "has two nodes with the id 'a'"),
        ('<node id="a"/><node/>', "has a node without an id"),
        ('<node id="a"/><edge source="a"/>', "has an edge without a target"),
    ],
)
def test_ambiguous_graphml_is_refused(tmp_path, body, problem):
    path = tmp_path / "odd.graphml"
    path.write_text(f"{HEAD}{body}</graph></graphml>", encoding="utf-8")
    with pytest.raises(TopologyError) as found:
        read_network(path)
    assert problem in str(found.value)


def test_a_duplicate_key_of_json_is_refused(tmp_path):
    path = tmp_path / "twice.json"
    path.write_text('{"nodes": [{"id": "a"}], "nodes": [], "links": []}', encoding="utf-8")
    with pytest.raises(TopologyError, match="is not valid JSON: 'nodes' appears twice"):
        read_network(path)
