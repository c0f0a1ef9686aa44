import networkx
import pytest
from shapes import FOUR_G, NANO, PI, SERVER, WIRE

from topologies import Attribute, Distance, Residents, Route, TopologyError, from_networkx
from topologies.builders.networkx_graph import count_of, node_names
from topologies.distance import FIBRE_M_PER_S, great_circle_m, position_of


def path_graph(*edges, **options):
    graph = networkx.Graph()
    for source, target, data in edges or [("a", "b", {}), ("b", "c", {})]:
        graph.add_edge(source, target, **data)
    arguments = {
        "server": SERVER,
        "server_at": "c",
        "clients": [Residents(PI, 1, FOUR_G, "all")],
        "rate": 1e6,
        "delay": 0.001,
        **options,
    }
    return from_networkx(graph, **arguments)


def test_nodes_forward_and_clients_hang_on_them():
    topology = path_graph()
    assert topology.clients == ("a.pi-0", "b.pi-0", "c.pi-0")
    assert topology.route("a.pi-0", "server") == Route(
        (("a.pi-0.up", 1.0), ("a->b", 1.0), ("b->c", 1.0)), pytest.approx(0.027)
    )
    assert topology.route("server", "c.pi-0").resources == (("c.pi-0.down", 1.0),)
    with_link = path_graph(server_link=WIRE)
    assert with_link.route("c.pi-0", "server").resources[-1] == ("server.down", 1.0)


def test_clients_are_where_they_are_said_to_be():
    topology = path_graph(
        clients=[
            Residents(PI, 2, FOUR_G, ["b", "c"]),
            Residents(NANO, 1, FOUR_G, ["b"], "attic"),
            Residents(PI, 1, FOUR_G, ["b"]),
        ]
    )
    assert topology.clients == ("b.pi-0", "b.pi-1", "b.attic", "b.pi-2", "c.pi-0", "c.pi-1")


@pytest.mark.parametrize(
    ("count", "counts"), [(1, "1000"), (2, "1010"), (3, "1110"), (4, "1111"), (6, "2121")]
)
def test_spread_clients_differ_by_one_at_most(count, counts):
    edges = [("a", "b", {}), ("b", "c", {}), ("c", "d", {})]
    topology = path_graph(*edges, clients=[Residents(PI, count, FOUR_G, "spread")])
    found = [sum(c.startswith(f"{n}.") for c in topology.clients) for n in "abcd"]
    assert "".join(map(str, found)) == counts
    assert sum(found) == count == count_of(count, "spread", 4)
    assert (count_of(count, "all", 4), count_of(count, ["a"], 4)) == (4 * count, count)


def test_rates_and_delays_can_be_attributes_with_a_unit():
    edges = [("a", "b", {"speed": "2e6", "ms": 4}), ("b", "c", {"ms": 0})]
    topology = path_graph(*edges, rate=Attribute("speed", 0.125, 7e6), delay=Attribute("ms", 1e-3))
    assert topology.resources["a->b"] == topology.resources["b->a"] == 2.5e5
    assert topology.resources["c->b"] == 7e6
    assert topology.route("a.pi-0", "server").delay_s == pytest.approx(0.029)


@pytest.mark.parametrize(
    ("data", "rate", "delay", "problem"),
    [
        ({"speed": 1}, Attribute("sped", 1.0), 0.0, "'a' to 'b' has no 'sped' for its rate; did"),
        ({"speed": 0}, Attribute("speed", 1.0), 0.0, "has '0' as speed: expected a number for its"),
        ({"speed": "fast"}, Attribute("speed", 1.0), 0.0, "has 'fast' as speed"),
        ({"speed": float("nan")}, Attribute("speed", 1.0), 0.0, "has 'nan' as speed"),
        ({"speed": True}, Attribute("speed", 1.0), 0.0, "has 'True' as speed"),
        ({"ms": -1}, 1e6, Attribute("ms", 1e-3), "has '-1' as ms: expected a number for its delay"),
        ({}, 1e6, Distance(), "node 'a' has no longitude and latitude"),
    ],
)
def test_edges_without_sound_figures_are_refused(data, rate, delay, problem):
    with pytest.raises(TopologyError, match=problem):
        path_graph(("a", "b", data), ("b", "c", data), rate=rate, delay=delay)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"server_at": "d"}, "the server is at 'd', which is no node of the network; there are a"),
        ({"clients": [Residents(PI, 1, FOUR_G, ["aa"])]}, "'pi' is at 'aa', which is no node"),
        ({"clients": [Residents(PI, 0, FOUR_G, "all")]}, "'pi' has a count of 0"),
        ({"clients": []}, "there is no client"),
    ],
)
def test_places_that_are_not_there_are_refused(options, problem):
    with pytest.raises(TopologyError, match=problem):
        path_graph(**options)


def test_parallel_edges_are_one_link_and_loops_are_none():
    graph = networkx.MultiGraph()
    graph.add_edge("a", "b", speed=1e6, s=0.5)
    graph.add_edge("b", "a", speed=2e6, s=0.25)
    graph.add_edge("a", "a", speed=9e6, s=0.1)
    topology = from_networkx(
        graph,
        server=SERVER,
        server_at="b",
        clients=[Residents(PI, 1, FOUR_G, ["a"])],
        rate=Attribute("speed", 1.0),
        delay=Attribute("s", 1.0),
    )
    assert topology.resources["a->b"] == topology.resources["b->a"] == 3e6
    assert topology.route("a.pi-0", "server").delay_s == 0.275


def test_edges_of_a_directed_graph_are_one_way():
    graph = networkx.DiGraph([("a", "b"), ("b", "c"), ("c", "a")])
    arguments = {"server": SERVER, "server_at": "b", "rate": 1e6, "delay": 0.001}
    clients = [Residents(PI, 1, FOUR_G, ["a"])]
    topology = from_networkx(graph, clients=clients, **arguments)
    assert len(topology.path("a.pi-0", "server")) == 3
    assert len(topology.path("server", "a.pi-0")) == 4
    with pytest.raises(TopologyError, match=r"no way from 'server' to 'a\.pi-0'"):
        from_networkx(networkx.DiGraph([("a", "b")]), clients=clients, **arguments)


def test_a_part_of_the_network_without_clients_may_be_cut_off():
    edges = [("a", "b", {}), ("c", "d", {})]
    residents = [Residents(PI, 1, FOUR_G, ["d"])]
    assert path_graph(*edges, clients=residents).clients == ("d.pi-0",)
    with pytest.raises(TopologyError, match=r"no way from 'a\.pi-0' to 'server'"):
        path_graph(*edges)


def test_nodes_are_called_by_their_labels_if_these_tell_them_apart():
    graph = networkx.Graph()
    graph.add_node(0, label="Bern", name="x")
    graph.add_node(1, label="Basel", name="x")
    assert list(node_names(graph).values()) == ["Bern", "Basel"]
    graph.add_node(2)
    assert list(node_names(graph).values()) == ["0", "1", "2"]
    graph.add_node("2")
    with pytest.raises(TopologyError, match="2 nodes that are written '2'"):
        node_names(graph)
    with pytest.raises(TopologyError, match="no nodes"):
        node_names(networkx.Graph())


def test_great_circles_are_as_long_as_known_ones():
    quarter = great_circle_m((0, 0), (90, 0))
    assert quarter == pytest.approx(10_007_557, rel=1e-6)
    assert great_circle_m((0, 90), (123, 0)) == pytest.approx(quarter)
    assert great_circle_m((10, 20), (10, 20)) == 0
    assert great_circle_m((0, 0), (180, 0)) == pytest.approx(2 * quarter)
    # One degree of longitude at 60 degrees is half of one at the equator (within 1e-4).
    near = great_circle_m((0, 60), (1, 60)) / great_circle_m((0, 0), (1, 0))
    assert near == pytest.approx(0.5, rel=1e-4)


def test_the_delay_of_a_distance_is_that_of_light_in_fibre():
    paris, new_york = (2.3522, 48.8566), (-74.0060, 40.7128)
    assert great_circle_m(paris, new_york) == pytest.approx(5_837e3, rel=1e-3)
    assert Distance().delay_s(paris, new_york) == pytest.approx(0.02918, rel=1e-3)
    assert Distance(1.4).delay_s(paris, new_york) == pytest.approx(0.04086, rel=1e-3)
    assert pytest.approx(299_792_458 / 1.5, rel=1e-3) == FIBRE_M_PER_S


def test_positions_make_delays():
    graph = networkx.Graph([("a", "b")])
    graph.nodes["a"].update(Longitude=0.0, Latitude=0.0)
    graph.nodes["b"].update(pos=[90.0, 0.0])
    topology = from_networkx(
        graph,
        server=SERVER,
        server_at="b",
        clients=[Residents(PI, 1, FOUR_G, ["a"])],
        rate=1e6,
        delay=Distance(),
    )
    assert topology.route("a.pi-0", "server").delay_s == pytest.approx(0.025 + 0.0500378, rel=1e-6)
    assert topology.node("a").position == (0.0, 0.0)


@pytest.mark.parametrize(
    ("attributes", "position"),
    [
        ({"Longitude": -74.0, "Latitude": 40.7}, (-74.0, 40.7)),
        ({"longitude": 1, "latitude": 2}, (1.0, 2.0)),
        ({"lng": 1, "lat": 2}, (1.0, 2.0)),
        ({"pos": (1, 2)}, (1.0, 2.0)),
        ({"Longitude": "far", "Latitude": 1.0, "pos": [3, 4]}, (3.0, 4.0)),
        ({"pos": [1, 2, 3]}, None),
        ({"pos": [0, 91]}, None),
        ({"pos": [True, False]}, None),
        ({"pos": [float("nan"), 0]}, None),
        ({"Longitude": 1.0}, None),
    ],
)
def test_positions_are_read_as_network_files_write_them(attributes, position):
    assert position_of(attributes) == position
