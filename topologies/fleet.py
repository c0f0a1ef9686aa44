"""Topologies with large groups of equal clients, which are stored once for the whole group.

A million clients cost a name each. The node, links and routes of a client are made on demand from
those of the group's first member, which represents the group in an ordinary topology.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Final, Self, TypeVar

from cutlayer.topologies.bandwidth import Profile
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.parts import Link, Medium, Node, Route, Routing, TopologyError

UP: Final = ".up"
DOWN: Final = ".down"

Value = TypeVar("Value")
Single = TypeVar("Single")
Member = TypeVar("Member")


@dataclass(frozen=True)
class ClientGroup:
    """Equal clients, each with its own full-duplex link of constant rate to the same node.

    `node`, `up` and `down` are the first member's. `after_nodes` and `after_links` count the other nodes
    and links before the group.
    """

    names: tuple[str, ...]
    node: Node
    up: Link
    down: Link
    after_nodes: int
    after_links: int

    def member(self, name: str) -> Node:
        """Return the node of a member."""
        return self.node if name == self.node.name else replace(self.node, name=name)

    def links(self, name: str) -> tuple[Link, Link]:
        """Return a member's links, up and down."""
        up = replace(self.up, id=name + UP, source=name, connection=name)
        return up, replace(self.down, id=name + DOWN, target=name, connection=name)


class Fleet(Topology):
    """A topology with groups of clients; equivalent to the topology of all its nodes and links."""

    def __init__(
        self,
        nodes: Sequence[Node],
        links: Sequence[Link],
        media: Sequence[Medium],
        groups: Sequence[ClientGroup],
        *,
        routing: Routing = "delay",
    ) -> None:
        self._single_nodes = tuple(nodes)
        self._single_links = tuple(links)
        self._groups = tuple(groups)
        firsts = [(group.after_nodes, (group.node,)) for group in groups]
        access = [(group.after_links, (group.up, group.down)) for group in groups]
        core = Topology(
            list(_merged(nodes, firsts)), list(_merged(links, access)), media, routing=routing
        )
        self._core = core.standing_for({group.node.name: len(group.names) for group in groups})
        self.routing = routing
        self.media = core.media
        self.server = core.server
        self.edges = core.edges
        self._seed = 0
        self._devices: tuple[Mapping[str, DeviceProfile], ...] = ()
        things = _merged(nodes, [(group.after_nodes, (group,)) for group in groups])
        self._runs = [one for one in things if isinstance(one, ClientGroup) or one.role == "client"]
        names = [run.names if isinstance(run, ClientGroup) else (run.name,) for run in self._runs]
        self._starts = [0, *accumulate(map(len, names))]
        self.clients = tuple(chain.from_iterable(names))
        self._index = {name: index for index, name in enumerate(self.clients)}
        self._check_names()
        self._renewed()

    def _check_names(self) -> None:
        others = [node.name for node in self._single_nodes if node.role != "client"]
        if len(self._index) == len(self.clients) and not self._index.keys() & set(others):
            return
        seen = set(others)
        for name in self.clients:
            if name in seen:
                raise TopologyError(f"there are two nodes named {name!r}")
            seen.add(name)

    def group_of(self, name: str) -> ClientGroup | None:
        """Return the group of a client, None for other nodes and for clients without one."""
        if (index := self._index.get(name)) is None:
            return None
        run = self._runs[bisect_right(self._starts, index) - 1]
        return None if isinstance(run, Node) else run

    def _owner(self, link: str) -> tuple[ClientGroup, str, int] | None:
        """Return the group and the name of the client whose link this is, and 0 for up, 1 for down."""
        for direction, suffix in enumerate((UP, DOWN)):
            name = link.removesuffix(suffix)
            group = self.group_of(name) if name != link else None
            if group is not None:
                return group, name, direction
        return None

    def mapped(self, link: Callable[[Link], Link], medium: Callable[[Medium], Medium]) -> Topology:
        """Return the topology with other rates and delays: those of the functions' results."""
        groups = {id(g): replace(g, up=link(g.up), down=link(g.down)) for g in self._groups}
        other = copy(self)
        other._groups = tuple(groups.values())
        other._runs = [groups[id(r)] if isinstance(r, ClientGroup) else r for r in self._runs]
        other._single_links = tuple(map(link, self._single_links))
        other._core = self._core.mapped(link, medium).standing_for(self._core._sizes)
        other.media = other._core.media
        return other._renewed()

    def with_devices(self, devices: Mapping[str, DeviceProfile]) -> Topology:
        """Return the topology with faster or slower devices at some of its nodes."""
        other = copy(self)
        other._devices = (devices, *self._devices)
        return other._renewed()

    def seeded(self, seed: int) -> Self:
        """Return the topology with what varies drawn from another seed."""
        other = copy(self)
        other._seed = seed
        other._core = self._core.seeded(seed)
        return other._renewed()

    def _renewed(self) -> Self:
        """Return this copy without what the original has computed."""
        for cached in ("profiles", "resources", "graph", "_whole"):
            self.__dict__.pop(cached, None)
        self._both: dict[tuple[str, str], Route] = {}
        self._classes: dict[str, Hashable] = {}
        members = sum(len(group.names) for group in self._groups)
        self.nodes = _OnDemand(self._node, self._node_names, len(self._single_nodes) + members)
        links = len(self._single_links) + 2 * members
        self.links = _OnDemand(self._link, self._link_ids, links)
        return self

    def _node(self, name: str) -> Node:
        group = self.group_of(name)
        node = self._core.nodes[name] if group is None else group.member(name)
        device = self._device(name)
        return node if device is None else replace(node, device=device)

    def _device(self, name: str) -> DeviceProfile | None:
        return next((devices[name] for devices in self._devices if name in devices), None)

    def _node_names(self) -> Iterator[str]:
        singles = [node.name for node in self._single_nodes]
        return _merged(singles, [(group.after_nodes, group.names) for group in self._groups])

    def _link(self, link: str) -> Link:
        if (owner := self._owner(link)) is None:
            return self._core.links[link]
        group, name, direction = owner
        return group.links(name)[direction]

    def _link_ids(self) -> Iterator[str]:
        singles = [link.id for link in self._single_links]
        return _merged(singles, [(group.after_links, _own(group)) for group in self._groups])

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """The capacities that vary, by their resource's id; links of groups do not vary."""
        return self._core.profiles

    @cached_property
    def resources(self) -> Mapping[str, float]:
        """The capacity of every resource at 0 s: bytes per second, or 1.0 of airtime."""
        known = self._core.resources
        more = sum(
            (len(group.names) - 1) * sum(link.id in known for link in (group.up, group.down))
            for group in self._groups
        )
        return _OnDemand(self._capacity, self._resource_ids, len(known) + more)

    def _capacity(self, resource: str) -> float:
        known = self._core.resources
        owner = None if resource in known else self._owner(resource)
        if owner is None:
            return known[resource]
        group, _, direction = owner
        return known[(group.up, group.down)[direction].id]

    def _resource_ids(self) -> Iterator[str]:
        known = self._core.resources
        own = [
            link
            for group in self._groups
            for link in _own(group)
            if group.node.name + link[link.rindex(".") :] in known
        ]
        return iter(dict.fromkeys([*known, *own]))

    @property
    def distinct_links(self) -> Collection[Link]:
        """The links without those that differ from another only in their client."""
        return self._core.links.values()

    @property
    def unconnected(self) -> tuple[str, ...]:
        """The nodes that have no route from the server and none to it; they carry nothing."""
        return self._core.unconnected

    def alike(self) -> Iterator[tuple[int, int]]:
        """Yield runs of clients whose routes differ only in their own links: the first and the count."""
        return ((start, end - start) for start, end in pairwise(self._starts))

    def route(self, source: str, target: str, *, outwards: bool = False) -> Route:
        """Return what a transfer consumes on its route, and the total delay."""
        upwards, group = self.group_of(source), self.group_of(target)
        if (upwards is None) == (group is None):
            topology = self._core if group is None else self._whole
            return topology.route(source, target, outwards=outwards)
        name, group = (target, group) if upwards is None else (source, upwards)
        assert group is not None
        first = group.node.name
        ends = (source, first) if upwards is None else (first, target)
        if ends not in self._both:
            self._both[ends] = self._core.route(*ends)
        own = {first + UP: name + UP, first + DOWN: name + DOWN}
        resources = tuple(
            (own.get(used, used), amount) for used, amount in self._both[ends].resources
        )
        return replace(self._both[ends], resources=resources)

    def path(self, source: str, target: str, *, outwards: bool = False) -> tuple[Link, ...]:
        """Return the links of the shortest route by `routing`. Raises TopologyError if there is none."""
        upwards, group = self.group_of(source), self.group_of(target)
        if upwards is not None and group is not None:
            return self._whole.path(source, target, outwards=outwards)
        if upwards is not None:
            return (upwards.links(source)[0], *self._core.path(upwards.node.name, target)[1:])
        if group is not None:
            return (*self._core.path(source, group.node.name)[:-1], group.links(target)[1])
        return self._core.path(source, target)

    @cached_property
    def _whole(self) -> Topology:
        """The topology of all nodes and links, for routes from client to client."""
        links, media = list(self.links.values()), list(self.media.values())
        return self.with_links(links, media).seeded(self._seed)

    def route_class(self, client: str) -> Hashable:
        """Return a value that is equal for two clients whose timing is interchangeable."""
        group = self.group_of(client)
        first = client if group is None else group.node.name
        if first not in self._classes:
            self._classes[first] = self._core.route_class(first)
        known, device = self._classes[first], self._device(client)
        if device is None:
            return known
        assert isinstance(known, tuple)
        return (device, *known[1:])


@dataclass(frozen=True, eq=False)
class _OnDemand(Mapping[str, Value]):
    """A mapping whose values are made when they are asked for."""

    value: Callable[[str], Value]
    names: Callable[[], Iterator[str]]
    size: int

    def __getitem__(self, name: str) -> Value:
        return self.value(name)

    def __iter__(self) -> Iterator[str]:
        return self.names()

    def __len__(self) -> int:
        return self.size


def _own(group: ClientGroup) -> Iterator[str]:
    return (name + suffix for name in group.names for suffix in (UP, DOWN))


def _merged(
    singles: Sequence[Single], groups: Iterable[tuple[int, Iterable[Member]]]
) -> Iterator[Single | Member]:
    """Yield single things and, at its position, the members of each group."""
    at = 0
    for after, members in groups:
        yield from singles[at:after]
        yield from members
        at = after
    yield from singles[at:]
