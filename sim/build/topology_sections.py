"""Build the topology of a scenario's `topology` section, of any kind."""

from collections.abc import Callable, Sequence
from typing import Any

from cutlayer.scenarios import layout, network_file, radio
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.devices import Devices
from cutlayer.sim.build.links import access_link, mean_and_varying, optional_link
from cutlayer.sim.build.radio_cells import radio_cell_of, radio_topology
from cutlayer.topologies import (
    AccessPoint,
    Attribute,
    BaseStation,
    Branch,
    Computer,
    Distance,
    Edge,
    Medium,
    Node,
    RadioCell,
    Residents,
    Subscribers,
    Topology,
    TopologyError,
    cells,
    format_duration,
    from_graph,
    from_networkx,
    mesh,
    parse_duration,
    parse_rate,
    ring,
    star,
    tiers,
    wifi_cell,
)
from cutlayer.topologies.builders.network_edges import assumed_delay


def built(scenario: Scenario, seed: int) -> Topology:
    """Return the topology of a scenario, before speeds, changes and scale are applied.

    Distances and powers of radio cells are drawn from the seed. Raises TopologyError for an invalid
    section, LinkError for a link of unknown delay.
    """
    builders: dict[type, Callable[[Any, Devices], Topology]] = {
        layout.Star: _star,
        layout.WifiCell: _wifi_cell,
        radio.RadioCell: radio_topology,
        layout.Cells: _cells,
        layout.TwoTier: _tiers,
        layout.ThreeTier: _tiers,
        layout.Ring: _sites,
        layout.Mesh: _sites,
        network_file.NetworkFile: _network,
        layout.Graph: _graph,
    }
    return builders[type(scenario.topology)](scenario.topology, Devices(scenario, seed))


def _star(section: layout.Star, devices: Devices) -> Topology:
    medium, varies = mean_and_varying(None if section.medium is None else section.medium.rate)
    return star(
        server=devices.server(section.server),
        clients=devices.clients(section.clients),
        server_link=optional_link(section.server.link),
        medium_bytes_per_s=medium,
        medium_varies=varies,
    )


def _wifi_cell(section: layout.WifiCell, devices: Devices) -> Topology:
    rate, rate_varies = mean_and_varying(section.rate)
    return wifi_cell(
        server=devices.server(section.server),
        stations=devices.stations(section.clients),
        delay_s=section.delay,
        rate_bytes_per_s=rate,
        rate_varies=rate_varies,
        backhaul=optional_link(section.backhaul),
        computer=devices.computer(section),
    )


def _cells(section: layout.Cells, devices: Devices) -> Topology:
    return cells(
        server=devices.server(section.server),
        cells=[_cell(cell, devices) for cell in section.cells],
        server_link=optional_link(section.server.link),
        seed=devices.seed,
    )


def _cell(
    cell: layout.WifiSite | layout.CellularSite | radio.RadioSite, devices: Devices
) -> AccessPoint | BaseStation | RadioCell:
    if isinstance(cell, radio.RadioSite):
        return radio_cell_of(cell, devices)
    backhaul, computer = access_link(cell.backhaul), devices.computer(cell)
    if isinstance(cell, layout.WifiSite):
        rate, varies = mean_and_varying(cell.rate)
        stations = devices.stations(cell.clients)
        return AccessPoint(
            stations, cell.delay, backhaul, rate, varies, cell.count, cell.name, computer
        )
    subscribers = [
        Subscribers(devices.of(group), group.count, group.up, group.down, group.name)
        for group in cell.clients
    ]
    return BaseStation(subscribers, cell.delay, backhaul, cell.count, cell.name, computer)


def _tiers(section: layout.TwoTier | layout.ThreeTier, devices: Devices) -> Topology:
    def branch(group: layout.EdgeGroup | layout.Region) -> Branch:
        behind: dict[str, Any]
        if isinstance(group, layout.EdgeGroup):
            behind = {"clients": devices.clients(group.clients)}
        else:
            behind = {"branches": [branch(edge) for edge in group.edge_nodes]}
        computer = devices.computer(group)
        return Branch(
            group.count, access_link(group.link), **behind, name=group.name, computer=computer
        )

    nearest: Sequence[layout.EdgeGroup | layout.Region]
    nearest = section.edge_nodes if isinstance(section, layout.TwoTier) else section.regions
    return tiers(
        server=devices.server(section.server),
        branches=[branch(group) for group in nearest],
        server_link=optional_link(section.server.link),
    )


def _sites(section: layout.Ring | layout.Mesh, devices: Devices) -> Topology:
    builder = ring if isinstance(section, layout.Ring) else mesh
    return builder(
        server=devices.server(section.server),
        sites=section.sites,
        link=access_link(section.link),
        clients=devices.clients(section.clients),
        server_at=section.server_at,
        server_link=optional_link(section.server.link),
        routing=section.routing,
        computer=devices.computer(section),
    )


def _network(section: network_file.NetworkFile, devices: Devices) -> Topology:
    rate = section.rate
    return from_networkx(
        section.network,
        server=devices.server(section.server),
        server_at=section.server.at,
        clients=[
            Residents(
                devices.of(group),
                group.count,
                access_link(group.link),
                group.places,
                group.name,
            )
            for group in section.clients
        ],
        rate=rate if isinstance(rate, float) else _attribute(rate, parse_rate),
        delay=_delay(section.delay),
        server_link=optional_link(section.server.link),
        routing=section.routing,
        computers=_computers(section, devices),
    )


def _computers(section: network_file.NetworkFile, devices: Devices) -> dict[str, Computer]:
    """Return what computes at nodes of a network, by the node. Raises TopologyError."""
    found: dict[str, Computer] = {}
    for edge in section.edge_nodes or ():
        computer = devices.computer(edge)
        assert computer is not None
        for place in edge.places:
            if place in found:
                raise TopologyError(f"two edge_nodes are at {place!r}: a node has one device")
            found[place] = computer
    return found


def _delay(
    section: float | network_file.ByDistance | network_file.DelayAttribute,
) -> float | Distance | Attribute:
    if isinstance(section, float):
        return section
    if isinstance(section, network_file.ByDistance):
        return Distance(section.detour, section.otherwise)
    return _attribute(section, parse_duration)


def assumed_delays(scenario: Scenario) -> tuple[str, ...]:
    """Return a sentence about the delays of edges of unknown length, which are guessed."""
    section = scenario.topology
    if not isinstance(section, network_file.NetworkFile):
        return ()
    delay = _delay(section.delay)
    if not isinstance(delay, Distance) or delay.otherwise_s is not None:
        return ()
    assumed = assumed_delay(section.network, delay)
    if assumed is None:
        return ()
    return (
        f"network {section.file or section.topohub}: the delay of {assumed.edges} of {assumed.of}"
        f" edges, an end of which has no position, is guessed: {format_duration(assumed.seconds)},"
        f" the median of the others",
    )


def _attribute(
    section: network_file.RateAttribute | network_file.DelayAttribute,
    parse: Callable[[str], float],
) -> Attribute:
    return Attribute(section.name, parse(f"1 {section.unit}"), section.otherwise)


def _graph(section: layout.Graph, devices: Devices) -> Topology:
    """Return an arbitrary graph; a client node of count n is n nodes with the same edges."""
    nodes = [devices.server(section.server).node()]
    members: dict[str, list[str]] = {}
    for name, node in section.nodes.items():
        if isinstance(node, layout.RelayNode):
            computer = devices.computer(node)
            nodes.append(Node(name, "relay") if computer is None else computer.node(name))
        elif node.count == 1:
            nodes.append(Node(name, "client", devices.of(node)))
        else:
            members[name] = [f"{name}-{i}" for i in range(node.count)]
            nodes += [Node(member, "client", devices.of(node)) for member in members[name]]
    media = [Medium(name, *mean_and_varying(medium.rate)) for name, medium in section.media.items()]
    edges = [
        _edge(edge, source, target, section)
        for edge in section.edges
        for source in members.get(edge.source, [edge.source])
        for target in members.get(edge.target, [edge.target])
    ]
    return from_graph(nodes=nodes, edges=edges, media=media, routing=section.routing)


def _edge(
    edge: layout.LinkEdge | layout.MediumEdge, source: str, target: str, section: layout.Graph
) -> Edge:
    if isinstance(edge, layout.LinkEdge):
        return Edge.of_link(source, target, access_link(edge.link))
    rate, _ = mean_and_varying(section.media[edge.medium].rate)
    return Edge(source, target, rate, edge.delay, medium=edge.medium, own_limit=False)
