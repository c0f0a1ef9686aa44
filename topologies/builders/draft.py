"""An unfinished topology, to which builders add nodes and connections."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self, get_args

from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.builders.groups import Clients, named_groups
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.fleet import ClientGroup, Fleet
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.jitter import Jitter
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import (
    Link,
    Medium,
    Node,
    Origin,
    Routing,
    TopologyError,
    check_choice,
)
from cutlayer.topologies.queueing import FIFO, Queueing

Direction = Literal["full", "half", "one-way"]

HUB: Final = "hub"
DIRECT: Final = AccessLink(math.inf, math.inf, 0.0)


@dataclass(frozen=True)
class Server:
    """The server: its device, its number of slots, its queueing."""

    device: DeviceProfile
    slots: int = 1
    queueing: Queueing = FIFO
    name: str = "server"

    def node(self) -> Node:
        """Return the server as a node."""
        return Node(self.name, "server", self.device, self.slots, self.queueing)


@dataclass(frozen=True)
class Computer:
    """What computes at an edge node: its device, its number of slots, its queueing."""

    device: DeviceProfile
    slots: int = 1
    queueing: Queueing = FIFO

    def node(self, name: str) -> Node:
        """Return an edge node."""
        return Node(name, "relay", self.device, self.slots, self.queueing)


@dataclass(frozen=True)
class Edge:
    """A connection of a graph; `back_bytes_per_s` is the other direction's rate if it differs.

    A half-duplex edge varies by `varies`; `jitter` and `loss` hold in each direction. Without an
    `own_limit` only the medium limits the rate. `link` is the one that the edge was made of, if any.
    """

    source: str
    target: str
    rate_bytes_per_s: float
    delay_s: float
    back_bytes_per_s: float | None = None
    duplex: Direction = "full"
    medium: str | None = None
    varies: Varying | None = None
    back_varies: Varying | None = None
    jitter: Jitter | None = None
    loss: float = 0.0
    own_limit: bool = True
    link: AccessLink | None = None

    def origin(self, figure: Literal["up", "down"]) -> Origin | None:
        """Return where a direction's figures come from, if they come from a link with a name."""
        return None if self.link is None else self.link.origin(figure)

    @classmethod
    def of_link(cls, source: str, target: str, link: AccessLink, medium: str | None = None) -> Self:
        """Return a link as an edge; its `up` leads from `source` to `target`."""
        if link.shared:
            raise TopologyError(
                f"link {link.name!r} is one medium for all stations: use it as a Wi-Fi cell"
            )
        return cls(
            source,
            target,
            link.up_bytes_per_s,
            link.known_delay_s,
            link.down_bytes_per_s,
            link.duplex,
            medium,
            link.up_varies,
            link.down_varies,
            link.jitter,
            link.loss,
            link=link,
        )


@dataclass
class Draft:
    """Nodes, links and media in the order of their creation."""

    nodes: list[Node] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    groups: list[ClientGroup] = field(default_factory=list)

    def topology(self, routing: Routing = "delay") -> Topology:
        """Return the finished topology."""
        if self.groups:
            return Fleet(self.nodes, self.links, self.media, self.groups, routing=routing)
        return Topology(self.nodes, self.links, self.media, routing=routing)

    def server(self, server: Server, link: AccessLink | None = None) -> str:
        """Add the server; return the node to connect to: the server, or the far end of its link."""
        self.nodes.append(server.node())
        if link is None:
            return server.name
        self.relay(HUB)
        self.access(server.name, HUB, link)
        return HUB

    def server_at(self, place: str, server: Server, link: AccessLink | None) -> None:
        """Add the server at a node, by its link or by an unlimited one without delay."""
        self.nodes.append(server.node())
        self.access(server.name, place, link or DIRECT)

    def relay(
        self,
        name: str,
        position: tuple[float, float] | None = None,
        computer: Computer | None = None,
    ) -> str:
        """Add a node that forwards and, with a computer, also computes."""
        node = Node(name, "relay") if computer is None else computer.node(name)
        self.nodes.append(replace(node, position=position))
        return name

    def clients(
        self, centre: str, groups: Iterable[Clients], *, prefix: str = "", medium: str | None = None
    ) -> None:
        """Add groups of clients, each with its own link to `centre`."""
        for names, group in named_groups(groups, prefix):
            link = group.link
            if len(names) == 1 or link.duplex == "half" or link.up_varies or link.down_varies:
                for name in names:
                    self.nodes.append(Node(name, "client", group.device))
                    self.access(name, centre, link, medium)
            else:
                first = Node(names[0], "client", group.device)
                up, down = self._access(names[0], centre, link, medium)
                before = len(self.nodes), len(self.links)
                self.groups.append(ClientGroup(names, first, up, down, *before))

    def access(self, name: str, centre: str, link: AccessLink, medium: str | None = None) -> None:
        """Connect a node with the centre; both directions also use `medium`, if given."""
        self.links += self._access(name, centre, link, medium)

    def edge(self, edge: Edge) -> None:
        """Add an edge as two links, or one if it is one-way."""
        there, back = f"{edge.source}->{edge.target}", f"{edge.target}->{edge.source}"
        check_choice(edge.duplex, get_args(Direction), f"edge {there!r}: unknown duplex")
        if edge.duplex == "one-way" and edge.back_bytes_per_s is not None:
            raise TopologyError(
                f"edge {there!r} is one-way, but has a rate for the other direction"
            )
        self.links += self._directions(edge, there, back, f"{edge.source}--{edge.target}")

    def _access(self, name: str, centre: str, link: AccessLink, medium: str | None) -> list[Link]:
        edge = Edge.of_link(name, centre, link, medium)
        half_duplex = link.duplex == "half"
        if half_duplex and medium is not None:
            raise TopologyError(
                f"{name!r} is on a half-duplex link and on a shared medium: expected one of them"
            )
        connection = f"{name}.link" if half_duplex else name
        return self._directions(edge, f"{name}.up", f"{name}.down", connection)

    def _directions(self, edge: Edge, there: str, back: str, connection: str) -> list[Link]:
        """Return an edge's links, by their ids; add the medium that a half-duplex edge lacks."""
        rate = edge.rate_bytes_per_s
        back_rate = rate if edge.back_bytes_per_s is None else edge.back_bytes_per_s
        up = edge.origin("up")
        if edge.duplex == "half" and edge.medium is None:
            total = rate if rate == back_rate else None  # airtime, if the directions differ
            self.media.append(Medium(connection, total, edge.varies, origin=up))
            edge = replace(edge, medium=connection, varies=None, back_varies=None, own_limit=False)
        link = Link(
            there,
            edge.source,
            edge.target,
            rate,
            edge.delay_s,
            edge.medium,
            edge.varies,
            edge.jitter,
            edge.loss,
            connection,
            edge.own_limit,
            up,
        )
        if edge.duplex == "one-way":
            return [link]
        opposite = replace(
            link,
            id=back,
            source=link.target,
            target=link.source,
            rate_bytes_per_s=back_rate,
            varies=edge.back_varies,
            origin=edge.origin("down"),
        )
        return [link, opposite]
