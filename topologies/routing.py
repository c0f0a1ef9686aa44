"""The routes of transfers: one search from the server finds those of all clients."""

import math
from collections.abc import Callable, Mapping

import networkx

from cutlayer.suggestion import suggestion
from cutlayer.topologies.parts import Link, Medium, Node, Routing, TopologyError, check_choice


def routing_graph(
    nodes: Mapping[str, Node],
    links: Mapping[str, Link],
    media: Mapping[str, Medium],
    routing: Routing,
) -> "networkx.DiGraph[str]":
    """Return nodes and links as a graph, with the `cost` that each adds to the length of a route.

    That is its delay in seconds; 1 (`hops`); or the seconds per byte at the link's rate, or at its
    medium's if that is less (`inverse_rate`, the cost of OSPF, RFC 2328). Raises TopologyError.
    """

    def inverse_rate(link: Link) -> float:
        medium = None if link.medium is None else media[link.medium].rate_bytes_per_s
        return 1 / min(link.rate_bytes_per_s, math.inf if medium is None else medium)

    costs: Mapping[Routing, Callable[[Link], float]] = {
        "delay": lambda link: link.delay_s,
        "hops": lambda _: 1.0,
        "inverse_rate": inverse_rate,
    }
    check_choice(routing, tuple(costs), "unknown routing")
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for node in nodes.values():
        graph.add_node(node.name, node=node)
    for link in links.values():
        if link.source == link.target:
            raise TopologyError(f"link {link.id!r} leads from {link.source!r} to itself")
        for end in (link.source, link.target):
            if end not in nodes:
                raise TopologyError(
                    f"link {link.id!r} names an unknown node {end!r}{suggestion(end, nodes)}"
                )
        if link.medium is not None and link.medium not in media:
            raise TopologyError(
                f"link {link.id!r} names an unknown medium {link.medium!r}"
                f"{suggestion(link.medium, media)}"
            )
        if graph.has_edge(link.source, link.target):
            raise TopologyError(
                f"there are two links from {link.source!r} to {link.target!r}: expected one"
            )
        graph.add_edge(link.source, link.target, link=link, cost=costs[routing](link))
    return graph


def shortest_paths(graph: "networkx.DiGraph[str]", root: str, outwards: bool) -> Mapping[str, Link]:
    """Return for each node the last link of its route from `root`, or the first of its route to it.

    Edges have their `link` and its `cost`. Among the routes of least cost, a breadth-first search
    takes one with the fewest links, and visits nodes of equal distance in the order of their names.
    """
    onwards = graph if outwards else graph.reverse(copy=False)
    length = networkx.single_source_dijkstra_path_length(onwards, root, weight="cost")
    tree: dict[str, Link] = {}
    level = [root]
    while level:
        following = []
        for here in sorted(level):
            for there, edge in onwards.adj[here].items():
                on_time = length[here] + edge["cost"] == length[there]
                if on_time and there != root and there not in tree:
                    tree[there] = edge["link"]
                    following.append(there)
        level = following
    return tree
