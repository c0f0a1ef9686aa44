"""The topologies `two_tier` and `three_tier`: clients behind edge nodes, edge nodes behind regions."""

from typing import Annotated

from cutlayer.scenarios.fields import Section, Text, not_empty
from cutlayer.scenarios.groups import ClientGroup, Population, StarServer
from cutlayer.scenarios.links import Link


class EdgeGroup(Section):
    """Equal edge nodes with the clients behind each; its `up` leads towards the server."""

    name: Text | None = None
    count: Population = 1
    link: Link
    clients: Annotated[tuple[ClientGroup, ...], not_empty]

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return self.count * sum(group.count for group in self.clients)


class Region(Section):
    """Equal regions with the edge nodes behind each; its `up` leads to the server."""

    name: Text | None = None
    count: Population = 1
    link: Link
    edge_nodes: Annotated[tuple[EdgeGroup, ...], not_empty]

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return self.count * sum(group.client_count for group in self.edge_nodes)


class TwoTier(Section):
    """Edge nodes around a server; they share the server's own `link`, if it has one."""

    server: StarServer
    edge_nodes: Annotated[tuple[EdgeGroup, ...], not_empty]

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return sum(group.client_count for group in self.edge_nodes)


class ThreeTier(Section):
    """Regions around a server; they share the server's own `link`, if it has one."""

    server: StarServer
    regions: Annotated[tuple[Region, ...], not_empty]

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return sum(group.client_count for group in self.regions)
