"""Any graph, from its nodes and edges."""

from collections.abc import Sequence

from cutlayer.topologies.builders.draft import Draft, Edge
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.parts import Medium, Node, Routing


def from_graph(
    *,
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    media: Sequence[Medium] = (),
    routing: Routing = "delay",
) -> Topology:
    """Return any graph. An edge is two links, unless it is one-way.

    A half-duplex edge has one capacity for both directions: its own, or that of the medium it
    names. Edges that name one medium share it.
    """
    draft = Draft(list(nodes), media=list(media))
    for edge in edges:
        draft.edge(edge)
    return draft.topology(routing)
