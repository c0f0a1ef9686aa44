"""The `topology` section: the devices and the links between them.

This module has the star, the Wi-Fi cell and the graph; cells, tiers, sites and networks from files have
their own modules.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag

from cutlayer.scenarios.bandwidth import AnyFiniteRate
from cutlayer.scenarios.cells import Cells
from cutlayer.scenarios.fields import DeviceName, Section, Text, not_empty
from cutlayer.scenarios.groups import (
    ClientGroup,
    Medium,
    Population,
    Routing,
    Server,
    StarServer,
    Station,
)
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.network_file import NetworkFile
from cutlayer.scenarios.one_of import OneOf
from cutlayer.scenarios.quantities import Delay
from cutlayer.scenarios.sites import Mesh, Ring
from cutlayer.scenarios.tiers import ThreeTier, TwoTier


class GraphServer(Server):
    """The server of a graph, with the name that edges use."""

    name: Text = "server"


class ClientNode(Section):
    """Equal clients of a graph; each of them gets every edge of the node."""

    device: DeviceName
    count: Population = 1


class RelayNode(Section):
    """A node that only forwards."""


Node = Annotated[ClientNode | RelayNode, OneOf(client=ClientNode, relay=RelayNode)]


class _Edge(Section):
    model_config = ConfigDict(serialize_by_alias=True)
    source: Text = Field(alias="from")
    target: Text = Field(alias="to")


class LinkEdge(_Edge):
    """A link between two nodes; its `up` leads from `from` to `to`."""

    link: Link


class MediumEdge(_Edge):
    """A hop between two nodes over a medium of the graph, in both directions."""

    medium: Text
    delay: Delay


def _edge_form(value: Any) -> str:
    written = isinstance(value, Mapping) and "medium" in value
    return "~medium" if written or isinstance(value, MediumEdge) else "~link"


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
        """The number of clients."""
        return sum(group.count for group in self.clients)


class WifiCell(Section):
    """Stations on one half-duplex medium, with the server at the access point or behind it.

    Either the cell has one `rate`, for all stations and both directions together, or every group has
    its own and stations share airtime. With a `backhaul`, its `up` leads from the access point to the
    server.
    """

    server: Server
    rate: AnyFiniteRate | None = None
    delay: Delay
    clients: Annotated[tuple[Station, ...], not_empty]
    backhaul: Link | None = None

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return sum(group.count for group in self.clients)


class Graph(Section):
    """Any nodes and edges; the `client` nodes are the clients."""

    server: GraphServer
    nodes: Annotated[Mapping[Text, Node], not_empty]
    edges: Annotated[tuple[Edge, ...], not_empty]
    media: Mapping[Text, Medium] = Field(default_factory=dict)
    routing: Routing = "delay"

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return sum(node.count for node in self.nodes.values() if isinstance(node, ClientNode))


Topology = Annotated[
    Star | WifiCell | Cells | TwoTier | ThreeTier | Ring | Mesh | Graph | NetworkFile,
    OneOf(
        star=Star,
        wifi_cell=WifiCell,
        cells=Cells,
        two_tier=TwoTier,
        three_tier=ThreeTier,
        ring=Ring,
        mesh=Mesh,
        graph=Graph,
        network_file=NetworkFile,
    ),
]
