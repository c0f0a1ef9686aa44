"""Positions of the nodes of a drawn topology: tiers from left to right, rings, maps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import networkx

from cutlayer.sim.views.topology_groups import Group, TopologyGroups
from cutlayer.topologies import Link, Node

Point = tuple[float, float]


@dataclass(frozen=True)
class PlacedNode:
    """A node or a group of equal nodes with its position; `leads_on` if nodes are below it."""

    position: Point
    node: Node
    group: Group | None
    leads_on: bool


@dataclass(frozen=True)
class Edge:
    """A connection between two positions."""

    start: Point
    end: Point
    up: Link | None
    down: Link | None

    @property
    def link(self) -> Link:
        """The link up, or the only one there is."""
        link = self.up or self.down
        assert link is not None
        return link


def tree(groups: TopologyGroups) -> tuple[list[PlacedNode], list[Edge]]:
    """Return tiers from the server at the left (depth 0) to the clients at the right, row by row."""
    (server,) = groups.core
    nodes: list[PlacedNode] = []
    edges: list[Edge] = []
    rows = 0

    def add(node: Node, group: Group | None, below: list[Group], depth: int) -> Point:
        nonlocal rows
        points = [add(inner.node, inner, inner.below, depth + 1) for inner in below]
        if points:
            position = (float(depth), (points[0][1] + points[-1][1]) / 2)
        else:
            position = (float(depth), -float(rows))
            rows += 1
        nodes.append(PlacedNode(position, node, group, bool(points)))
        edges.extend(
            Edge(position, point, inner.up, inner.down)
            for point, inner in zip(points, below, strict=True)
        )
        return position

    add(server, None, groups.below[server.name], 0)
    return nodes, edges


def core(groups: TopologyGroups) -> dict[str, Point]:
    """Return positions for the nodes of the core, about 1 from the centre of the plot.

    On a map where all positions are known; in a ring where all have two neighbours, or all are
    neighbours; else so that near nodes are near (Kamada and Kawai, 1989). A server with nothing
    between it and its node stands there; with a link of its own, beside it.
    """
    server = groups.topology.server
    nodes = [node for node in groups.core if node.name != server]
    graph: networkx.Graph[str] = networkx.Graph()
    graph.add_nodes_from(node.name for node in nodes)
    anchors = []
    for link, _ in groups.connections:
        if server in (link.source, link.target):
            anchors.append(link.target if link.source == server else link.source)
        else:
            graph.add_edge(link.source, link.target)
    degrees = {degree for _, degree in graph.degree}
    known = {node.name: node.position for node in nodes if node.position is not None}
    if len(known) == len(nodes):
        positions = _scaled(_map(known))
    elif degrees == {2} or degrees == {len(nodes) - 1}:
        positions = _scaled(_circle(list(graph)))
    else:
        web = networkx.kamada_kawai_layout(graph)
        positions = _scaled({name: (float(x), float(y)) for name, (x, y) in web.items()})
    if groups.server_at is not None:
        positions[server] = positions[groups.server_at]
    else:
        positions[server] = _beside([positions[name] for name in anchors])
    return positions


def _circle(names: list[str]) -> dict[str, Point]:
    """Return positions on a circle, clockwise from the top."""
    turn = 2 * math.pi / len(names)
    return {name: (math.sin(i * turn), math.cos(i * turn)) for i, name in enumerate(names)}


def _map(positions: Mapping[str, Point]) -> dict[str, Point]:
    """Return an equirectangular map that is true to scale at its mean latitude."""
    latitude = sum(lat for _, lat in positions.values()) / len(positions)
    shrink = math.cos(math.radians(latitude))
    return {name: (lon * shrink, lat) for name, (lon, lat) in positions.items()}


def _scaled(points: Mapping[str, Point]) -> dict[str, Point]:
    xs, ys = [x for x, _ in points.values()], [y for _, y in points.values()]
    middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    size = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9) / 2
    return {
        name: ((x - middle[0]) / size, (y - middle[1]) / size) for name, (x, y) in points.items()
    }


def _beside(anchors: list[Point]) -> Point:
    x = sum(x for x, _ in anchors) / max(1, len(anchors))
    y = sum(y for _, y in anchors) / max(1, len(anchors))
    length = math.hypot(x, y)
    away = (x / length, y / length) if length > 0.05 else (0.6, 0.8)
    return x + 0.35 * away[0], y + 0.35 * away[1]
