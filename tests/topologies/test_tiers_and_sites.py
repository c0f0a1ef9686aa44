import math

import pytest
from shapes import FOUR_G, NANO, PI, SERVER, WIRE

from cutlayer.topologies import AccessLink, Branch, Clients, Route, TopologyError, mesh, ring, tiers

REGION = AccessLink(50e6, 60e6, 0.01)


def test_two_tiers_share_the_uplink_of_their_edge_node():
    topology = tiers(
        server=SERVER,
        branches=[
            Branch(2, WIRE, [Clients(PI, 2, FOUR_G), Clients(NANO, 1, FOUR_G)]),
            Branch(1, REGION, [Clients(PI, 1, FOUR_G, "attic")], name="rural"),
        ],
    )
    assert topology.clients == (
        *(f"edge-{i}.{name}" for i in (0, 1) for name in ("pi-0", "pi-1", "nano-0")),
        "rural.attic",
    )
    assert topology.route("edge-1.pi-0", "server") == Route(
        (("edge-1.pi-0.up", 1.0), ("edge-1.up", 1.0)), pytest.approx(0.03)
    )
    assert topology.route("server", "rural.attic").resources == (
        ("rural.down", 1.0),
        ("rural.attic.down", 1.0),
    )
    assert topology.resources["edge-0.up"] == 10e6
    assert topology.resources["rural.down"] == 60e6
    assert {node.role for name, node in topology.nodes.items() if "." not in name} == {
        "server",
        "relay",
    }


def test_three_tiers_and_a_link_of_the_servers_own():
    edges = [Branch(3, WIRE, [Clients(PI, 4, FOUR_G)])]
    topology = tiers(
        server=SERVER, branches=[Branch(2, REGION, branches=edges)], server_link=FOUR_G
    )
    assert len(topology.clients) == 24
    assert topology.clients[-1] == "region-1.edge-2.pi-3"
    route = topology.route("region-0.edge-1.pi-2", "server")
    assert [name for name, _ in route.resources] == [
        "region-0.edge-1.pi-2.up",
        "region-0.edge-1.up",
        "region-0.up",
        "server.down",
    ]
    assert route.delay_s == pytest.approx(0.025 + 0.005 + 0.01 + 0.025)


def test_a_ring_uses_the_shorter_direction():
    topology = ring(
        server=SERVER, sites=6, link=WIRE, clients=[Clients(PI, 1, FOUR_G)], server_at=2
    )
    assert topology.clients == tuple(f"site-{i}.pi-0" for i in range(6))
    hops = [len(topology.path(client, "server")) - 2 for client in topology.clients]
    assert hops == [2, 1, 0, 1, 2, 3]
    assert topology.route("site-3.pi-0", "server").resources[1] == ("site-3->site-2", 1.0)
    # `up` leads to the next site, so the way back over a link has its `down`.
    assert topology.resources["site-2->site-3"] == 10e6
    assert topology.resources["site-3->site-2"] == 20e6
    assert topology.resources["site-0->site-5"] == 20e6
    assert topology.resources["site-5->site-0"] == 10e6
    assert topology.route("site-2.pi-0", "server") == Route((("site-2.pi-0.up", 1.0),), 0.025)


def test_a_mesh_has_a_link_between_every_two_sites():
    topology = mesh(
        server=SERVER, sites=4, link=WIRE, clients=[Clients(PI, 2, FOUR_G)], server_link=REGION
    )
    between = {
        (link.source, link.target)
        for link in topology.links.values()
        if link.source.startswith("site") and link.target.startswith("site")
        if "." not in link.source + link.target
    }
    sites = [f"site-{i}" for i in range(4)]
    assert between == {(a, b) for a in sites for b in sites if a != b}
    assert all(len(topology.path(client, "server")) <= 3 for client in topology.clients)
    assert topology.route("site-3.pi-1", "server").resources == (
        ("site-3.pi-1.up", 1.0),
        ("site-3->site-0", 1.0),
        ("server.down", 1.0),
    )


def test_a_half_duplex_ring_has_one_medium_for_each_link():
    half = AccessLink(5e6, 5e6, 0.001, "half")
    topology = ring(server=SERVER, sites=3, link=half, clients=[Clients(PI, 1, FOUR_G)])
    assert topology.resources["site-0--site-1"] == 5e6
    assert topology.route("site-1.pi-0", "server").resources[1] == ("site-0--site-1", 1.0)


def test_delay_hops_and_rates_choose_different_routes():
    """From site 1 to site 0: directly, slow and far; over site 2, near; over site 3, fast."""
    from cutlayer.topologies import Edge, Node, from_graph

    nodes = [SERVER.node(), Node("c", "client", PI), Node("x", "relay"), Node("y", "relay")]
    edges = [
        Edge("c", "server", 1e6, 0.5),
        Edge("c", "x", 2e6, 0.1),
        Edge("x", "server", 2e6, 0.1),
        Edge("c", "y", 9e6, 0.3),
        Edge("y", "server", 9e6, 0.3),
    ]

    def way(routing):
        topology = from_graph(nodes=nodes, edges=edges, routing=routing)
        back = [link.source for link in topology.path("server", "c")]
        there = [link.target for link in topology.path("c", "server")]
        assert back[1:] == there[:-1]
        return there[:-1]

    assert way("delay") == ["x"]
    assert way("hops") == []
    assert way("inverse_rate") == ["y"]
    with pytest.raises(TopologyError, match=r"unknown routing .*; did you mean 'hops'"):
        way("hop")


def test_the_rate_of_a_link_is_its_mediums_where_that_is_less():
    from cutlayer.topologies import Edge, Medium, Node, from_graph

    nodes = [SERVER.node(), Node("c", "client", PI), Node("x", "relay")]
    edges = [Edge("c", "server", 9e6, 0.0, medium="air")]
    edges += [Edge("c", "x", 4e6, 0.0), Edge("x", "server", 4e6, 0.0)]

    def links(medium):
        media = [Medium("air", medium)]
        topology = from_graph(nodes=nodes, edges=edges, media=media, routing="inverse_rate")
        return len(topology.path("c", "server"))

    assert links(3e6) == 1  # 1/3 < 1/4 + 1/4
    assert links(1e6) == 2
    assert links(math.inf) == 1


def test_other_links_keep_the_routing():
    topology = ring(
        server=SERVER, sites=3, link=WIRE, clients=[Clients(PI, 1, FOUR_G)], routing="hops"
    )
    assert topology.routing == "hops"
    assert topology.seeded(3).routing == "hops"
    again = topology.with_links(list(topology.links.values()), list(topology.media.values()))
    assert again.routing == "hops"


@pytest.mark.parametrize(
    ("build", "sites", "at", "problem"),
    [
        (ring, 2, 0, "a ring of 2 sites: expected 3 or more"),
        (mesh, 1, 0, "a mesh of 1 sites: expected 2 or more"),
        (ring, 4, 4, "the server is at site 4: expected 0 to 3"),
        (mesh, 4, -1, "the server is at site -1"),
    ],
)
def test_invalid_sites_are_refused(build, sites, at, problem):
    with pytest.raises(TopologyError, match=problem):
        build(server=SERVER, sites=sites, link=WIRE, clients=[Clients(PI, 1, FOUR_G)], server_at=at)


def test_edges_that_are_not_there_or_named_twice_are_refused():
    with pytest.raises(TopologyError, match="'edge' has a count of 0"):
        tiers(server=SERVER, branches=[Branch(0, WIRE, [Clients(PI, 1, FOUR_G)])])
    twice = [Branch(1, WIRE, [Clients(PI, 1, FOUR_G)], name="e")] * 2
    with pytest.raises(TopologyError, match="two nodes named 'e'"):
        tiers(server=SERVER, branches=twice)
    with pytest.raises(TopologyError, match="there is no client"):
        tiers(server=SERVER, branches=[Branch(1, WIRE)])
