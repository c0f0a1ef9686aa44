"""Any networkx graph, as a backbone with clients and a server at its nodes."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import networkx

from topologies.builders.draft import Draft, Edge, Server
from topologies.builders.groups import Clients
from topologies.closest import closest
from topologies.device import DeviceProfile
from topologies.distance import Distance, Position, position_of
from topologies.graph import Topology
from topologies.link import AccessLink
from topologies.parts import Routing, TopologyError


@dataclass(frozen=True)
class Residents:
    """Equal clients at nodes of a network, each with its own link to its node.

    `count` are at each of the nodes named in `at`, or at `all`; or in all, `spread` evenly over
    the nodes in their order.
    """

    device: DeviceProfile
    count: int
    link: AccessLink
    at: Sequence[str] | Literal["all", "spread"]
    name: str | None = None


@dataclass(frozen=True)
class Attribute:
    """A figure that the edges of a graph carry, in units of `unit` (bytes/s or s).

    Edges without it have the value `otherwise`, in bytes/s or s; without that they are refused.
    """

    name: str
    unit: float
    otherwise: float | None = None


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
) -> Topology:
    """Return a graph whose nodes only forward, with a server and clients at some of them.

    A node is called by its `name` or `label` where these are all different, else by its key. Rates
    (bytes/s) and delays (one way, s) are the same for all edges, or an attribute of each; a delay
    can follow from the positions of the nodes, see `position_of`. An edge is full duplex; in a
    directed graph it is one-way. Parallel edges are one link with their rates added and the least
    of their delays; edges from a node to itself are left out. Clients are named after their node:
    `Denver.raspberry-pi-4b-0`.
    """
    names = node_names(graph)
    draft = Draft()
    positions = {names[node]: position_of(data) for node, data in graph.nodes(data=True)}
    for name, position in positions.items():
        draft.relay(name, position)
    _check_place(server_at, positions, "the server")
    draft.server_at(server_at, server, server_link)
    for edge in _edges(graph, names, positions, rate, delay):
        draft.edge(edge)
    for place, groups in _by_place(clients, list(positions)).items():
        draft.clients(place, groups, prefix=f"{place}.")
    return draft.topology(routing)


def node_names(graph: "networkx.Graph[Any]") -> dict[Any, str]:
    """Return what each node is called: its `name` or `label` if these are unique, else its key."""
    if not graph:
        raise TopologyError("the network has no nodes")
    for key in ("name", "label"):
        names = {node: str(data.get(key, "")) for node, data in graph.nodes(data=True)}
        if all(names.values()) and len(set(names.values())) == len(names):
            return names
    names = {node: str(node) for node in graph}
    for name, count in Counter(names.values()).items():
        if count > 1:
            raise TopologyError(f"the network has {count} nodes that are written {name!r}")
    return names


def count_of(count: int, at: Sequence[str] | Literal["all", "spread"], nodes: int) -> int:
    """Return how many clients a group of `Residents` is in a network of so many nodes."""
    if at == "spread":
        return count
    return count * (nodes if at == "all" else len(at))


def _by_place(groups: Sequence[Residents], places: list[str]) -> Mapping[str, list[Clients]]:
    """Return the groups of clients at each place, in the order of the places."""
    found: dict[str, list[Clients]] = {place: [] for place in places}
    for group in groups:
        if group.count < 1:
            raise TopologyError(
                f"{group.name or group.device.name!r} has a count of {group.count}:"
                f" expected 1 or more"
            )
        if group.at == "spread":
            n = len(places)
            counts = Counter(places[i * n // group.count] for i in range(group.count))
        else:
            at = places if group.at == "all" else group.at
            counts = Counter(dict.fromkeys(at, 0))
            for place in at:
                _check_place(place, found, f"the group {group.name or group.device.name!r}")
                counts[place] += group.count
        for place, count in counts.items():
            found[place].append(Clients(group.device, count, group.link, group.name))
    return found


def _check_place(place: str, places: Mapping[str, object], who: str) -> None:
    if place not in places:
        hint = closest(place, places)
        known = "" if hint else f"; there are {', '.join(list(places)[:12])}"
        more = ", ..." if known and len(places) > 12 else ""
        raise TopologyError(
            f"{who} is at {place!r}, which is no node of the network{hint}{known}{more}"
        )


def _edges(
    graph: "networkx.Graph[Any]",
    names: Mapping[Any, str],
    positions: Mapping[str, Position | None],
    rate: float | Attribute,
    delay: float | Attribute | Distance,
) -> Iterator[Edge]:
    joined: dict[tuple[str, str], tuple[float, float]] = {}
    for here, there, data in graph.edges(data=True):
        source, target = names[here], names[there]
        if source == target:
            continue
        where = f"the edge from {source!r} to {target!r}"
        if isinstance(delay, Distance):
            seconds = delay.delay_s(_known(positions, source), _known(positions, target))
        else:
            seconds = _figure(delay, data, where, "delay")
        speed = _figure(rate, data, where, "rate")
        pair = (source, target)
        if pair not in joined and not graph.is_directed() and (target, source) in joined:
            pair = (target, source)
        before, least = joined.get(pair, (0.0, math.inf))
        joined[pair] = (before + speed, min(least, seconds))
    duplex: Literal["full", "one-way"] = "one-way" if graph.is_directed() else "full"
    for (source, target), (speed, seconds) in joined.items():
        yield Edge(source, target, speed, seconds, duplex=duplex)


def _known(positions: Mapping[str, Position | None], name: str) -> Position:
    position = positions[name]
    if position is None:
        raise TopologyError(
            f"node {name!r} has no longitude and latitude, from which the delay of its edges would"
            f" follow: give one delay for all edges, or an attribute of theirs"
        )
    return position


def _figure(figure: float | Attribute, data: Mapping[str, Any], where: str, what: str) -> float:
    if not isinstance(figure, Attribute):
        return figure
    if figure.name not in data:
        if figure.otherwise is not None:
            return figure.otherwise
        raise TopologyError(
            f"{where} has no {figure.name!r} for its {what}{closest(figure.name, data)}"
            f" (say what holds otherwise)"
        )
    value = data[figure.name]
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < math.inf or isinstance(value, bool) or (what == "rate" and number == 0):
        raise TopologyError(
            f"{where} has {str(value)[:60]!r} as {figure.name}: expected a number for its {what}"
        )
    return number * figure.unit
