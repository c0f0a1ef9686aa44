"""Builders: a star of clients around a server, a Wi-Fi cell, or any graph, from plain arguments.

Rates are in bytes per second and may be infinite, delays are one way in seconds. A client is one
device; those of a group are named after it and numbered, `raspberry-pi-4b-0`, `raspberry-pi-4b-1`,
going on where an earlier group of that name ended.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from topologies.closest import closest
from topologies.device import DeviceProfile
from topologies.graph import Topology
from topologies.link import AccessLink
from topologies.parts import Discipline, Link, Medium, Node, TopologyError

Direction = Literal["full", "half", "one-way"]

Group = TypeVar("Group", "Clients", "Stations")

HUB: Final = "hub"
CELL: Final = "cell"


@dataclass(frozen=True)
class Server:
    """The server: its device, how many jobs at a time, in which order."""

    device: DeviceProfile
    slots: int = 1
    discipline: Discipline = "fifo"
    name: str = "server"

    def node(self) -> Node:
        """Return the server as a node."""
        return Node(self.name, "server", self.device, self.slots, self.discipline)


@dataclass(frozen=True)
class Clients:
    """So many equal clients; a group of one that is given a name is called just that."""

    device: DeviceProfile
    count: int
    link: AccessLink
    name: str | None = None


@dataclass(frozen=True)
class Stations:
    """So many equal stations of a Wi-Fi cell; the rate is a station's own, where they differ."""

    device: DeviceProfile
    count: int
    rate_bytes_per_s: float | None = None
    name: str | None = None


@dataclass(frozen=True)
class Edge:
    """A connection of a graph; `back_bytes_per_s` is the other direction's rate if it differs."""

    source: str
    target: str
    rate_bytes_per_s: float
    delay_s: float
    back_bytes_per_s: float | None = None
    duplex: Direction = "full"
    medium: str | None = None


def star(
    *,
    server: Server,
    clients: Sequence[Clients],
    server_link: AccessLink | None = None,
    medium_bytes_per_s: float | None = None,
) -> Topology:
    """Return clients around a server, each on its own link.

    `server_link` is the server's own connection, which all share: its `up` leaves the server, so it
    carries what goes down to the clients. `medium_bytes_per_s` is one half-duplex medium, which all
    clients' links draw on in both directions beside their own rates.
    """
    nodes, links, media = [server.node()], [], []
    centre = server.name
    if server_link is not None:
        centre = HUB
        nodes.append(Node(HUB, "relay"))
        new_links, new_media = _access(server.name, HUB, server_link)
        links += new_links
        media += new_media
    if medium_bytes_per_s is not None:
        media.append(Medium(CELL, medium_bytes_per_s))
    for name, group in _named(clients):
        nodes.append(Node(name, "client", group.device))
        new_links, new_media = _access(
            name, centre, group.link, None if medium_bytes_per_s is None else CELL
        )
        links += new_links
        media += new_media
    return Topology(nodes, links, media)


def wifi_cell(
    *,
    server: Server,
    stations: Sequence[Stations],
    delay_s: float,
    rate_bytes_per_s: float | None = None,
    backhaul: AccessLink | None = None,
) -> Topology:
    """Return stations that share one half-duplex medium with their access point.

    Either the cell has one rate, the sum over all stations and both directions, or each group has
    its own and they share airtime: n busy stations then get 1 / sum(1 / r) each. Without `backhaul`
    the server is the access point; with it, a wire leads on to the server (`up` is towards it).
    """
    for group in stations:
        if (group.rate_bytes_per_s is None) == (rate_bytes_per_s is None):
            raise TopologyError(
                f"give either the cell a rate or every group of stations its own"
                f" (here {group.name or group.device.name!r} and the cell have"
                f" {'none' if rate_bytes_per_s is None else 'both one'})"
            )
    nodes, links = [server.node()], []
    media = [Medium(CELL, rate_bytes_per_s)]
    centre = server.name
    if backhaul is not None:
        centre = "access-point"
        nodes.append(Node(centre, "relay"))
        new_links, new_media = _access(centre, server.name, backhaul)
        links += new_links
        media += new_media
    for name, group in _named(stations):
        nodes.append(Node(name, "client", group.device))
        rate = group.rate_bytes_per_s if rate_bytes_per_s is None else rate_bytes_per_s
        assert rate is not None
        links.append(Link(f"{name}.up", name, centre, rate, delay_s, CELL))
        links.append(Link(f"{name}.down", centre, name, rate, delay_s, CELL))
    return Topology(nodes, links, media)


def from_graph(
    *, nodes: Sequence[Node], edges: Sequence[Edge], media: Sequence[Medium] = ()
) -> Topology:
    """Return any graph. An edge is two links, unless it is one-way.

    A half-duplex edge has one capacity for both directions: its own, or that of the medium it
    names. Edges that name one medium share it.
    """
    links: list[Link] = []
    added: list[Medium] = []
    for edge in edges:
        there, back = f"{edge.source}->{edge.target}", f"{edge.target}->{edge.source}"
        if edge.duplex not in get_args(Direction):
            raise TopologyError(
                f"edge {there!r}: {edge.duplex!r} is no duplex"
                f"{closest(edge.duplex, get_args(Direction))}"
            )
        if edge.duplex == "one-way" and edge.back_bytes_per_s is not None:
            raise TopologyError(f"edge {there!r} is one-way, and has a rate for the way back")
        rate = edge.rate_bytes_per_s
        back_rate = rate if edge.back_bytes_per_s is None else edge.back_bytes_per_s
        medium = edge.medium
        if edge.duplex == "half" and medium is None:
            medium = f"{edge.source}--{edge.target}"
            added.append(_half_duplex(medium, rate, back_rate))
        links.append(Link(there, edge.source, edge.target, rate, edge.delay_s, medium))
        if edge.duplex != "one-way":
            links.append(Link(back, edge.target, edge.source, back_rate, edge.delay_s, medium))
    return Topology(nodes, links, [*media, *added])


def _access(
    name: str, centre: str, link: AccessLink, medium: str | None = None
) -> tuple[list[Link], list[Medium]]:
    """Return a node's links to and from the centre, and the medium of a half-duplex one."""
    if link.shared:
        raise TopologyError(
            f"link {link.name!r} is one medium for all its stations: use it as a Wi-Fi cell"
        )
    media = []
    if link.duplex == "half":
        if medium is not None:
            raise TopologyError(
                f"{name!r} is on a half-duplex link and on a shared medium: expected one of them"
            )
        medium = f"{name}.link"
        media.append(_half_duplex(medium, link.up_bytes_per_s, link.down_bytes_per_s))
    delay_s = link.known_delay_s
    up = Link(f"{name}.up", name, centre, link.up_bytes_per_s, delay_s, medium)
    down = Link(f"{name}.down", centre, name, link.down_bytes_per_s, delay_s, medium)
    return [up, down], media


def _half_duplex(name: str, rate: float, back_rate: float) -> Medium:
    """Return the medium of both directions: bytes if they are equally fast, else airtime."""
    return Medium(name, rate if rate == back_rate else None)


def _named(groups: Iterable[Group]) -> Iterable[tuple[str, Group]]:
    counted: Counter[str] = Counter()
    for group in groups:
        if group.count < 1:
            raise TopologyError(
                f"{group.name or group.device.name!r} has a count of {group.count}:"
                f" expected 1 or more"
            )
        if group.name is not None and group.count == 1:
            yield group.name, group
            continue
        stem = group.name or group.device.name
        for _ in range(group.count):
            yield f"{stem}-{counted[stem]}", group
            counted[stem] += 1
