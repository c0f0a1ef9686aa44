import json

import networkx
import pytest

from topologies import TopologyError, network_files, read_network, topohub_network
from topologies.builders.networkx_graph import node_names
from topologies.distance import great_circle_m, position_of


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
    assert list(node_names(read).values()) == ["Bern", "Basel", "Genf"]
    assert edges_of(read) == edges_of(zoo)
    assert read.edges["0", "1"]["LinkSpeedRaw"] == 10e9
    assert position_of(read.nodes["1"]) == (7.59, 47.56)
    assert not read.is_directed()


@pytest.mark.parametrize("edges", ["edges", "links"])
@pytest.mark.parametrize("kind", [networkx.Graph, networkx.DiGraph, networkx.MultiDiGraph])
def test_node_link_json_as_networkx_writes_it(zoo, tmp_path, edges, kind):
    data = networkx.node_link_data(kind(zoo), edges=edges)
    (tmp_path / "zoo.json").write_text(json.dumps(data))
    read = read_network(tmp_path / "zoo.json")
    assert type(read) is kind
    assert edges_of(networkx.Graph(read)) == edges_of(zoo)


BOMB = """<?xml version="1.0"?>
<!DOCTYPE g [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<graphml><graph edgedefault="undirected"><node id="&b;"/></graph></graphml>"""


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"", "is no network file: expected a name that ends in .graphml or .json"),
        ("a.gpickle", b"cos\nsystem\n(S'true'\ntR.", "is no network file"),
        ("a.graphml", b"", "cannot be read as a network: "),
        ("a.graphml", b"<graphml", "cannot be read as a network: "),
        ("a.graphml", b"<graphml></graphml>", "cannot be read as a network: "),
        ("a.graphml", b"\xff\xfe<", "is not text in UTF-8"),
        ("a.graphml", BOMB.encode(), "has a document type or entities, which are not read"),
        ("a.graphml", BOMB.encode("utf-16"), "is not text in UTF-8"),
        ("a.json", b"{", "cannot be read as a network: "),
        ("a.json", b"[" * 200_000, "cannot be read as a network: "),
        ("a.json", b"[]", "is no node-link JSON: expected a mapping with nodes and edges"),
        ("a.json", b'{"nodes": []}', "expected a list of edges"),
        ("a.json", b'{"nodes": [], "edges": []}', "has 0 nodes: expected 1 to 100000"),
        ("a.json", b'{"nodes": [{"x": 1}], "edges": []}', "cannot be read as a network: "),
        ("a.json", b'{"nodes": [3], "edges": []}', "cannot be read as a network: "),
        (
            "a.json",
            b'{"nodes": [{"id": 0}], "edges": [{"source": 0, "target": 1}]}',
            "has an edge to 1, which is no node",
        ),
    ],
)
def test_odd_files_are_refused_in_a_sentence(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TopologyError) as refused:
        read_network(path)
    assert str(refused.value).startswith(str(path))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < len(str(path)) + 200


def test_files_that_are_not_there_or_too_large_are_refused(tmp_path, monkeypatch):
    with pytest.raises(TopologyError, match=r"none\.json cannot be read: No such file"):
        read_network(tmp_path / "none.json")
    (tmp_path / "d.json").mkdir()
    with pytest.raises(TopologyError, match="cannot be read: Is a directory"):
        read_network(tmp_path / "d.json")
    monkeypatch.setattr(network_files, "MAX_BYTES", 10)
    (tmp_path / "big.json").write_text(" " * 11)
    with pytest.raises(TopologyError, match=r"big\.json is larger than"):
        read_network(tmp_path / "big.json")
    monkeypatch.setattr(network_files, "MAX_BYTES", 1000)
    monkeypatch.setattr(network_files, "MAX_NODES", 2)
    data = {"nodes": [{"id": i} for i in range(3)], "edges": []}
    (tmp_path / "big.json").write_text(json.dumps(data))
    with pytest.raises(TopologyError, match="has 3 nodes: expected 1 to 2"):
        read_network(tmp_path / "big.json")


def test_topohub_is_asked_for_where_it_is_missing(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(network_files.importlib, "import_module", missing)
    with pytest.raises(TopologyError, match=r"not installed: pip install 'cutlayer\[topologies\]'"):
        topohub_network("topozoo/Abilene")


def test_topohub_has_the_topology_zoo_and_sndlib():
    pytest.importorskip("topohub")
    abilene = topohub_network("topozoo/Abilene")
    assert (len(abilene), abilene.number_of_edges()) == (11, 14)
    names = node_names(abilene)
    assert {"Seattle", "Kansas City", "New York"} <= set(names.values())
    # The distances of the package, in km, are great circles of its own making.
    for here, there, data in abilene.edges(data=True):
        ends = [position_of(abilene.nodes[node]) for node in (here, there)]
        assert great_circle_m(*ends) / 1e3 == pytest.approx(data["dist"], rel=0.006)
    germany = topohub_network("sndlib/germany50")
    assert len(germany) == 50
    assert "Frankfurt" in node_names(germany).values()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("topozoo/Abilenne", "no network 'topozoo/Abilenne'; did you mean 'topozoo/Abilene'"),
        ("Abilene", "is no network of topohub: expected a group"),
        ("topozoo/../../graph", "is no network of topohub"),
        ("../topozoo/Abilene", "is no network of topohub"),
        ("topozoo/", "is no network of topohub"),
        ("topozoo//etc/passwd", "is no network of topohub"),
    ],
)
def test_networks_that_topohub_has_not_are_refused(name, problem):
    pytest.importorskip("topohub")
    with pytest.raises(TopologyError) as refused:
        topohub_network(name)
    assert problem in str(refused.value)
