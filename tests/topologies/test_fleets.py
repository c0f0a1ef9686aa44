"""Fleets, which store groups once, are equivalent to the topology of all nodes and links."""

from collections.abc import Callable

import pytest

from cutlayer.topologies import (
    AccessLink,
    Branch,
    Clients,
    DeviceProfile,
    Server,
    Topology,
    TopologyError,
    mesh,
    star,
    tiers,
)
from cutlayer.topologies.bandwidth import Table, Tabled
from cutlayer.topologies.fleet import Fleet
from cutlayer.topologies.jitter import Jitter

SLOW = DeviceProfile.from_speed("slow", 1e9)
FAST = DeviceProfile.from_speed("fast", 2e9)
LTE = AccessLink(1e6, 3e6, 0.02, jitter=Jitter("gamma", 0.5), loss=0.01)
WIRE = AccessLink(1e7, 1e7, 0.001)
HALF = AccessLink(1e6, 1e6, 0.003, "half")
UNLIMITED = AccessLink(float("inf"), 2e6, 0.0)
VARYING = Tabled(Table([0.0, 5.0], [1e6, 2e6], 10.0), 0.0)

Groups = list[Clients]
Build = Callable[[Groups], Topology]


def apart(groups: Groups) -> Groups:
    """The same clients, each in its own group, which are stored individually."""
    return [
        Clients(
            group.device, 1, group.link, f"{group.stem}-{number}" if group.count > 1 else group.name
        )
        for group in groups
        for number in range(group.count)
    ]


GROUPS = [
    Clients(SLOW, 3, LTE),
    Clients(FAST, 2, WIRE, "desk"),
    Clients(FAST, 1, WIRE, "alone"),
    Clients(SLOW, 2, HALF, "half"),
    Clients(FAST, 2, UNLIMITED, "free"),
]
BUILDS: dict[str, Build] = {
    "star": lambda groups: star(server=Server(FAST, 2), clients=groups),
    "server link": lambda groups: star(server=Server(FAST), clients=groups, server_link=WIRE),
    "medium": lambda groups: star(
        server=Server(FAST),
        clients=[group for group in groups if group.link is not HALF],
        medium_bytes_per_s=5e6,
        medium_varies=VARYING,
    ),
    "tiers": lambda groups: tiers(
        server=Server(FAST), branches=[Branch(2, WIRE, clients=groups, name="edge")]
    ),
    "mesh": lambda groups: mesh(
        server=Server(FAST), sites=3, link=WIRE, clients=groups, routing="hops"
    ),
}


def same(fleet: Topology, whole: Topology) -> None:
    """Assert that two topologies are equivalent."""
    assert fleet.clients == whole.clients
    assert fleet.server == whole.server
    assert fleet.unconnected == whole.unconnected
    assert list(fleet.nodes) == list(whole.nodes)
    assert list(fleet.links) == list(whole.links)
    assert dict(fleet.nodes) == dict(whole.nodes)
    assert dict(fleet.links) == dict(whole.links)
    assert fleet.media == whole.media
    assert len(fleet.nodes) == len(whole.nodes)
    assert len(fleet.links) == len(whole.links)
    assert dict(fleet.resources) == dict(whole.resources)
    assert len(fleet.resources) == len(whole.resources)
    assert fleet.profiles.keys() == whole.profiles.keys()
    assert set(fleet.graph.edges) == set(whole.graph.edges)
    for client in whole.clients:
        for ends in ((client, whole.server), (whole.server, client)):
            assert fleet.route(*ends) == whole.route(*ends)
            assert fleet.path(*ends) == whole.path(*ends)
        assert fleet.route_class(client) == whole.route_class(client)
    one, other = whole.clients[0], whole.clients[-1]
    assert fleet.path(one, other) == whole.path(one, other)
    assert fleet.route(one, other) == whole.route(one, other)
    assert sum(size for _, size in fleet.alike()) == len(whole.clients)
    runs = [device for device, run in fleet.device_runs() for _ in whole.clients[run]]
    assert [device.name for device in runs] == [
        whole.node(client).device.name for client in whole.clients
    ]


@pytest.mark.parametrize("build", BUILDS)
def test_a_fleet_is_equivalent_to_the_topology_of_its_nodes_and_links(build: str) -> None:
    fleet, whole = BUILDS[build](GROUPS), BUILDS[build](apart(GROUPS))
    assert isinstance(fleet, Fleet)
    assert not isinstance(whole, Fleet)
    same(fleet, whole)
    same(fleet.seeded(3), whole.seeded(3))
    devices = {"server": SLOW.faster(3), whole.clients[0]: SLOW.faster(2)}
    devices[whole.clients[1]] = SLOW.faster(5)
    changed = fleet.with_devices(devices)
    same(changed, whole.with_devices(devices))
    again = {whole.clients[1]: SLOW.faster(7)}
    same(changed.with_devices(again), whole.with_devices(devices | again))
    same(fleet, whole)  # as it was
    links, media = list(whole.links.values()), list(whole.media.values())
    same(fleet.with_links(links, media), whole.with_links(links, media))


def test_unknown_names_are_refused_as_in_the_whole_topology() -> None:
    fleet = star(server=Server(FAST), clients=[Clients(SLOW, 5, LTE)])
    for name in ("slow-5", "slow-", "slow-1.up"):
        assert name not in fleet.nodes
        with pytest.raises(TopologyError, match=f"there is no node '{name}'"):
            fleet.node(name)
    assert "slow-9.up" not in fleet.links
    assert "slow-9.up" not in fleet.resources
    assert "slow-4.up" in fleet.resources


def test_duplicate_names_are_refused() -> None:
    groups = [Clients(SLOW, 3, LTE, "a"), Clients(SLOW, 1, LTE, "a-1")]
    with pytest.raises(TopologyError, match="there are two nodes named 'a-1'"):
        star(server=Server(FAST), clients=groups)
    with pytest.raises(TopologyError, match="there are two nodes named 's-1'"):
        star(server=Server(FAST, name="s-1"), clients=[Clients(SLOW, 3, LTE, "s")])
