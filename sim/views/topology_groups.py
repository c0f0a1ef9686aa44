"""Group equal parts of a topology, for printing and drawing.

A node with a single connection (a client, an edge node with its clients) is below its neighbour. Nodes
below one node are a group if their device, rates, delays and subtrees are equal. The nodes
that remain are the core: the server alone for tiers, the sites of a ring, the backbone of a graph.
"""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from cutlayer.topologies import Link, Node, Topology


@dataclass
class Group:
    """Equal nodes below one node, with the links of the first; `names` are those of all of them.

    Names are without that of the node above. `below` holds the groups below each of them.
    """

    node: Node
    up: Link | None
    down: Link | None
    names: list[str]
    below: list["Group"]

    @property
    def count(self) -> int:
        """The number of nodes."""
        return len(self.names)

    @property
    def label(self) -> str:
        """Their name, or the first and the last name."""
        if self.count == 1:
            return self.names[0]
        if self.count == 2:
            return f"{self.names[0]}, {self.names[1]}"
        return f"{self.names[0]} ... {self.names[-1]}"


@dataclass
class Grouped:
    """The core of a topology, its connections, and the groups below each of its nodes."""

    topology: Topology
    core: list[Node]
    connections: list[tuple[Link, Link | None]]
    below: dict[str, list[Group]]

    @property
    def server_at(self) -> str | None:
        """The node of the core that the server is attached to without delay or rate limit."""
        server = self.topology.server
        links = [link for pair in self.connections for link in pair if link is not None]
        mine = [link for link in links if server in (link.source, link.target)]
        if len(self.core) < 2 or any(_is_felt(link) for link in mine):
            return None
        others = {link.source for link in mine} | {link.target for link in mine}
        others.discard(server)
        return others.pop() if len(others) == 1 else None

    def connected(self) -> "Grouped":
        """Return the part that is connected to the server."""
        apart = set(self.topology.unconnected)
        core = [node for node in self.core if node.name not in apart]
        connections = [pair for pair in self.connections if pair[0].source not in apart]
        return replace(self, core=core, connections=connections)


def grouped(topology: Topology) -> Grouped:
    """Return a topology with equal parts grouped."""
    return _Grouping(topology).result()


def _is_felt(link: Link) -> bool:
    return link.delay_s > 0 or link.rate_bytes_per_s != float("inf")


@dataclass
class _Grouping:
    topology: Topology
    members: Counter[str] = field(default_factory=Counter)

    def result(self) -> Grouped:
        topology = self.topology
        self.members = Counter(link.medium for link in topology.links.values() if link.medium)
        neighbours: dict[str, dict[str, None]] = {name: {} for name in topology.nodes}
        for link in topology.links.values():
            neighbours[link.source][link.target] = None
            neighbours[link.target][link.source] = None
        above = _pendant(neighbours, topology.server)
        children: dict[str, list[str]] = {name: [] for name in topology.nodes}
        for name in topology.nodes:
            if name in above:
                children[above[name]].append(name)
        groups: dict[str, list[Group]] = {}
        keys: dict[str, Hashable] = {}
        for name in above:  # those further out come first
            groups[name], inner = self._gather(name, children[name], groups, keys)
            keys[name] = self._key(name, above[name], inner)
        core = [node for node in topology.nodes.values() if node.name not in above]
        below = {n.name: self._gather(n.name, children[n.name], groups, keys)[0] for n in core}
        return Grouped(topology, core, self._connections([node.name for node in core]), below)

    def _gather(
        self,
        parent: str,
        names: Sequence[str],
        groups: dict[str, list[Group]],
        keys: dict[str, Hashable],
    ) -> tuple[list[Group], Hashable]:
        found: dict[Hashable, Group] = {}
        for name in names:
            shown = name.removeprefix(f"{parent}.")
            if keys[name] in found:
                found[keys[name]].names.append(shown)
                continue
            up, down = self._link(name, parent), self._link(parent, name)
            found[keys[name]] = Group(self.topology.node(name), up, down, [shown], groups.pop(name))
        return list(found.values()), tuple((key, group.count) for key, group in found.items())

    def _link(self, source: str, target: str) -> Link | None:
        if not self.topology.graph.has_edge(source, target):
            return None
        link: Link = self.topology.graph.edges[source, target]["link"]
        return link

    def _key(self, name: str, parent: str, inner: Hashable) -> Hashable:
        node = self.topology.node(name)
        stem = re.sub(r"-\d+$", "", name.removeprefix(f"{parent}."))
        links = tuple(
            None if link is None else self._link_key(link, name, parent)
            for link in (self._link(name, parent), self._link(parent, name))
        )
        return node.role, node.device, stem, links, inner

    def _link_key(self, link: Link, name: str, parent: str) -> Hashable:
        medium: Hashable = None
        if link.medium is not None:
            medium = self.topology.media[link.medium]
            if self.members[link.medium] == 2 or link.medium.startswith((f"{name}.", f"{parent}.")):
                medium = (medium.rate_bytes_per_s, medium.sharing, medium.varies)
        return link.rate_bytes_per_s, link.delay_s, link.varies, link.jitter, link.loss, medium

    def _connections(self, core: Sequence[str]) -> list[tuple[Link, Link | None]]:
        inside = dict.fromkeys(core)
        found: dict[tuple[str, str], tuple[Link, Link | None]] = {}
        for link in self.topology.links.values():
            if link.source in inside and link.target in inside:
                back = (link.target, link.source)
                if back in found:
                    found[back] = (found[back][0], link)
                else:
                    found[link.source, link.target] = (link, None)
        return list(found.values())


def _pendant(neighbours: dict[str, dict[str, None]], server: str) -> dict[str, str]:
    """Return the parent of each node of the trees attached to the core, outermost nodes first."""
    left = {name: dict(others) for name, others in neighbours.items()}
    outer = [name for name, others in left.items() if len(others) == 1 and name != server]
    above: dict[str, str] = {}
    for name in outer:  # grows while we walk
        if not left[name]:  # the root of a tree that is not connected to the server
            continue
        (parent,) = left[name]
        above[name] = parent
        del left[parent][name]
        if len(left[parent]) == 1 and parent != server and parent not in above:
            outer.append(parent)
    return above
