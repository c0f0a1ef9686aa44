"""The `topology` section: which devices take part, and the links between them.

Directions are seen from the device: `up` leaves it, `down` arrives. One client is one device; a
group with `count: 6` is six clients, each with a link of its own. The order in the file is the
order of the clients.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from scenarios.fields import Count, DeviceName, Section, Text, not_built, not_empty
from scenarios.links import Link
from scenarios.one_of import OneOf
from scenarios.quantities import Delay, FiniteRate

Population = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class Server(Section):
    """The server: a queue with `slots` places that work at the same time."""

    device: DeviceName
    slots: Count
    discipline: Annotated[Literal["fifo"], not_built("priority", "processor sharing")] = "fifo"


class StarServer(Server):
    """The server of a star; with a `link`, all clients share it.

    Its `up` leaves the server, and carries what goes down to the clients.
    """

    link: Link | None = None


class GraphServer(Server):
    """The server of a graph, under the name that edges use."""

    name: Text = "server"


class Medium(Section):
    """One half-duplex channel that everything on it shares, in both directions."""

    rate: FiniteRate


class ClientGroup(Section):
    """Equal clients, each with its own link."""

    device: DeviceName
    count: Population = 1
    link: Link
    name: Text | None = None


class Station(Section):
    """Equal stations of a Wi-Fi cell; with a `rate` of their own where the cell has none."""

    device: DeviceName
    count: Population = 1
    rate: FiniteRate | None = None
    name: Text | None = None


class ClientNode(Section):
    """Equal clients of a graph; every edge of the node is drawn for each of them."""

    device: DeviceName
    count: Population = 1


class RelayNode(Section):
    """A node that only forwards."""


Node = Annotated[ClientNode | RelayNode, OneOf(client=ClientNode, relay=RelayNode)]


class LinkEdge(Section):
    """A link between two nodes; its `up` leads from `from` to `to`."""

    model_config = ConfigDict(serialize_by_alias=True)
    source: Text = Field(alias="from")
    target: Text = Field(alias="to")
    link: Link


class MediumEdge(Section):
    """A hop between two nodes over a medium of the graph, in both directions."""

    model_config = ConfigDict(serialize_by_alias=True)
    source: Text = Field(alias="from")
    target: Text = Field(alias="to")
    medium: Text
    delay: Delay


def _edge_form(value: Any) -> str:
    over_medium = isinstance(value, MediumEdge) or (
        isinstance(value, Mapping) and "medium" in value
    )
    return "~medium" if over_medium else "~link"


Edge = Annotated[
    Annotated[LinkEdge, Tag("~link")] | Annotated[MediumEdge, Tag("~medium")],
    Discriminator(_edge_form),
]


class Star(Section):
    """Every client has its own link to the server."""

    server: StarServer
    clients: Annotated[tuple[ClientGroup, ...], not_empty]
    medium: Medium | None = None

    @property
    def client_count(self) -> int:
        """How many clients there are."""
        return sum(group.count for group in self.clients)


class WifiCell(Section):
    """Stations on one half-duplex medium, with the server at the access point or behind it.

    Either the cell has one `rate`, for all stations and both directions together, or every group
    has its own and they share the airtime. With a `backhaul` (its `up` leads to the server) the
    server is a link away from the access point.
    """

    server: Server
    rate: FiniteRate | None = None
    delay: Delay
    clients: Annotated[tuple[Station, ...], not_empty]
    backhaul: Link | None = None

    @property
    def client_count(self) -> int:
        """How many clients there are."""
        return sum(group.count for group in self.clients)


class Graph(Section):
    """Any nodes and edges; the clients are the nodes of the kind `client`."""

    server: GraphServer
    nodes: Annotated[Mapping[Text, Node], not_empty]
    edges: Annotated[tuple[Edge, ...], not_empty]
    media: Mapping[Text, Medium] = Field(default_factory=dict)

    @property
    def client_count(self) -> int:
        """How many clients there are."""
        return sum(node.count for node in self.nodes.values() if isinstance(node, ClientNode))


Topology = Annotated[Star | WifiCell | Graph, OneOf(star=Star, wifi_cell=WifiCell, graph=Graph)]
