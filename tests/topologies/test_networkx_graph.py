import networkx
import pytest
from shapes import FOUR_G, NANO, PI, SERVER, WIRE

from cutlayer.topologies import Attribute, Distance, Residents, Route, TopologyError, from_networkx
from cutlayer.topologies.builders.network_edges import AssumedDelay, assumed_delay
from cutlayer.topologies.builders.network_nodes import network_nodes
from cutlayer.topologies.builders.networkx_graph import count_of
from cutlayer.topologies.distance import FIBRE_M_PER_S, great_circle_m, position_of


def path_graph(*edges, **options):
    return topology_of(networkx.Graph(edges or [("a", "b"), ("b", "c")]), **options)


def topology_of(graph, **options):
    arguments = {
        "server": SERVER,
        "server_at": "c",
        "clients": [Residents(PI, 1, FOUR_G, "all")],
        "rate": 1e6,
        "delay": 0.001,
        **options,
    }
    return from_networkx(graph, **arguments)


def test_nodes_forward_and_clients_are_connected_to_them():
    topology = path_graph()
    assert topology.clients == ("a.pi-0", "b.pi-0", "c.pi-0")
    assert topology.route("a.pi-0", "server") == Route(
        (("a.pi-0.up", 1.0), ("a->b", 1.0), ("b->c", 1.0)), pytest.approx(0.027)
    )
    assert topology.route("server", "c.pi-0").resources == (("c.pi-0.down", 1.0),)
    with_link = path_graph(server_link=WIRE)
    assert with_link.route("c.pi-0", "server").resources[-1] == ("server.down", 1.0)


def test_clients_are_at_the_given_nodes():
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
        (
            {"speed": 0},
            Attribute("speed", 1.0),
            0.0,
            "has '0' as speed: expected a number above 0 for",
        ),
        ({"speed": "fast"}, Attribute("speed", 1.0), 0.0, "has 'fast' as speed"),
        ({"speed": float("nan")}, Attribute("speed", 1.0), 0.0, "has 'nan' as speed"),
        ({"speed": 1e20}, Attribute("speed", 1.0), 0.0, "has '1e\\+20' as speed"),
        (
            {"ms": 1e16},
            1e6,
            Attribute("ms", 1e-3),
            "has '1e\\+16' as ms: expected a number for its",
        ),
        ({"speed": True}, Attribute("speed", 1.0), 0.0, "has 'True' as speed"),
        ({"ms": -1}, 1e6, Attribute("ms", 1e-3), "has '-1' as ms: expected a number for its delay"),
        ({}, 1e6, Distance(), "no edge has a longitude and latitude at both ends"),
    ],
)
def test_edges_with_invalid_figures_are_refused(data, rate, delay, problem):
    with pytest.raises(TopologyError, match=problem):
        path_graph(("a", "b", data), ("b", "c", data), rate=rate, delay=delay)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"server_at": "d"},
            "the server is at 'd', which is not a node of the network; known are a",
        ),
        ({"clients": [Residents(PI, 1, FOUR_G, ["aa"])]}, "'pi' is at 'aa', which is not a node"),
        ({"clients": [Residents(PI, 0, FOUR_G, "all")]}, "'pi' has a count of 0"),
        ({"clients": []}, "there is no client"),
    ],
)
def test_unknown_nodes_are_refused(options, problem):
    with pytest.raises(TopologyError, match=problem):
        path_graph(**options)


def test_parallel_edges_are_one_link_and_loops_are_left_out():
    graph = networkx.MultiGraph()
    graph.add_edge("a", "b", speed=1e6, s=0.5)
    graph.add_edge("b", "a", speed=2e6, s=0.25)
    graph.add_edge("a", "a", speed=9e6, s=0.1)
    one = [Residents(PI, 1, FOUR_G, ["a"])]
    topology = topology_of(
        graph, server_at="b", clients=one, rate=Attribute("speed", 1.0), delay=Attribute("s", 1.0)
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
    with pytest.raises(TopologyError, match="'pi' is at 'a', which is not connected with the serv"):
        from_networkx(networkx.DiGraph([("a", "b")]), clients=clients, **arguments)


def test_a_part_of_the_network_without_the_server_is_kept_but_not_used():
    edges = [("a", "b", {}), ("c", "d", {}), ("d", "e", {})]
    everywhere = path_graph(*edges)
    assert everywhere.clients == ("c.pi-0", "d.pi-0", "e.pi-0")
    assert everywhere.unconnected == ("a", "b")
    spread = path_graph(*edges, clients=[Residents(PI, 4, FOUR_G, "spread")])
    assert spread.clients == ("c.pi-0", "c.pi-1", "d.pi-0", "e.pi-0")
    named = path_graph(*edges, clients=[Residents(PI, 1, FOUR_G, ["d"])])
    assert named.clients == ("d.pi-0",)
    assert path_graph().unconnected == ()
    with pytest.raises(TopologyError, match="is at 'a', which is not connected with the server's"):
        path_graph(*edges, clients=[Residents(PI, 1, FOUR_G, ["a"])])


def names_of(graph):
    return list(network_nodes(graph).names.values())


def test_nodes_have_their_labels_as_names_if_these_are_unique():
    graph = networkx.Graph()
    graph.add_node(0, label="Bern", name="x")
    graph.add_node(1, label="Basel", name="x")
    assert names_of(graph) == ["Bern", "Basel"]
    graph.add_node(2)
    assert names_of(graph) == ["Bern", "Basel", "2"]
    graph.add_node(3, label="?")
    graph.add_node(4, label="?")
    assert names_of(graph) == ["Bern", "Basel", "2", "3", "4"]
    graph.add_node(5, label="3")  # which another node is called
    assert names_of(graph) == ["Bern", "Basel", "2", "3", "4", "5"]
    graph.add_node(6, label="New\nYork\x1b")
    assert names_of(graph)[-1] == "New York "
    graph.add_node("2")
    with pytest.raises(TopologyError, match="2 nodes that are written '2'"):
        network_nodes(graph)
    with pytest.raises(TopologyError, match="no nodes"):
        network_nodes(networkx.Graph())


def test_a_node_is_found_by_its_name_or_its_key():
    graph = networkx.Graph()
    for key, label in enumerate(["Bern", "Basel", "?", "?"]):
        graph.add_node(key, label=label)
    nodes = network_nodes(graph)
    assert [nodes.key_of(called) for called in ("Bern", "0", "3")] == [0, 0, 3]
    for called, said in [
        ("?", r"is the name of 2 nodes of the network: choose one by its id \(2, 3\)"),
        ("Brn", "is not a node of the network; did you mean 'Bern'"),
        ("zzzzz", "is not a node of the network; known are Bern, Basel, 2, 3"),
    ]:
        with pytest.raises(TopologyError, match=said):
            nodes.key_of(called)


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
    one = [Residents(PI, 1, FOUR_G, ["a"])]
    topology = topology_of(graph, server_at="b", clients=one, delay=Distance())
    assert topology.route("a.pi-0", "server").delay_s == pytest.approx(0.025 + 0.0500378, rel=1e-6)
    assert topology.node("a").position == (0.0, 0.0)


@pytest.fixture
def partly_placed():
    """Edges of 1, 2 and 4 degrees of the equator, and two to a node without a position."""
    graph = networkx.Graph([("a", "b"), ("b", "c"), ("c", "d"), ("d", "x"), ("x", "a")])
    for name, longitude in zip("abcd", (0, 1, 3, 7), strict=True):
        graph.nodes[name].update(lat=0, long=longitude)
    return graph


def test_the_delay_to_a_node_without_a_position_is_the_median_of_the_others(partly_placed):
    two_degrees = great_circle_m((1, 0), (3, 0)) / FIBRE_M_PER_S
    assert assumed_delay(partly_placed, Distance()) == AssumedDelay(two_degrees, 2, 5)
    one = [Residents(PI, 1, FOUR_G, ["a"])]
    topology = topology_of(partly_placed, server_at="x", clients=one, delay=Distance())
    assert topology.links["x->a"].delay_s == topology.links["d->x"].delay_s == two_degrees
    assert topology.links["c->d"].delay_s == pytest.approx(2 * two_degrees)
    assert topology.route("a.pi-0", "server").delay_s == pytest.approx(0.025 + two_degrees)


def test_the_delay_to_a_node_without_a_position_may_be_given(partly_placed):
    given = Distance(otherwise_s=0.5)
    assert assumed_delay(partly_placed, given) == AssumedDelay(0.5, 2, 5)
    assert assumed_delay(networkx.Graph([("a", "b")]), given) == AssumedDelay(0.5, 1, 1)
    partly_placed.remove_node("x")
    assert assumed_delay(partly_placed, given) is None


@pytest.mark.parametrize(
    ("attributes", "position"),
    [
        ({"Longitude": -74.0, "Latitude": 40.7}, (-74.0, 40.7)),
        ({"longitude": 1, "latitude": 2}, (1.0, 2.0)),
        ({"lng": 1, "lat": 2}, (1.0, 2.0)),
        ({"long": 1, "lat": 2}, (1.0, 2.0)),
        ({"LONG": "1.0", "Lat": " 2e0"}, (1.0, 2.0)),
        ({"Long": 1, "LATITUDE": 2, "lng": 3}, (1.0, 2.0)),
        ({"lon": "\u0661", "lat": 2}, None),
        ({"lon": 1, "lat": 10**400}, None),
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
