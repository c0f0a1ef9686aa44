"""The topology `network_file`: a network from a file or from topohub, with clients at its nodes.

Files are read together with the scenario.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import networkx
from pydantic import BeforeValidator, Field, model_validator

from cutlayer.scenarios.fields import DeviceName, Section, Text, accepted_by, not_empty, rule
from cutlayer.scenarios.groups import MayCompute, OnDevice, Population, Routing, StarServer
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.quantities import Delay, FiniteRate, Rate
from cutlayer.scenarios.unions import OneOf, either, is_list, is_mapping
from cutlayer.topologies import (
    TopologyError,
    parse_duration,
    parse_rate,
    read_network,
    topohub_network,
)
from cutlayer.topologies.builders.network_nodes import NetworkNodes, UnknownNodeError, network_nodes
from cutlayer.topologies.builders.networkx_graph import count_of
from cutlayer.topologies.text_file import FileState, TextFileError, file_state

NOT_READ: Final = "is not a network: "

Detour = Annotated[float, Field(strict=True, ge=1, le=10, allow_inf_nan=False)]


def network_of(file: str | None, topohub: str | None) -> "networkx.Graph[Any]":
    """Return the network that a section names, read once. Raises TopologyError."""
    if file is None:
        assert topohub is not None
        return _from_topohub(topohub)
    return _from_file(file)


def nodes_of(file: str | None, topohub: str | None) -> NetworkNodes:
    """Return the nodes of the network that a section names. Raises TopologyError."""
    return _nodes(network_of(file, topohub))


def _from_file(file: str) -> "networkx.Graph[Any]":
    try:
        return _read(file, file_state(file))
    except TextFileError as error:
        raise TopologyError(f"{file} {error}") from None


@lru_cache(maxsize=8)
def _read(file: str, version: FileState) -> "networkx.Graph[Any]":
    del version
    return read_network(Path(file))


_nodes = lru_cache(maxsize=8)(network_nodes)
_from_topohub = lru_cache(maxsize=8)(topohub_network)


def _as_text(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole else value


NodeName = Annotated[Text, BeforeValidator(_as_text)]
NodeNames = Annotated[tuple[NodeName, ...], not_empty]


class PlacedServer(StarServer):
    """The server at a node of the network, by its own `link` or directly."""

    at: NodeName


class PlacedGroup(OnDevice):
    """Equal clients at nodes of the network, each with its own link to its node.

    `count` clients are at each node in `at`, or at `all` nodes that are connected with the server;
    with `spread`, `count` is the total.
    """

    count: Population = 1
    link: Link
    name: Text | None = None
    at: Annotated[NodeName | NodeNames, either(NodeName, NodeNames, is_list)]

    @property
    def places(self) -> tuple[str, ...] | Literal["all", "spread"]:
        """The nodes, or `all` or `spread`."""
        if self.at == "all":
            return "all"
        if self.at == "spread":
            return "spread"
        return (self.at,) if isinstance(self.at, str) else self.at


class PlacedEdge(MayCompute):
    """A device at nodes of the network, which then also compute."""

    device: DeviceName
    at: Annotated[NodeName | NodeNames, either(NodeName, NodeNames, is_list)]

    @property
    def places(self) -> tuple[str, ...]:
        """The nodes."""
        return (self.at,) if isinstance(self.at, str) else self.at


class RateAttribute(Section):
    """The rate is an attribute of each edge, in a given unit; `otherwise` for edges without it."""

    name: Text
    unit: Annotated[Text, accepted_by(lambda unit: parse_rate(f"1 {unit}"))]
    otherwise: FiniteRate | None = None


class DelayAttribute(Section):
    """The delay is an attribute of each edge, in a given unit; `otherwise` for edges without it."""

    name: Text
    unit: Annotated[Text, accepted_by(lambda unit: parse_duration(f"1 {unit}"))]
    otherwise: Delay | None = None


class ByDistance(Section):
    """The delay is that of light in fibre along the great circle, times a `detour`.

    For an edge with an end of unknown position it is `otherwise`, or else the median of the others.
    """

    detour: Detour = 1.0
    otherwise: Delay | None = None


_VaryingRate = Annotated[RateAttribute, OneOf(attribute=RateAttribute)]
EdgeRate = Annotated[Rate | _VaryingRate, either(Rate, _VaryingRate, is_mapping)]
_VaryingDelay = Annotated[
    ByDistance | DelayAttribute, OneOf(distance=ByDistance, attribute=DelayAttribute)
]
EdgeDelay = Annotated[
    Delay | _VaryingDelay,
    either(Delay, _VaryingDelay, lambda value: is_mapping(value) or value == "distance"),
]


class NetworkFile(Section):
    """A network of nodes that forward, from a file or by its name in topohub."""

    file: Annotated[Text, accepted_by(_from_file, NOT_READ)] | None = None
    topohub: Annotated[Text, accepted_by(_from_topohub, NOT_READ)] | None = None
    server: PlacedServer
    clients: Annotated[tuple[PlacedGroup, ...], not_empty]
    edge_nodes: tuple[PlacedEdge, ...] | None = None
    rate: EdgeRate
    delay: EdgeDelay
    routing: Routing = "delay"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.topohub is None):
            raise rule("must have one of file and topohub")
        return self

    @property
    def network(self) -> "networkx.Graph[Any]":
        """The network, as a graph."""
        return network_of(self.file, self.topohub)

    @property
    def client_count(self) -> int:
        """The number of clients."""
        nodes = nodes_of(self.file, self.topohub)
        try:
            connected = len(nodes.connected_with(nodes.key_of(self.server.at)))
        except UnknownNodeError:  # reported by the rules between sections
            connected = len(nodes.names)
        return sum(count_of(group.count, group.places, connected) for group in self.clients)
