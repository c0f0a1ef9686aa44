"""The `topology` section: the devices and the links between them.

Networks from files have their own module.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from cutlayer.scenarios.bandwidth import AnyFiniteRate
from cutlayer.scenarios.fields import Section, Text, Whole, not_empty, rule
from cutlayer.scenarios.groups import (
    ClientGroup,
    MayCompute,
    Medium,
    OnDevice,
    Population,
    Routing,
    Server,
    StarServer,
    Station,
)
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.network_file import NetworkFile
from cutlayer.scenarios.quantities import Delay, FiniteRate
from cutlayer.scenarios.radio import RadioCell, RadioSite
from cutlayer.scenarios.unions import OneOf, either

SiteCount = Annotated[int, Field(strict=True, ge=2, le=10_000)]


class GraphServer(Server):
    """The server of a graph, with the name that edges use."""

    name: Text = "server"


class ClientNode(OnDevice):
    """Equal clients of a graph; each of them gets every edge of the node."""

    count: Population = 1


class RelayNode(MayCompute):
    """A node that forwards and, with a device, also computes."""


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


def _on_medium(value: Any) -> bool:
    return isinstance(value, MediumEdge) or (isinstance(value, Mapping) and "medium" in value)


Edge = Annotated[LinkEdge | MediumEdge, either(LinkEdge, MediumEdge, _on_medium)]


class Star(Section):
    """Every client has its own link to the server."""

    server: StarServer
    clients: Annotated[tuple[ClientGroup, ...], not_empty]
    medium: Medium | None = None


class WifiCell(MayCompute):
    """Stations on one half-duplex medium, with the server at the access point or behind it.

    Either the cell has one `rate`, for all stations and both directions together, or every group has
    its own and stations share airtime. With a `backhaul`, its `up` leads from the access point to the
    server, and the access point may have a device.
    """

    server: Server
    rate: AnyFiniteRate | None = None
    delay: Delay
    clients: Annotated[tuple[Station, ...], not_empty]
    backhaul: Link | None = None

    @model_validator(mode="after")
    def _server_is_behind(self) -> Self:
        if self.device is not None and self.backhaul is None:
            raise rule("has its server at the access point: a device there needs a backhaul")
        return self


class Subscriber(OnDevice):
    """Equal devices of a cellular cell; `up` and `down` are the rates of a device that is alone."""

    count: Population = 1
    up: FiniteRate
    down: FiniteRate
    name: Text | None = None


class WifiSite(MayCompute):
    """Equal access points with stations, as `wifi_cell`; the backhaul's `up` leads to the server."""

    name: Text | None = None
    count: Population = 1
    rate: AnyFiniteRate | None = None
    delay: Delay
    clients: Annotated[tuple[Station, ...], not_empty]
    backhaul: Link


class CellularSite(MayCompute):
    """Equal base stations with proportionally fair scheduling; up and down are two media."""

    name: Text | None = None
    count: Population = 1
    delay: Delay
    clients: Annotated[tuple[Subscriber, ...], not_empty]
    backhaul: Link


Cell = Annotated[
    WifiSite | CellularSite | RadioSite,
    OneOf(wifi=WifiSite, cellular=CellularSite, radio=RadioSite),
]


class Cells(Section):
    """Cells around a server; they share the server's own `link`, if it has one."""

    server: StarServer
    cells: Annotated[tuple[Cell, ...], not_empty]


class EdgeGroup(MayCompute):
    """Equal edge nodes with the clients behind each; its `up` leads towards the server."""

    name: Text | None = None
    count: Population = 1
    link: Link
    clients: Annotated[tuple[ClientGroup, ...], not_empty]


class Region(MayCompute):
    """Equal regions with the edge nodes behind each; its `up` leads to the server."""

    name: Text | None = None
    count: Population = 1
    link: Link
    edge_nodes: Annotated[tuple[EdgeGroup, ...], not_empty]


class TwoTier(Section):
    """Edge nodes around a server; they share the server's own `link`, if it has one."""

    server: StarServer
    edge_nodes: Annotated[tuple[EdgeGroup, ...], not_empty]


class ThreeTier(Section):
    """Regions around a server; they share the server's own `link`, if it has one."""

    server: StarServer
    regions: Annotated[tuple[Region, ...], not_empty]


class _Sites(MayCompute):
    least: ClassVar[int]
    server: StarServer
    server_at: Whole = 0
    sites: SiteCount
    link: Link
    clients: Annotated[tuple[ClientGroup, ...], not_empty]
    routing: Routing = "delay"

    @model_validator(mode="after")
    def _sites_are_there(self) -> Self:
        if self.sites < self.least:
            raise rule(f"needs {self.least} sites or more, not {self.sites}")
        if self.server_at >= self.sites:
            last = self.sites - 1
            raise rule(f"has its server at site {self.server_at}; sites are 0 to {last}")
        return self


class Ring(_Sites):
    """Sites in a ring, with the same clients at each; the `up` of a `link` leads to the next site.

    With a `device`, every site has one.
    """

    least = 3


class Mesh(_Sites):
    """Sites with a link between every two, and the same clients (and device) at each."""

    least = 2


class Graph(Section):
    """Any nodes and edges; the `client` nodes are the clients."""

    server: GraphServer
    nodes: Annotated[Mapping[Text, Node], not_empty]
    edges: Annotated[tuple[Edge, ...], not_empty]
    media: Mapping[Text, Medium] = Field(default_factory=dict)
    routing: Routing = "delay"


Topology = Annotated[
    Star | WifiCell | RadioCell | Cells | TwoTier | ThreeTier | Ring | Mesh | Graph | NetworkFile,
    OneOf(
        star=Star,
        wifi_cell=WifiCell,
        radio_cell=RadioCell,
        cells=Cells,
        two_tier=TwoTier,
        three_tier=ThreeTier,
        ring=Ring,
        mesh=Mesh,
        graph=Graph,
        network_file=NetworkFile,
    ),
]


def clients_in(part: Any) -> int:
    """Return the number of clients in a topology, or in a part of it."""
    if isinstance(part, NetworkFile):
        return part.client_count
    if isinstance(part, Graph):
        return sum(node.count for node in part.nodes.values() if isinstance(node, ClientNode))
    copies: int = getattr(part, "count", getattr(part, "sites", 1))
    for inner in ("clients", "cells", "edge_nodes", "regions"):
        if hasattr(part, inner):
            return copies * sum(map(clients_in, getattr(part, inner)))
    return copies
