"""Group equal parts of a topology, for printing and drawing.

A node with a single connection (a client, an edge node with its clients) is below its neighbour. Nodes
below one node are a group if their device, rates, delays and subtrees are equal. The nodes
that remain are the core: the server alone for tiers, the sites of a ring, the backbone of a graph.
"""

import re
from collections import Counter
from collections.abc import Collection, Hashable
from dataclasses import dataclass, replace

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
class TopologyGroups:
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
        neighbours = {name for link in mine for name in (link.source, link.target)} - {server}
        return neighbours.pop() if len(neighbours) == 1 else None

    def connected(self) -> "TopologyGroups":
        """Return the part that is connected to the server."""
        apart = set(self.topology.unconnected)
        core = [node for node in self.core if node.name not in apart]
        connections = [pair for pair in self.connections if pair[0].source not in apart]
        return replace(self, core=core, connections=connections)


def topology_groups(topology: Topology) -> TopologyGroups:
    """Return a topology with equal parts grouped."""
    parents = _parents(topology)
    children: dict[str, list[str]] = {name: [] for name in topology.nodes}
    for name in topology.nodes:
        if name in parents:
            children[parents[name]].append(name)
    medium_links = Counter(link.medium for link in topology.links.values() if link.medium)
    below: dict[str, list[Group]] = {}
    keys: dict[str, Hashable] = {}  # equal for nodes of a group

    def gather(parent: str) -> Hashable:
        groups: dict[Hashable, Group] = {}
        for name in children[parent]:
            shown = name.removeprefix(f"{parent}.")
            if keys[name] in groups:
                groups[keys[name]].names.append(shown)
            else:
                up, down = _link(topology, name, parent), _link(topology, parent, name)
                node = topology.node(name)
                groups[keys[name]] = Group(node, up, down, [shown], below.pop(name))
        below[parent] = list(groups.values())
        return tuple((key, group.count) for key, group in groups.items())

    for name, parent in parents.items():  # those further out come first
        inner = gather(name)
        keys[name] = _key(topology, medium_links, name, parent), inner
    core = [node for node in topology.nodes.values() if node.name not in parents]
    for node in core:
        gather(node.name)
    connections = _connections(topology, {node.name for node in core})
    return TopologyGroups(topology, core, connections, {n.name: below[n.name] for n in core})


def _is_felt(link: Link) -> bool:
    return link.delay_s > 0 or link.rate_bytes_per_s != float("inf")


def _link(topology: Topology, source: str, target: str) -> Link | None:
    if not topology.graph.has_edge(source, target):
        return None
    link: Link = topology.graph.edges[source, target]["link"]
    return link


def _key(topology: Topology, medium_links: Counter[str], name: str, parent: str) -> Hashable:
    """Return what a node has in common with others of its group, apart from what is below it."""
    node = topology.node(name)
    links: list[Hashable] = []
    for link in (_link(topology, name, parent), _link(topology, parent, name)):
        if link is None:
            links.append(None)
            continue
        medium: Hashable = None
        if link.medium is not None:
            medium = topology.media[link.medium]
            if medium_links[link.medium] == 2 or link.medium.startswith((f"{name}.", f"{parent}.")):
                medium = (medium.rate_bytes_per_s, medium.sharing, medium.varies)
        about = (link.rate_bytes_per_s, link.delay_s, link.varies, link.jitter, link.loss)
        links.append((*about, medium))
    stem = re.sub(r"-\d+$", "", name.removeprefix(f"{parent}."))
    return node.role, node.device, stem, *links


def _connections(topology: Topology, core: Collection[str]) -> list[tuple[Link, Link | None]]:
    """Return the links between nodes of the core, each with the one in the other direction."""
    pairs: dict[tuple[str, str], tuple[Link, Link | None]] = {}
    for link in topology.links.values():
        if link.source in core and link.target in core:
            back = (link.target, link.source)
            if back in pairs:
                pairs[back] = (pairs[back][0], link)
            else:
                pairs[link.source, link.target] = (link, None)
    return list(pairs.values())


def _parents(topology: Topology) -> dict[str, str]:
    """Return the parent of each node of the trees attached to the core, outermost nodes first."""
    server = topology.server
    left: dict[str, dict[str, None]] = {name: {} for name in topology.nodes}
    for link in topology.links.values():
        left[link.source][link.target] = None
        left[link.target][link.source] = None
    outer = [name for name, others in left.items() if len(others) == 1 and name != server]
    parents: dict[str, str] = {}
    for name in outer:  # grows while we walk
        if not left[name]:  # the root of a tree that is not connected to the server
            continue
        (parent,) = left[name]
        parents[name] = parent
        del left[parent][name]
        if len(left[parent]) == 1 and parent != server and parent not in parents:
            outer.append(parent)
    return parents
