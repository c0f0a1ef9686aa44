"""Topologies: devices, the server and relays as nodes of a directed graph, links as edges.

A link has a capacity of its own, or uses a medium that it shares with other links. A `Route` is what a
transfer consumes per byte; it is all that the network needs to share the capacities. A full-duplex
connection is two links. The links of a half-duplex connection, or of a cell, name one medium. A plain
medium carries a number of bytes per second in total; an airtime medium has one second of airtime per
second, of which a link at r bytes/s takes 1/r for each byte. Not modelled: queues in relays, routing
by load, interference between media.

This file is long because `Topology` is one class.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from statistics import median
from typing import Self

import networkx

from cutlayer.suggestion import suggestion
from cutlayer.topologies.bandwidth import Profile
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.parts import Link, Medium, Node, Route, Routing, TopologyError, by_name
from cutlayer.topologies.routing import routing_graph, shortest_paths


class Topology:
    """Nodes and links; every client and the one server reach each other.

    `clients` defines the client index (the order given). `edges` are the relays with a device, in order.
    `resources` has the capacity of everything that can be a bottleneck, by its id; those that vary are
    in `profiles`, drawn from a seed.
    `routing` defines the length of a route: its delay, its links or its inverse rates, by their means.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        links: Sequence[Link],
        media: Sequence[Medium] = (),
        *,
        routing: Routing = "delay",
    ) -> None:
        self.routing = routing
        self.nodes: Mapping[str, Node] = by_name(nodes, "nodes", lambda node: node.name)
        self.links: Mapping[str, Link] = by_name(links, "links", lambda link: link.id)
        self.media: Mapping[str, Medium] = by_name(media, "media", lambda medium: medium.id)
        assert self.graph is not None  # building it checks the links
        self.clients = tuple(node.name for node in nodes if node.role == "client")
        self.server = self._the_server()
        self.edges = tuple(node.name for node in nodes if node.role == "relay" and node.device)
        self._consumption = {link.id: self._consumed_by(link) for link in links}
        self._means = self._mean_capacities()
        self._seed = 0
        self._trees: dict[tuple[str, bool], Mapping[str, Link]] = {}
        self._sizes: Mapping[str, int] = {}
        for client in self.clients:  # it must reach the server, and be reached from there
            self._weight(self.path(client, self.server))
            self._weight(self.path(self.server, client))

    def with_links(self, links: Sequence[Link], media: Sequence[Medium]) -> "Topology":
        """Return the topology with other links and media between the same nodes."""
        return Topology(list(self.nodes.values()), links, media, routing=self.routing)

    def mapped(
        self, link: Callable[[Link], Link], medium: Callable[[Medium], Medium]
    ) -> "Topology":
        """Return the topology with other rates and delays: those of the functions' results."""
        links, media = map(link, self.links.values()), map(medium, self.media.values())
        return self.with_links(list(links), list(media)).seeded(self._seed)

    def with_devices(self, devices: Mapping[str, DeviceProfile]) -> "Topology":
        """Return the topology with other devices at some of its nodes."""
        nodes = [
            replace(node, device=devices[name]) if name in devices else node
            for name, node in self.nodes.items()
        ]
        links, media = list(self.links.values()), list(self.media.values())
        return Topology(nodes, links, media, routing=self.routing)

    def standing_for(self, sizes: Mapping[str, int]) -> Self:
        """Return the topology in which clients stand for several, each with links of its own."""
        other = copy(self)
        other.__dict__.pop("_users", None)
        other._sizes = sizes
        return other

    def seeded(self, seed: int) -> Self:
        """Return the topology with what varies drawn from another seed."""
        other = copy(self)
        for drawn in ("profiles", "resources"):
            other.__dict__.pop(drawn, None)
        other._seed = seed
        return other

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """The capacities that vary, by their resource's id."""
        profiles = {}
        for resource in self._means:
            link = self.links.get(resource)
            varies = self.media[resource].varies if link is None else link.varies
            if varies is not None:
                connection = resource if link is None else link.connection or resource
                profiles[resource] = varies.profile(self._seed, resource, connection)
        return profiles

    @cached_property
    def graph(self) -> "networkx.DiGraph[str]":
        """The nodes, and the links with what they add to the length of a route."""
        return routing_graph(self.nodes, self.links, self.media, self.routing)

    @cached_property
    def resources(self) -> Mapping[str, float]:
        """The capacity of every resource at 0 s: bytes per second, or 1.0 of airtime."""
        at_first = {name: profile.piece(0.0)[0] for name, profile in self.profiles.items()}
        return self._means | at_first

    def device_runs(self) -> Iterator[tuple[DeviceProfile, slice]]:
        """Yield runs of clients, in client order, whose devices differ at most in speed."""
        for _, runs in groupby(self.alike(), lambda run: id(self._device_at(run[0]))):
            (start, count), *more = runs
            yield self._device_at(start), slice(start, start + count + sum(n for _, n in more))

    def _device_at(self, index: int) -> DeviceProfile:
        device = self.nodes[self.clients[index]].device
        assert device is not None
        return device

    @property
    def distinct_links(self) -> Collection[Link]:
        """The links without those that differ from another only in their client."""
        return self.links.values()

    @property
    def unconnected(self) -> tuple[str, ...]:
        """The nodes that have no route from the server and none to it; they carry nothing."""
        reached = {self.server, *self._tree(self.server, True), *self._tree(self.server, False)}
        return tuple(name for name in self.nodes if name not in reached)

    def alike(self) -> Iterator[tuple[int, int]]:
        """Yield runs of clients whose routes differ only in their own links: the first and the count."""
        return ((index, 1) for index in range(len(self.clients)))

    def node(self, name: str) -> Node:
        """Return a node, or raise `TopologyError`."""
        try:
            return self.nodes[name]
        except KeyError:
            hint = suggestion(name, self.nodes)
            raise TopologyError(f"there is no node {name!r}{hint}") from None

    def route(self, source: str, target: str, *, outwards: bool = False) -> Route:
        """Return what a transfer consumes on its `path`, and the total delay."""
        resources: dict[str, float] = {}
        delay_s, loss = 0.0, 0.0
        jitters = []
        path = self.path(source, target, outwards=outwards)
        for link in path:
            delay_s += link.delay_s
            loss += (1 - loss) * link.loss
            if link.jitter is not None and link.delay_s > 0:
                jitters.append((link.delay_s, link.jitter))
            for resource, consumption in self._consumption[link.id]:
                resources[resource] = resources.get(resource, 0.0) + consumption
        weight = self._weight(path)
        return Route(tuple(resources.items()), delay_s, loss, tuple(jitters), weight)

    def path(self, source: str, target: str, *, outwards: bool = False) -> tuple[Link, ...]:
        """Return the links of the shortest route by `routing`. Raises TopologyError if there is none.

        Of equal routes it is the one with the fewest links, then the first by the names of its
        nodes, compared from the server's end, or between clients from the target, with `outwards` from
        the source. One search finds the routes of all clients from or to the same end.
        """
        for end in (source, target):
            self.node(end)
        outwards |= source == self.server or (source in self.edges and target != self.server)
        root, here = (source, target) if outwards else (target, source)
        tree = self._tree(root, outwards)
        links = []
        while here != root:
            if here not in tree:
                raise TopologyError(f"there is no route from {source!r} to {target!r}")
            links.append(tree[here])
            here = links[-1].source if outwards else links[-1].target
        return tuple(reversed(links)) if outwards else tuple(links)

    def edge_of(self, client: str) -> str | None:
        """Return the first node with a device on a client's way to the server, if there is one."""
        way = self.path(client, self.server) if self.edges else ()
        return next((link.target for link in way if link.target in self.edges), None)

    def route_class(self, client: str) -> Hashable:
        """Return a value that is equal for two clients whose timing is interchangeable.

        It has the device, the delays, the losses, and the resources of both routes in order: shared
        and varying ones by id, private ones by capacity, numbered in case both routes use one.
        """
        private: dict[str, int] = {}
        routes = []
        for ends in ((client, self.server), (self.server, client)):
            route = self.route(*ends)
            steps: list[Hashable] = [route.delay_s, route.loss, route.jitters, route.weight]
            for resource, consumption in route.resources:
                if self._users[resource] > 1 or resource in self.profiles:
                    steps.append(("shared", resource, consumption))
                else:
                    index = private.setdefault(resource, len(private))
                    steps.append(("private", index, self.resources[resource], consumption))
            routes.append(tuple(steps))
        node = self.node(client)
        return (node.device, node.slots, node.queueing, *routes)

    def _the_server(self) -> str:
        servers = [node.name for node in self.nodes.values() if node.role == "server"]
        if len(servers) != 1:
            raise TopologyError(f"expected one server, got {', '.join(servers) or 'none'}")
        if not self.clients:
            raise TopologyError("there is no client: expected at least one")
        return servers[0]

    def _consumed_by(self, link: Link) -> tuple[tuple[str, float], ...]:
        """Return the resources of `link`, each with its consumption per byte."""
        own = () if math.isinf(link.rate_bytes_per_s) else ((link.id, 1.0),)
        if link.medium is None:
            return own
        medium = self.media[link.medium]
        if medium.rate_bytes_per_s is None:
            if link.varies is not None:
                raise TopologyError(
                    f"link {link.id!r} shares the airtime of {medium.id!r}: its rate cannot vary"
                )
            if medium.sharing == "proportional" and math.isinf(link.rate_bytes_per_s):
                raise TopologyError(
                    f"link {link.id!r} is unlimited and cannot have a share of its cell"
                )
            airtime = 1.0 / link.rate_bytes_per_s
            return ((medium.id, airtime),) if airtime > 0 else ()
        shared = () if math.isinf(medium.rate_bytes_per_s) else ((medium.id, 1.0),)
        slower = link.rate_bytes_per_s < medium.rate_bytes_per_s
        vary = link.varies is not None or medium.varies is not None
        return own + shared if link.own_limit and (slower or vary) else shared

    def _mean_capacities(self) -> dict[str, float]:
        resources: dict[str, float] = {}
        for link in self.links.values():
            if link.id in self.media:
                raise TopologyError(f"{link.id!r} is the name of a link and of a medium")
            for resource, _ in self._consumption[link.id]:
                medium = self.media.get(resource)
                resources[resource] = link.rate_bytes_per_s if medium is None else medium.capacity
        used = {link.medium for link in self.links.values()}
        for name in self.media:
            if name not in used:
                raise TopologyError(f"medium {name!r} is used by no link")
        return resources

    def _tree(self, root: str, outwards: bool) -> Mapping[str, Link]:
        if (root, outwards) not in self._trees:
            self._trees[root, outwards] = shortest_paths(self.graph, root, outwards)
        return self._trees[root, outwards]

    @cached_property
    def _weights(self) -> dict[str, float]:
        """The weight of every link on a proportionally fair medium."""
        members: dict[str, list[Link]] = {}
        for link in self.links.values():
            if link.medium is not None and self.media[link.medium].sharing == "proportional":
                members.setdefault(link.medium, []).append(link)
        weights: dict[str, float] = {}
        for links in members.values():
            typical = median(link.rate_bytes_per_s for link in links)
            weights |= {link.id: link.rate_bytes_per_s / typical for link in links}
        return weights

    def _weight(self, path: Sequence[Link]) -> float:
        """Return a transfer's weight on a path, from the proportionally fair medium on it, if any."""
        if not self._weights:
            return 1.0
        on_media = [link for link in path if link.id in self._weights]
        for link in on_media[1:]:
            if self._weights[link.id] != self._weights[on_media[0].id]:
                raise TopologyError(
                    f"a route crosses {on_media[0].id!r} and {link.id!r}, which are shared in"
                    f" proportion to different rates: expected one such medium on a route"
                )
        return self._weights[on_media[0].id] if on_media else 1.0

    @cached_property
    def _users(self) -> Counter[str]:
        """How many clients' routes use each resource."""
        users: Counter[str] = Counter()
        for client in self.clients:
            up, down = self.route(client, self.server), self.route(self.server, client)
            size = self._sizes.get(client, 1)
            own = () if size == 1 else (f"{client}.up", f"{client}.down")
            for resource in dict(up.resources + down.resources):
                users[resource] += 1 if resource in own else size
        return users
