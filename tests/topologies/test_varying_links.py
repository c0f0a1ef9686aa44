"""Varying capacities, jitter and loss, from links to routes and resources."""

from math import inf

import pytest

from cutlayer.topologies import (
    AccessLink,
    Clients,
    DeviceProfile,
    Link,
    LinkError,
    Medium,
    Node,
    Server,
    Stations,
    Topology,
    TopologyError,
    star,
    wifi_cell,
)
from cutlayer.topologies.bandwidth import Table, Tabled, TwoStates
from cutlayer.topologies.jitter import Jitter

PI = DeviceProfile.from_speed("pi", 1e9)
SERVER = Server(DeviceProfile.from_speed("big", 1e12))
STEPS = Tabled(Table([0, 10], [0, 40]))
TURNS = TwoStates(8.0, 1.0, 5.0, 5.0)
JITTER = Jitter("gamma", 0.3)


def fleet(count=2, **link):
    values = {"up_bytes_per_s": 5.0, "down_bytes_per_s": 9.0, "delay_s": 0.1, **link}
    return star(server=SERVER, clients=[Clients(PI, count, AccessLink(**values))])


def test_only_varying_resources_have_a_profile_and_begin_with_its_value_at_zero():
    topology = fleet(up_varies=STEPS, up_bytes_per_s=STEPS.mean_bytes_per_s)
    assert topology.profiles.keys() == {"pi-0.up", "pi-1.up"}
    assert topology.resources == {"pi-0.up": 0, "pi-0.down": 9, "pi-1.up": 0, "pi-1.down": 9}
    assert topology.profiles["pi-0.up"].piece(10.0) == (40.0, inf)
    assert fleet().profiles == {}


def test_another_client_does_not_change_the_rates_of_others():
    few, many = fleet(2, up_varies=TURNS), fleet(3, up_varies=TURNS)
    for name in few.profiles:
        assert few.profiles[name].piece(3.0) == many.profiles[name].piece(3.0)
    values = {name: profile.piece(3.0) for name, profile in many.profiles.items()}
    assert len(set(values.values())) == 3
    assert values != {name: p.piece(3.0) for name, p in many.seeded(1).profiles.items()}
    assert values == {name: p.piece(3.0) for name, p in many.seeded(1).seeded(0).profiles.items()}


def test_both_directions_begin_at_the_same_time_of_a_recording():
    table = Table([k * 1.0 for k in range(100)], [k * 2.0 for k in range(100)], 100)
    random_start = Tabled(table, None)
    topology = fleet(up_varies=random_start, down_varies=random_start).seeded(4)
    found = [
        topology.profiles[f"pi-{i}.{direction}"].piece(0)
        for i in (0, 1)
        for direction in ("up", "down")
    ]
    assert found[0] == found[1] != found[2] == found[3]


def test_a_half_duplex_link_varies_as_one():
    topology = fleet(1, down_bytes_per_s=5.0, duplex="half", up_varies=TURNS, down_varies=TURNS)
    assert topology.profiles.keys() == topology.resources.keys() == {"pi-0.link"}
    for ends in (("pi-0", "server"), ("server", "pi-0")):
        assert topology.route(*ends).resources == (("pi-0.link", 1.0),)
    with pytest.raises(LinkError, match="half-duplex, so its directions must vary together"):
        AccessLink(1.0, 1.0, 0.1, "half", up_varies=TURNS)


def test_a_cell_varies_and_is_its_stations_only_limit():
    topology = wifi_cell(
        server=SERVER,
        stations=[Stations(PI, 2)],
        delay_s=0.0,
        rate_bytes_per_s=TURNS.mean_bytes_per_s,
        rate_varies=TURNS,
    )
    assert topology.profiles.keys() == topology.resources.keys() == {"cell"}


@pytest.mark.parametrize("faster", [1.0, 2.0])
def test_beside_a_medium_that_varies_every_rate_may_be_the_least(faster):
    link = AccessLink(4.5 * faster, inf, 0.1)
    topology = star(
        server=SERVER,
        clients=[Clients(PI, 1, link)],
        medium_bytes_per_s=4.5,
        medium_varies=TURNS,
    )
    assert topology.route("pi-0", "server").resources == (("pi-0.up", 1.0), ("cell", 1.0))
    assert topology.route("server", "pi-0").resources == (("cell", 1.0),)


def test_beside_a_medium_a_rate_that_varies_may_be_the_least():
    link = AccessLink(100.0, 100.0, 0.1, up_varies=TURNS)
    topology = star(server=SERVER, clients=[Clients(PI, 1, link)], medium_bytes_per_s=4.5)
    assert topology.route("pi-0", "server").resources == (("pi-0.up", 1.0), ("cell", 1.0))
    assert topology.route("server", "pi-0").resources == (("cell", 1.0),)


def test_airtime_cannot_vary():
    nodes = [SERVER.node(), Node("a", "client", PI)]
    links = [
        Link("up", "a", "server", 4.0, 0.0, "air", TURNS),
        Link("down", "server", "a", 4.0, 0.0, "air"),
    ]
    with pytest.raises(TopologyError, match="link 'up' shares the airtime of 'air': its rate cann"):
        Topology(nodes, links, [Medium("air", None)])
    with pytest.raises(TopologyError, match="medium 'air' has airtime, which cannot vary"):
        Medium("air", None, TURNS)


def test_a_route_combines_the_loss_and_the_jitter_of_its_links():
    topology = star(
        server=SERVER,
        clients=[Clients(PI, 1, AccessLink(5.0, 9.0, 0.1, loss=0.2, jitter=JITTER))],
        server_link=AccessLink(50.0, 90.0, 0.03, loss=0.1),
    )
    for route in (topology.route("pi-0", "server"), topology.route("server", "pi-0")):
        assert route.loss == pytest.approx(1 - 0.8 * 0.9)
        assert route.delay_s == pytest.approx(0.13)
        assert route.jitters == ((0.1, JITTER),)
    assert fleet(loss=0.001).route("pi-0", "server").loss == 0.001
    assert fleet(jitter=JITTER, delay_s=0.0).route("pi-0", "server").jitters == ()


@pytest.mark.parametrize("wrong", [-0.1, 1.0, float("nan")])
def test_a_loss_is_a_probability(wrong):
    with pytest.raises(LinkError, match="its loss is"):
        fleet(loss=wrong)
    with pytest.raises(TopologyError, match="of its packets: expected 0 or more, below 1"):
        Link("a", "a", "b", 1.0, 0.0, loss=wrong)


def test_clients_are_interchangeable_only_without_a_rate_of_their_own():
    def classes(**link):
        topology = fleet(2, **link)
        return len({topology.route_class(client) for client in topology.clients})

    assert classes(loss=0.1, jitter=JITTER) == 1
    assert classes(up_varies=TURNS) == 2
    assert classes(up_varies=STEPS) == 2  # though both begin with the same rate
    one = fleet(1, loss=0.1).route_class("pi-0")
    assert (
        len({one, fleet(1, jitter=JITTER).route_class("pi-0"), fleet(1).route_class("pi-0")}) == 3
    )
