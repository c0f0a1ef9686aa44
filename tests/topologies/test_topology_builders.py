import math
import os
import subprocess
import sys

import networkx
import pytest

from cutlayer.topologies import (
    Clients,
    Edge,
    Server,
    Stations,
    from_graph,
    star,
    wifi_cell,
)
from cutlayer.topologies.catalogue import device, link
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.link import AccessLink, LinkError
from cutlayer.topologies.parts import Medium, Node, Route, TopologyError
from cutlayer.topologies.queueing import FIFO

PI = DeviceProfile.from_speed("pi", 1e9)
NANO = DeviceProfile.from_speed("nano", 5e9)
SERVER = Server(DeviceProfile.from_speed("big", 1e12), slots=2)
FOUR_G = AccessLink(1.25e6, 3.125e6, 0.025)


def test_a_star_gives_every_client_its_own_two_links():
    topology = star(server=SERVER, clients=[Clients(PI, 2, FOUR_G)])
    assert topology.clients == ("pi-0", "pi-1")
    assert topology.resources == {
        "pi-0.up": 1.25e6,
        "pi-0.down": 3.125e6,
        "pi-1.up": 1.25e6,
        "pi-1.down": 3.125e6,
    }
    assert topology.route("pi-1", "server") == Route((("pi-1.up", 1.0),), 0.025)
    assert topology.route("server", "pi-0") == Route((("pi-0.down", 1.0),), 0.025)
    server = topology.node("server")
    assert (server.slots, server.queueing) == (2, FIFO)
    assert topology.node("pi-1").device is PI
    assert topology.route_class("pi-0") == topology.route_class("pi-1")


def test_groups_with_the_same_name_continue_the_numbers_and_a_named_client_keeps_its_name():
    topology = star(
        server=SERVER,
        clients=[
            Clients(PI, 2, FOUR_G),
            Clients(NANO, 1, FOUR_G),
            Clients(PI, 1, FOUR_G),
            Clients(PI, 1, FOUR_G, "attic"),
            Clients(PI, 2, FOUR_G, "shed"),
        ],
    )
    assert topology.clients == ("pi-0", "pi-1", "nano-0", "pi-2", "attic", "shed-0", "shed-1")


def test_the_servers_link_is_shared_by_everyone_and_up_leaves_it():
    uplink = AccessLink(10e6, 20e6, 0.005)
    topology = star(server=SERVER, clients=[Clients(PI, 2, FOUR_G)], server_link=uplink)
    assert topology.route("pi-0", "server") == Route(
        (("pi-0.up", 1.0), ("server.down", 1.0)), pytest.approx(0.03)
    )
    assert topology.route("server", "pi-0").resources == (("server.up", 1.0), ("pi-0.down", 1.0))
    assert topology.resources["server.up"] == 10e6
    assert topology.resources["server.down"] == 20e6
    assert topology.route_class("pi-0") == topology.route_class("pi-1")


def test_an_equally_fast_half_duplex_link_has_one_capacity_in_bytes():
    topology = star(server=SERVER, clients=[Clients(PI, 1, AccessLink(1e6, 1e6, 0.0, "half"))])
    assert topology.resources == {"pi-0.link": 1e6}
    assert topology.route("pi-0", "server").resources == (("pi-0.link", 1.0),)
    assert topology.route("server", "pi-0").resources == (("pi-0.link", 1.0),)


def test_an_unequal_half_duplex_link_is_shared_by_time():
    topology = star(server=SERVER, clients=[Clients(PI, 1, AccessLink(1e6, 4e6, 0.0, "half"))])
    assert topology.resources == {"pi-0.link": 1.0}
    assert topology.route("pi-0", "server").resources == (("pi-0.link", 1e-6),)
    assert topology.route("server", "pi-0").resources == (("pi-0.link", 0.25e-6),)


def test_a_medium_is_shared_by_all_clients_of_a_star_beside_their_own_rates():
    topology = star(server=SERVER, clients=[Clients(PI, 2, FOUR_G)], medium_bytes_per_s=4e6)
    assert topology.resources["cell"] == 4e6
    assert topology.route("pi-0", "server").resources == (("pi-0.up", 1.0), ("cell", 1.0))
    assert topology.route("server", "pi-1").resources == (("pi-1.down", 1.0), ("cell", 1.0))
    half = AccessLink(1e6, 1e6, 0.0, "half")
    with pytest.raises(TopologyError, match="half-duplex link and on a shared medium"):
        star(server=SERVER, clients=[Clients(PI, 1, half)], medium_bytes_per_s=4e6)


def test_a_cell_of_one_rate_is_one_medium_for_both_directions():
    topology = wifi_cell(
        server=SERVER, stations=[Stations(PI, 2)], rate_bytes_per_s=4.75e6, delay_s=0.002
    )
    assert topology.resources == {"cell": 4.75e6}
    for client in topology.clients:
        assert topology.route(client, "server") == Route((("cell", 1.0),), 0.002)
        assert topology.route("server", client) == Route((("cell", 1.0),), 0.002)


def test_stations_of_different_rates_share_airtime():
    topology = wifi_cell(
        server=SERVER, stations=[Stations(PI, 1, 1e6), Stations(NANO, 2, 5e6)], delay_s=0.0
    )
    assert topology.resources == {"cell": 1.0}
    routes = [topology.route(client, "server") for client in topology.clients]
    consumption = [dict(route.resources)["cell"] for route in routes]
    # All three busy, max-min: x * sum(1 / r) = 1, so each gets 1 / sum(1 / r).
    assert 1 / sum(consumption) == pytest.approx(1 / (1 / 1e6 + 2 / 5e6))
    assert topology.route_class("nano-0") == topology.route_class("nano-1")
    assert topology.route_class("nano-0") != topology.route_class("pi-0")


def test_a_backhaul_leads_from_the_access_point_to_the_server():
    topology = wifi_cell(
        server=SERVER,
        stations=[Stations(PI, 2)],
        rate_bytes_per_s=6e6,
        delay_s=0.002,
        backhaul=AccessLink(2e6, 12e6, 0.01),
    )
    assert topology.route("pi-0", "server") == Route(
        (("cell", 1.0), ("access-point.up", 1.0)), pytest.approx(0.012)
    )
    assert topology.route("server", "pi-0").resources == (("access-point.down", 1.0), ("cell", 1.0))
    assert topology.resources["access-point.up"] == 2e6


@pytest.mark.parametrize(("cell", "own", "problem"), [(None, None, "none"), (1e6, 1e6, "both one")])
def test_a_cell_has_one_rate_or_each_station_its_own(cell, own, problem):
    with pytest.raises(TopologyError, match=problem):
        wifi_cell(
            server=SERVER, stations=[Stations(PI, 1, own)], rate_bytes_per_s=cell, delay_s=0.0
        )


def graph(*edges, media=()):
    nodes = [
        Node("server", "server", PI),
        Node("edge", "relay"),
        Node("a", "client", PI),
        Node("b", "client", PI),
    ]
    return from_graph(nodes=nodes, edges=edges, media=media)


def test_a_graph_of_duplex_edges():
    topology = graph(
        Edge("a", "edge", 1e6, 0.01),
        Edge("b", "edge", 1e6, 0.01, back_bytes_per_s=2e6),
        Edge("edge", "server", 9e6, 0.05, duplex="half"),
    )
    assert topology.route("a", "server") == Route(
        (("a->edge", 1.0), ("edge--server", 1.0)), pytest.approx(0.06)
    )
    assert topology.resources["edge->b"] == 2e6
    assert topology.resources["edge->a"] == 1e6
    assert topology.resources["edge--server"] == 9e6
    assert "edge->server" not in topology.resources
    assert topology.route_class("a") != topology.route_class("b")


def test_a_graph_with_a_named_medium_and_one_way_edges():
    topology = graph(
        Edge("a", "edge", 4e6, 0.0, medium="air"),
        Edge("b", "edge", 1e6, 0.0, medium="air"),
        Edge("edge", "server", 9e6, 0.0, duplex="one-way"),
        Edge("server", "edge", 3e6, 0.0, duplex="one-way"),
        media=[Medium("air", None)],
    )
    assert topology.route("a", "server").resources == (("air", 0.25e-6), ("edge->server", 1.0))
    assert topology.route("server", "b").resources == (("server->edge", 1.0), ("air", 1e-6))


@pytest.mark.parametrize(
    ("edges", "problem"),
    [
        ([Edge("a", "edge", -1.0, 0.0)], "rate of -1.0"),
        ([Edge("a", "edge", 1.0, -1.0)], "delay of -1.0"),
        (
            [Edge("a", "edge", 1.0, 0.0, duplex="hlaf")],
            "unknown duplex 'hlaf'; did you mean 'half'",
        ),
        ([Edge("a", "edge", 1.0, 0.0, 2.0, "one-way")], "a rate for the other direction"),
        ([Edge("a", "egde", 1.0, 0.0)], "did you mean 'edge'"),
        ([Edge("a", "server", 1.0, 0.0)], "no route from 'b' to 'server'"),
        ([Edge("a", "edge", 1.0, 0.0), Edge("edge", "a", 1.0, 0.0)], "two links named"),
    ],
)
def test_an_invalid_graph_is_refused(edges, problem):
    with pytest.raises(TopologyError, match=problem):
        graph(*edges)


@pytest.mark.parametrize(
    ("clients", "problem"),
    [
        ([Clients(PI, 0, FOUR_G)], "'pi' has a count of 0"),
        ([Clients(PI, 1, FOUR_G, "x"), Clients(PI, 1, FOUR_G, "x")], "two nodes named 'x'"),
        ([Clients(PI, 1, FOUR_G, "server")], "two nodes named 'server'"),
        ([], "there is no client"),
    ],
)
def test_invalid_groups_are_refused(clients, problem):
    with pytest.raises(TopologyError, match=problem):
        star(server=SERVER, clients=clients)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((0.0, 1.0, 0.0), "its up rate is 0.0"),
        ((1.0, -1.0, 0.0), "its down rate is -1.0"),
        ((1.0, math.nan, 0.0), "its down rate is nan"),
        ((1.0, 1.0, -0.5), "its delay is -0.5"),
        ((1.0, 1.0, math.inf), "its delay is inf"),
        ((1.0, 1.0, 0.0, "simplex"), "unknown duplex 'simplex'"),
    ],
)
def test_an_invalid_access_link_is_refused(arguments, problem):
    with pytest.raises(LinkError, match=problem):
        AccessLink(*arguments)


def test_a_link_of_unknown_delay_needs_one():
    mpsl = link("mpsl-8")
    with pytest.raises(LinkError, match="delay of link 'mpsl-8' is not known"):
        star(server=SERVER, clients=[Clients(PI, 1, mpsl)])
    topology = star(server=SERVER, clients=[Clients(PI, 1, mpsl.with_delay(0.02))])
    assert topology.route("pi-0", "server") == Route((("pi-0.up", 1.0),), 0.02)
    assert mpsl.with_delay(0.02).status["delay_s"] == "declared"


def test_a_link_of_a_whole_cell_is_refused_as_a_private_link():
    with pytest.raises(TopologyError, match="'edpfl-hotspot' is one medium"):
        star(server=SERVER, clients=[Clients(PI, 2, link("edpfl-hotspot"))])


def test_unlimited_links_leave_no_resource():
    fast = AccessLink(math.inf, math.inf, 0.0, "half")
    assert star(server=SERVER, clients=[Clients(PI, 3, fast)]).resources == {}


def test_a_fleet_from_the_catalogue():
    topology = star(
        server=Server(device("server-8-core")),
        clients=[
            Clients(device("raspberry-pi-4b"), 6, FOUR_G),
            Clients(device("raspberry-pi-3b-plus"), 4, link("4g")),
        ],
    )
    assert topology.clients[0] == "raspberry-pi-4b-0"
    assert topology.clients[-1] == "raspberry-pi-3b-plus-3"
    assert len({topology.route_class(client) for client in topology.clients}) == 2


@pytest.mark.parametrize("count", [1, 50])
def test_one_search_each_way_serves_all_clients(monkeypatch, count):
    searched = []
    original = networkx.single_source_dijkstra_path_length

    def counting(graph, source, **options):
        searched.append(source)
        return original(graph, source, **options)

    monkeypatch.setattr(networkx, "single_source_dijkstra_path_length", counting)
    topology = star(server=SERVER, clients=[Clients(PI, count, FOUR_G)], server_link=FOUR_G)
    assert len({topology.route_class(client) for client in topology.clients}) == 1
    assert len(searched) == 2


HASHING = """
from cutlayer.topologies import Clients, Server, DeviceProfile, AccessLink, star
device = DeviceProfile.from_speed("pi", 1e9)
link = AccessLink(1e6, 2e6, 0.01, "half")
topology = star(server=Server(device), clients=[Clients(device, 3, link)], server_link=link)
print(topology.clients, topology.resources)
print([topology.route(c, "server") for c in topology.clients])
"""


def test_routes_do_not_depend_on_the_hash_seed():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", HASHING],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
