"""Where a scenario runs: devices, servers and relays as nodes of a directed graph, links as edges.

A link has a capacity of its own, or draws on a medium that other links draw on too. What a transfer
consumes on its way, per byte, is a `Route`; the network that shares the capacities sees nothing
else. A full-duplex connection is two links. On a half-duplex one, or a cell, all links name one
medium: a plain medium carries so many bytes a second in all; an airtime medium has one second of
airtime a second, of which a link at r bytes/s takes 1/r for each byte. Not modelled here: queues in
relays, routing by load, interference between media.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import networkx

from topologies.closest import closest
from topologies.parts import Link, Medium, Node, Route, TopologyError

__all__ = ["Link", "Medium", "Node", "Route", "Topology", "TopologyError"]

Thing = TypeVar("Thing")


class Topology:
    """Nodes and links, checked: every client and the one server reach each other.

    `clients` fixes the client index (the order given), `resources` has the capacity of everything
    that can be a bottleneck by its id: bytes per second, or 1.0 of airtime.
    """

    def __init__(
        self, nodes: Sequence[Node], links: Sequence[Link], media: Sequence[Medium] = ()
    ) -> None:
        self.nodes = _by_name(nodes, "nodes", lambda node: node.name)
        self.links = _by_name(links, "links", lambda link: link.id)
        self.media = _by_name(media, "media", lambda medium: medium.id)
        self.graph = self._graph()
        self.clients = tuple(node.name for node in nodes if node.role == "client")
        self.server = self._the_server()
        self._consumption = {link.id: self._consumed_by(link) for link in links}
        self.resources = self._resources()
        self._trees: dict[tuple[str, bool], Mapping[str, Link]] = {}
        for client in self.clients:
            self._both_ways(client)

    def node(self, name: str) -> Node:
        """Return a node, or raise `TopologyError`."""
        if name not in self.nodes:
            raise TopologyError(f"there is no node {name!r}{closest(name, self.nodes)}")
        return self.nodes[name]

    def route(self, source: str, target: str) -> Route:
        """Return what a transfer consumes on its `path`, and the delays of that added up."""
        resources: dict[str, float] = {}
        delay_s = 0.0
        for link in self.path(source, target):
            delay_s += link.delay_s
            for resource, consumption in self._consumption[link.id]:
                resources[resource] = resources.get(resource, 0.0) + consumption
        return Route(tuple(resources.items()), delay_s)

    def path(self, source: str, target: str) -> tuple[Link, ...]:
        """Return the links of the way of least delay, or raise `TopologyError` if there is none.

        Of equal ones it is the one with the fewest links, then the first by its nodes' names,
        compared from the server's end.
        """
        for end in (source, target):
            self.node(end)
        # One search serves all clients: it starts at the server, whichever end that is.
        outwards = source == self.server
        root, here = (source, target) if outwards else (target, source)
        tree = self._tree(root, outwards)
        links = []
        while here != root:
            if here not in tree:
                raise TopologyError(f"there is no way from {source!r} to {target!r}")
            links.append(tree[here])
            here = links[-1].source if outwards else links[-1].target
        return tuple(reversed(links)) if outwards else tuple(links)

    def route_class(self, client: str) -> Hashable:
        """Return a value that is equal for two clients whose timing is interchangeable.

        It holds the device, the delays, and the resources of both ways in order: shared ones by
        their id, private ones by capacity, numbered where both ways use the same one.
        """
        private: dict[str, int] = {}
        ways = []
        for route in self._both_ways(client):
            steps: list[Hashable] = [route.delay_s]
            for resource, consumption in route.resources:
                if self._users[resource] > 1:
                    steps.append(("shared", resource, consumption))
                else:
                    index = private.setdefault(resource, len(private))
                    steps.append(("private", index, self.resources[resource], consumption))
            ways.append(tuple(steps))
        node = self.node(client)
        return (node.device, node.slots, node.discipline, *ways)

    def _graph(self) -> "networkx.DiGraph[str]":
        graph: networkx.DiGraph[str] = networkx.DiGraph()
        for node in self.nodes.values():
            graph.add_node(node.name, node=node)
        for link in self.links.values():
            if link.source == link.target:
                raise TopologyError(f"link {link.id!r} leads from {link.source!r} to itself")
            for end in (link.source, link.target):
                if end not in self.nodes:
                    raise TopologyError(
                        f"link {link.id!r} names a node {end!r} that is not there"
                        f"{closest(end, self.nodes)}"
                    )
            if link.medium is not None and link.medium not in self.media:
                raise TopologyError(
                    f"link {link.id!r} names a medium {link.medium!r} that is not there"
                    f"{closest(link.medium, self.media)}"
                )
            if graph.has_edge(link.source, link.target):
                raise TopologyError(
                    f"there are two links from {link.source!r} to {link.target!r}: expected one"
                )
            graph.add_edge(link.source, link.target, link=link, delay_s=link.delay_s)
        return graph

    def _the_server(self) -> str:
        servers = [node.name for node in self.nodes.values() if node.role == "server"]
        if len(servers) != 1:
            raise TopologyError(f"expected one server, got {', '.join(servers) or 'none'}")
        if not self.clients:
            raise TopologyError("there is no client: expected one or more")
        return servers[0]

    def _consumed_by(self, link: Link) -> tuple[tuple[str, float], ...]:
        """Return what a byte on `link` consumes of which resources."""
        own = () if math.isinf(link.rate_bytes_per_s) else ((link.id, 1.0),)
        if link.medium is None:
            return own
        medium = self.media[link.medium]
        if medium.rate_bytes_per_s is None:
            airtime = 1.0 / link.rate_bytes_per_s
            return ((medium.id, airtime),) if airtime > 0 else ()
        shared = () if math.isinf(medium.rate_bytes_per_s) else ((medium.id, 1.0),)
        return own + shared if link.rate_bytes_per_s < medium.rate_bytes_per_s else shared

    def _resources(self) -> dict[str, float]:
        resources: dict[str, float] = {}
        for link in self.links.values():
            if link.id in self.media:
                raise TopologyError(f"{link.id!r} is the name of a link and of a medium")
            for resource, _ in self._consumption[link.id]:
                medium = self.media.get(resource)
                capacity = link.rate_bytes_per_s if medium is None else medium.capacity
                resources[resource] = capacity
        used = {link.medium for link in self.links.values()}
        for name in self.media:
            if name not in used:
                raise TopologyError(f"medium {name!r} is used by no link")
        return resources

    def _tree(self, root: str, outwards: bool) -> Mapping[str, Link]:
        """Return, for each node, the last link on its way from `root` (or the first on that to it).

        Of the links on ways of least delay, a breadth-first search takes those with the fewest, and
        meets nodes of equal distance in the order of their names.
        """
        tree = self._trees.get((root, outwards))
        if tree is None:
            graph = self.graph if outwards else self.graph.reverse(copy=False)
            delay = networkx.single_source_dijkstra_path_length(graph, root, weight="delay_s")
            tree, level = {}, [root]
            while level:
                following = []
                for here in sorted(level):
                    for there, edge in graph.adj[here].items():
                        on_time = delay[here] + edge["delay_s"] == delay[there]
                        if on_time and there != root and there not in tree:
                            tree[there] = edge["link"]
                            following.append(there)
                level = following
            self._trees[root, outwards] = tree
        return tree

    def _both_ways(self, client: str) -> tuple[Route, Route]:
        return self.route(client, self.server), self.route(self.server, client)

    @cached_property
    def _users(self) -> Counter[str]:
        """How many clients' routes use each resource."""
        users: Counter[str] = Counter()
        for client in self.clients:
            up, down = self._both_ways(client)
            users.update(dict(up.resources + down.resources).keys())
        return users


def _by_name(things: Iterable[Thing], kind: str, name: Callable[[Thing], str]) -> dict[str, Thing]:
    named: dict[str, Thing] = {}
    for thing in things:
        if name(thing) in named:
            raise TopologyError(f"there are two {kind} named {name(thing)!r}")
        named[name(thing)] = thing
    return named
