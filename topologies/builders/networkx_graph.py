"""Any graph: from nodes and edges, or from networkx, as a backbone with clients at its nodes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import networkx

from cutlayer.topologies.builders.draft import Computer, Draft, Edge, Server
from cutlayer.topologies.builders.groups import Clients
from cutlayer.topologies.builders.network_edges import Attribute, network_edges
from cutlayer.topologies.builders.network_nodes import NetworkNodes, UnknownNodeError, network_nodes
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.distance import Distance, position_of
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import Medium, Node, Routing, TopologyError


@dataclass(frozen=True)
class Residents:
    """Equal clients at nodes of a network, each with its own link to its node.

    `count` clients are at each of the nodes in `at`, or at `all` nodes that are connected with the
    server. With `spread`, `count` in total are spread evenly over these nodes in their order.
    """

    device: DeviceProfile
    count: int
    link: AccessLink
    at: Sequence[str] | Literal["all", "spread"]
    name: str | None = None


def from_graph(
    *,
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    media: Sequence[Medium] = (),
    routing: Routing = "delay",
) -> Topology:
    """Build a topology from nodes and edges. An edge is two links, unless it is one-way.

    A half-duplex edge has one capacity for both directions: its own, or that of the medium it
    names. Edges that name one medium share it.
    """
    draft = Draft(list(nodes), media=list(media))
    for edge in edges:
        draft.edge(edge)
    return draft.topology(routing)


def from_networkx(
    graph: "networkx.Graph[Any]",
    *,
    server: Server,
    server_at: str,
    clients: Sequence[Residents],
    rate: float | Attribute,
    delay: float | Attribute | Distance,
    server_link: AccessLink | None = None,
    routing: Routing = "delay",
    computers: Mapping[str, Computer] = MappingProxyType({}),
) -> Topology:
    """Build a network whose nodes forward, with a server and clients at some of them.

    Nodes have the names of `network_nodes`. Rates (bytes/s) and delays (one way, s) are the same for
    all edges, or an attribute of each. A delay can also follow from the positions of the nodes, see
    `position_of`, or from `assumed_delay` where they are unknown. An edge is full duplex; in a directed
    graph it is one-way. Parallel edges become one link with the sum of their rates and the least of
    their delays; edges from a node to itself are left out. Nodes that are not connected with the server
    are part of the topology, but carry nothing. Nodes in `computers` also compute. Clients are named
    after their node: `Denver.raspberry-pi-4b-0`.
    """
    nodes = network_nodes(graph)
    home = _key(nodes, server_at, "the server")
    placed = {_key(nodes, at, "a device"): one for at, one in computers.items()}
    draft = Draft()
    for node, name in nodes.names.items():
        draft.relay(name, position_of(graph.nodes[node]), placed.get(node))
    draft.server_at(nodes.names[home], server, server_link)
    for edge in network_edges(graph, nodes.names, rate, delay):
        draft.edge(edge)
    for place, groups in _by_place(clients, nodes, home).items():
        draft.clients(place, groups, prefix=f"{place}.")
    return draft.topology(routing)


def count_of(count: int, at: Sequence[str] | Literal["all", "spread"], nodes: int) -> int:
    """Return the number of clients of a group of `Residents` in a network with `nodes` nodes."""
    if at == "spread":
        return count
    return count * (nodes if at == "all" else len(at))


def _by_place(
    groups: Sequence[Residents], nodes: NetworkNodes, home: Any
) -> Mapping[str, list[Clients]]:
    """Return the groups of clients at each place, in the order of the places."""
    places = nodes.connected_with(home)
    found: dict[str, list[Clients]] = {place: [] for place in places}
    for group in groups:
        who = f"the group {group.name or group.device.name!r}"
        if group.count < 1:
            raise TopologyError(f"{who} has a count of {group.count}: expected 1 or more")
        share, at = group.count, places
        if group.at == "spread":
            share, at = 1, [places[i * len(places) // group.count] for i in range(group.count)]
        elif group.at != "all":
            at = [nodes.names[_key(nodes, place, who)] for place in group.at]
        for place, times in Counter(at).items():
            if place not in found:
                raise TopologyError(
                    f"{who} is at {place!r}, which is not connected with the server's node,"
                    f" {nodes.names[home]!r}"
                )
            found[place].append(Clients(group.device, times * share, group.link, group.name))
    return found


def _key(nodes: NetworkNodes, place: str, who: str) -> Any:
    try:
        return nodes.key_of(place)
    except UnknownNodeError as error:
        raise TopologyError(f"{who} is at {place!r}, which {error}") from None
