"""The groups of clients in a scenario's plain data, for every topology, with their sizes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from cutlayer.scenarios.document import Document
from cutlayer.scenarios.network_file import nodes_of
from cutlayer.scenarios.problems import KeyPath
from cutlayer.topologies import TopologyError
from cutlayer.topologies.builders.network_nodes import NetworkNodes, UnknownNodeError

# By the topology: the keys of the lists of its groups, from the outermost to the clients.
_NESTED: Final = {
    "star": ("clients",),
    "wifi_cell": ("clients",),
    "radio_cell": ("clients",),
    "ring": ("clients",),
    "mesh": ("clients",),
    "two_tier": ("edge_nodes", "clients"),
    "three_tier": ("regions", "edge_nodes", "clients"),
}


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
        count = whole(self.written.get("count", 1))
        if self.times is None or count is None or self.times < 1 or count < 1:
            return None
        return self.times * count


def client_groups(document: Document) -> Iterator[Group]:
    """Yield the groups of clients."""
    return (group for group in all_groups(document) if group.of_clients)


def all_groups(document: Document) -> Iterator[Group]:
    """Yield the groups of clients, and of cells, edge nodes and regions, from the top down."""
    for kind, written in mapping(document.value(("topology",))).items():
        path: KeyPath = ("topology", kind)
        section = mapping(written)
        if kind in _NESTED:
            yield from _nested(path, section, _NESTED[kind], whole(section.get("sites", 1)))
        elif kind == "cells":
            yield from _cells((*path, kind), section)
        elif kind == "graph":
            path = (*path, "nodes")
            for name, node in mapping(section.get("nodes")).items():
                if isinstance(node, dict) and "client" in node:
                    yield Group((*path, name, "client"), path, mapping(node["client"]))
        elif kind == "network_file":
            connected = _connected(section)
            for group in _nested(path, section, ("clients",)):
                at = group.written.get("at")
                places = connected if at == "all" else len(at) if isinstance(at, list) else 1
                yield replace(group, times=places)


def _nested(
    path: KeyPath, section: dict[str, Any], keys: tuple[str, ...], times: int | None = 1
) -> Iterator[Group]:
    """Yield the groups listed under the first key, and in each of them those under the next keys."""
    within = (*path, keys[0])
    for index, written in enumerate(sequence(section.get(keys[0]))):
        group = Group((*within, index), within, mapping(written), times, keys[0] == "clients")
        yield group
        if len(keys) > 1:
            yield from _nested(group.path, group.written, keys[1:], group.size)


def _cells(path: KeyPath, section: dict[str, Any]) -> Iterator[Group]:
    for index, cell in enumerate(map(mapping, sequence(section.get("cells")))):
        for kind in ("wifi", "cellular", "radio"):
            if kind in cell:
                group = Group((*path, index, kind), path, mapping(cell[kind]), of_clients=False)
                yield group
                yield from _nested(group.path, group.written, ("clients",), group.size)


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


def whole(value: object) -> int | None:
    """Return the value if it is a whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def mapping(value: object) -> dict[str, Any]:
    """Return the value if it is a mapping, else an empty mapping."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []
