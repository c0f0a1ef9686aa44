"""The groups of clients in a scenario's plain data, for every topology, with their sizes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cutlayer.scenarios.document import Document
from cutlayer.scenarios.network_file import nodes_of
from cutlayer.scenarios.problems import KeyPath
from cutlayer.topologies import TopologyError
from cutlayer.topologies.builders.network_nodes import NetworkNodes, UnknownNodeError


@dataclass(frozen=True)
class Group:
    """The text of a group of clients, or of cells or nodes that have clients.

    `times` is the number of its copies: of edge nodes, for a group of clients behind each. It is None
    if the file is not valid in this respect. Names are unique `within` a path.
    """

    path: KeyPath
    within: KeyPath
    written: dict[str, Any]
    times: int | None = 1
    of_clients: bool = True

    @property
    def size(self) -> int | None:
        """The total number of members."""
        return product(self.times, whole(self.written.get("count", 1)))


def client_groups(document: Document) -> Iterator[Group]:
    """Yield the groups of clients."""
    return (group for group in all_groups(document) if group.of_clients)


def all_groups(document: Document) -> Iterator[Group]:
    """Yield the groups of clients, and of cells, edge nodes and regions, from the top down."""
    topology = mapping(document.value(("topology",)))
    for kind in topology:
        path: KeyPath = ("topology", kind)
        section = mapping(topology[kind])
        if kind in ("star", "wifi_cell"):
            yield from _listed(path, section, "clients")
        elif kind in ("ring", "mesh"):
            yield from _listed(path, section, "clients", whole(section.get("sites")))
        elif kind == "two_tier":
            yield from _edges(path, section, 1)
        elif kind == "three_tier":
            for region in _listed(path, section, "regions", of_clients=False):
                yield region
                yield from _edges(region.path, region.written, region.size)
        elif kind == "cells":
            yield from _cells(path, section)
        elif kind == "graph":
            path = (*path, "nodes")
            for name, node in mapping(section.get("nodes")).items():
                if isinstance(node, dict) and "client" in node:
                    yield Group((*path, name, "client"), path, mapping(node["client"]))
        elif kind == "network_file":
            connected = _connected(section)
            for group in _listed(path, section, "clients"):
                times = _places(group.written.get("at"), connected)
                yield Group(group.path, group.within, group.written, times)


def network_nodes(section: dict[str, Any]) -> NetworkNodes | None:
    """Return the nodes of the network that a section names; None if there is no such network."""
    file, topohub = section.get("file"), section.get("topohub")
    if isinstance(file, str) == isinstance(topohub, str):
        return None
    try:
        return nodes_of(*(x if isinstance(x, str) else None for x in (file, topohub)))
    except TopologyError:
        return None


def node_name(written: object) -> str | None:
    """Return the name of a node; None if the value cannot be one."""
    name = str(written) if whole(written) is not None else written
    return name if isinstance(name, str) else None


def _connected(section: dict[str, Any]) -> int | None:
    """Return the number of nodes that are connected with the server's; None if unknown."""
    nodes, at = network_nodes(section), node_name(mapping(section.get("server")).get("at"))
    if nodes is None or at is None:
        return None
    try:
        return len(nodes.connected_with(nodes.key_of(at)))
    except UnknownNodeError:
        return None


def _listed(
    path: KeyPath,
    section: dict[str, Any],
    key: str,
    times: int | None = 1,
    *,
    of_clients: bool = True,
) -> Iterator[Group]:
    within = (*path, key)
    for index, written in enumerate(sequence(section.get(key))):
        yield Group((*within, index), within, mapping(written), times, of_clients)


def _edges(path: KeyPath, section: dict[str, Any], times: int | None) -> Iterator[Group]:
    for edge in _listed(path, section, "edge_nodes", times, of_clients=False):
        yield edge
        yield from _listed(edge.path, edge.written, "clients", edge.size)


def _cells(path: KeyPath, section: dict[str, Any]) -> Iterator[Group]:
    for cell in _listed(path, section, "cells", of_clients=False):
        for kind in ("wifi", "cellular"):
            if kind in cell.written:
                inner, where = mapping(cell.written[kind]), (*cell.path, kind)
                group = Group(where, cell.within, inner, of_clients=False)
                yield group
                yield from _listed(where, inner, "clients", group.size)


def _places(at: object, connected: int | None) -> int | None:
    if at == "all":
        return connected
    return len(at) if isinstance(at, list) else 1


def product(one: int | None, other: int | None) -> int | None:
    """Return the product of two positive numbers; None if one is unknown."""
    return None if one is None or other is None or one < 1 or other < 1 else one * other


def whole(value: object) -> int | None:
    """Return the value if it is a whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def mapping(value: object) -> dict[str, Any]:
    """Return the value if it is a mapping, else an empty mapping."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []
