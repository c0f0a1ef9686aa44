"""A scenario's `topology` section as a topology: its names looked up, its groups spelled out."""

from dataclasses import replace

from scenarios import layout, links
from scenarios.schema import Scenario
from topologies import (
    AccessLink,
    Clients,
    DeviceProfile,
    Edge,
    Medium,
    Node,
    Server,
    Stations,
    Topology,
    catalogue,
    from_graph,
    star,
    wifi_cell,
)


def places(scenario: Scenario) -> Topology:
    """Return the topology of a scenario.

    Raises TopologyError for what the section cannot be, LinkError for a link of unknown delay.
    """
    devices = _Devices(scenario)
    section = scenario.topology
    if isinstance(section, layout.Star):
        return star(
            server=devices.server(section.server),
            clients=[
                Clients(devices[group.device], group.count, access_link(group.link), group.name)
                for group in section.clients
            ],
            server_link=None if section.server.link is None else access_link(section.server.link),
            medium_bytes_per_s=None if section.medium is None else section.medium.rate,
        )
    if isinstance(section, layout.WifiCell):
        return wifi_cell(
            server=devices.server(section.server),
            stations=[
                Stations(devices[group.device], group.count, group.rate, group.name)
                for group in section.clients
            ],
            delay_s=section.delay,
            rate_bytes_per_s=section.rate,
            backhaul=None if section.backhaul is None else access_link(section.backhaul),
        )
    return _graph(section, devices)


class _Devices:
    """The catalogue's profiles and the scenario's own."""

    def __init__(self, scenario: Scenario) -> None:
        self._own = {
            name: replace(
                DeviceProfile.from_speed(name, device.speed, device.description),
                memory_bytes=None if device.memory is None else int(device.memory),
            )
            for name, device in scenario.devices.items()
        }

    def __getitem__(self, name: str) -> DeviceProfile:
        return self._own[name] if name in self._own else catalogue.device(name)

    def server(self, section: layout.Server) -> Server:
        """Return the server that a section describes."""
        name = section.name if isinstance(section, layout.GraphServer) else "server"
        return Server(self[section.device], section.slots, name=name)


def access_link(link: links.Link) -> AccessLink:
    """Return a scenario's link, given by name or by its figures."""
    if isinstance(link, str):
        return catalogue.link(link)
    if isinstance(link, links.CatalogueLink):
        return catalogue.link(link.name).with_delay(link.delay)
    if isinstance(link, links.UpDownLink):
        return AccessLink(link.up, link.down, link.delay)
    return AccessLink(link.rate, link.rate, link.delay, link.duplex)


def links_of(scenario: Scenario) -> dict[str, AccessLink]:
    """Return the links of the catalogue that a scenario names, by name."""
    section = scenario.topology
    if isinstance(section, layout.Star):
        used = [section.server.link, *(group.link for group in section.clients)]
    elif isinstance(section, layout.WifiCell):
        used = [section.backhaul]
    else:
        used = [edge.link for edge in section.edges if isinstance(edge, layout.LinkEdge)]
    links = [access_link(link) for link in used if link is not None]
    return {link.name: link for link in links if link.name}


def _graph(section: layout.Graph, devices: _Devices) -> Topology:
    """Return an arbitrary graph; a client node of count n is n nodes with the same edges."""
    nodes = [devices.server(section.server).node()]
    members: dict[str, list[str]] = {section.server.name: [section.server.name]}
    for name, node in section.nodes.items():
        if isinstance(node, layout.RelayNode):
            nodes.append(Node(name, "relay"))
            members[name] = [name]
            continue
        names = [name] if node.count == 1 else [f"{name}-{i}" for i in range(node.count)]
        members[name] = names
        nodes.extend(Node(member, "client", devices[node.device]) for member in names)
    media = [Medium(name, medium.rate) for name, medium in section.media.items()]
    edges = [
        made
        for edge in section.edges
        for source in members.get(edge.source, [edge.source])
        for target in members.get(edge.target, [edge.target])
        for made in [_edge(edge, source, target, section)]
    ]
    return from_graph(nodes=nodes, edges=edges, media=media)


def _edge(
    edge: layout.LinkEdge | layout.MediumEdge, source: str, target: str, section: layout.Graph
) -> Edge:
    if isinstance(edge, layout.MediumEdge):
        rate = section.media[edge.medium].rate
        return Edge(source, target, rate, edge.delay, medium=edge.medium)
    link = access_link(edge.link)
    return Edge(
        source,
        target,
        link.up_bytes_per_s,
        link.known_delay_s,
        link.down_bytes_per_s,
        duplex=link.duplex,
    )
