import math

import pytest
from shapes import FOUR_G, NANO, PI, SERVER, WIRE

from cutlayer.topologies import (
    AccessPoint,
    BaseStation,
    Link,
    Medium,
    Node,
    Route,
    Stations,
    Subscribers,
    Topology,
    TopologyError,
    cells,
    wifi_cell,
)


def two_cells(**options):
    return cells(
        server=SERVER,
        cells=[
            AccessPoint([Stations(PI, 2)], 0.002, WIRE, rate_bytes_per_s=4e6, name="office"),
            BaseStation(
                [Subscribers(PI, 1, 1e6, 8e6), Subscribers(NANO, 2, 2e6, 4e6, "near")],
                0.015,
                WIRE,
                count=2,
            ),
        ],
        **options,
    )


def test_every_cell_has_its_own_media_and_backhaul():
    topology = two_cells()
    assert topology.clients == (
        "office.pi-0",
        "office.pi-1",
        *(f"base-station-{i}.{name}" for i in (0, 1) for name in ("pi-0", "near-0", "near-1")),
    )
    assert topology.route("office.pi-1", "server") == Route(
        (("office.cell", 1.0), ("office.up", 1.0)), pytest.approx(0.007)
    )
    assert topology.route("server", "office.pi-1").resources == (
        ("office.down", 1.0),
        ("office.cell", 1.0),
    )
    up = topology.route("base-station-1.near-0", "server")
    assert up.resources == (("base-station-1.uplink", 1 / 2e6), ("base-station-1.up", 1.0))
    assert up.delay_s == pytest.approx(0.02)
    down = topology.route("server", "base-station-1.near-0")
    assert down.resources == (("base-station-1.down", 1.0), ("base-station-1.downlink", 1 / 4e6))
    assert topology.resources["base-station-0.uplink"] == 1.0
    assert topology.resources["base-station-0.up"] == 10e6


def test_weights_are_in_proportion_to_the_rates_of_each_direction_alone():
    topology = two_cells()
    weight = {
        (client, direction): topology.route(*ends).weight
        for client in ("pi-0", "near-1")
        for name in [f"base-station-0.{client}"]
        for direction, ends in (("up", (name, "server")), ("down", ("server", name)))
    }
    # The median rates are those of the two that are near: up 2e6, down 4e6.
    assert weight["near-1", "up"] == weight["near-1", "down"] == 1.0
    assert weight["pi-0", "up"] == 0.5
    assert weight["pi-0", "down"] == 2.0
    assert topology.route("office.pi-0", "server").weight == 1.0


def test_the_servers_own_link_is_shared_by_all_cells():
    topology = two_cells(server_link=FOUR_G)
    for client in topology.clients:
        assert topology.route(client, "server").resources[-1] == ("server.down", 1.0)
        assert topology.route("server", client).resources[0] == ("server.up", 1.0)


def test_a_weight_is_part_of_a_route_class():
    topology = two_cells()
    near, far = "base-station-0.near-0", "base-station-0.pi-0"
    assert topology.route_class(near) == topology.route_class("base-station-0.near-1")
    assert topology.route_class(near) != topology.route_class(far)


def test_one_cell_of_cells_is_a_wifi_cell_with_a_backhaul():
    stations = [Stations(PI, 2, 1e6), Stations(NANO, 1, 5e6)]
    alone = wifi_cell(server=SERVER, stations=stations, delay_s=0.002, backhaul=WIRE)
    among = cells(server=SERVER, cells=[AccessPoint(stations, 0.002, WIRE, name="access-point")])
    for one, other in zip(alone.clients, among.clients, strict=True):
        assert other == f"access-point.{one}"
        here, there = alone.route(one, "server"), among.route(other, "server")
        assert [a for _, a in here.resources] == [a for _, a in there.resources]
        assert here.delay_s == there.delay_s


def proportional(*rates, on_media=("a", "b")):
    nodes = [Node("server", "server", PI), Node("x", "client", PI), Node("y", "client", PI)]
    nodes += [Node("relay", "relay")]
    links = [
        Link("x.up", "x", "relay", rates[0], 0.0, on_media[0]),
        Link("y.up", "y", "relay", rates[1], 0.0, on_media[0]),
        Link("out", "relay", "server", rates[2], 0.0, on_media[1]),
        *(Link(f"{n}.down", "server", n, 1e6, 0.0) for n in "xy"),
    ]
    media = [Medium(name, None, sharing="proportional") for name in dict.fromkeys(on_media)]
    return Topology(nodes, links, media)


def test_a_route_over_two_proportional_media_with_different_weights_is_refused():
    with pytest.raises(TopologyError, match=r"'x\.up' and 'out', which are shared in proportion"):
        proportional(1e6, 2e6, 5e6)
    assert proportional(3e6, 3e6, 5e6).route("x", "server").weight == 1.0


def test_invalid_media_are_refused():
    with pytest.raises(TopologyError, match=r"unknown sharing .*; did you mean 'proportional'"):
        Medium("m", None, sharing="proportionate")
    with pytest.raises(TopologyError, match="in proportion to the links' own rates"):
        Medium("m", 1e6, sharing="proportional")
    with pytest.raises(TopologyError, match=r"'x\.up' is unlimited and cannot have a share"):
        proportional(math.inf, 1e6, 1e6)
    with pytest.raises(TopologyError, match="'office' has a count of 0"):
        cells(
            server=SERVER,
            cells=[AccessPoint([Stations(PI, 1)], 0.0, WIRE, 1e6, count=0, name="office")],
        )
    with pytest.raises(TopologyError, match="'pi' and the cell have both one"):
        cells(server=SERVER, cells=[AccessPoint([Stations(PI, 1, 2e6)], 0.0, WIRE, 1e6)])
