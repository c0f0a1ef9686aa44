"""The names of a networkx graph's nodes, and which of them are connected with the server."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx

from cutlayer.suggestion import suggestion
from cutlayer.topologies.parts import TopologyError

_LABELS = ("name", "label")
_FEW = 12


class UnknownNodeError(TopologyError):
    """An unknown or ambiguous name of a node. The message is a sentence that follows the name."""


@dataclass(frozen=True)
class NetworkNodes:
    """The names of a network's nodes by their keys, in the network's order."""

    graph: "networkx.Graph[Any]"
    names: Mapping[Any, str]

    def key_of(self, called: str) -> Any:
        """Return the key of the node with this name; the key itself, as text, is also a name.

        Raises UnknownNodeError.
        """
        if called in self._keys:
            return self._keys[called]
        alike = self._alike.get(called, ())
        if alike:
            listed = _listed([self.names[key] for key in alike])
            raise UnknownNodeError(
                f"is the name of {len(alike)} nodes of the network: choose one by its id ({listed})"
            )
        names = list(self.names.values())
        raise UnknownNodeError(f"is not a node of the network{suggestion(called, names)}")

    def connected_with(self, server: Any) -> list[str]:
        """Return the names of the nodes that the node `server` reaches and is reached from."""
        graph = self.graph
        if graph.is_directed():
            onwards = networkx.descendants(graph, server)
            reached = {server} | (onwards & networkx.ancestors(graph, server))
        else:
            reached = networkx.node_connected_component(graph, server)
        return [name for key, name in self.names.items() if key in reached]

    @cached_property
    def _keys(self) -> dict[str, Any]:
        by_key = {_text(key): key for key in self.names}
        return by_key | {name: key for key, name in self.names.items()}

    @cached_property
    def _alike(self) -> dict[str, list[Any]]:
        """The keys of all nodes that have the same name or label."""
        alike: dict[str, list[Any]] = {}
        for key, data in self.graph.nodes(data=True):
            for label in {_text(data.get(attribute, "")) for attribute in _LABELS}:
                alike.setdefault(label, []).append(key)
        return alike


def network_nodes(graph: "networkx.Graph[Any]") -> NetworkNodes:
    """Return the nodes of a graph and their names.

    A node is called by its `name` or `label`, whichever tells more nodes apart, where no other node
    has the same; else by its key. Raises TopologyError for a graph without nodes, or with two keys
    that are written alike.
    """
    if not graph:
        raise TopologyError("the network has no nodes")
    keys = Counter(_text(key) for key in graph)
    for name, count in keys.items():
        if count > 1:
            raise TopologyError(f"the network has {count} nodes that are written {name!r}")
    best: dict[Any, str] = {}
    for attribute in _LABELS:
        labels = {key: _text(data.get(attribute, "")) for key, data in graph.nodes(data=True)}
        counts = Counter(labels.values())
        unique = {key: label for key, label in labels.items() if label and counts[label] == 1}
        if len(unique) < len(graph):  # a label must not be what another node is called
            unique = {
                key: label
                for key, label in unique.items()
                if label not in keys or label == _text(key)
            }
        if len(unique) > len(best):
            best = unique
    return NetworkNodes(graph, {key: best.get(key, _text(key)) for key in graph})


def _text(name: object) -> str:
    """Return a name or key as text that can be printed, and written in a scenario."""
    text = str(name)
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _listed(names: list[str]) -> str:
    return ", ".join(name[:60] for name in names[:_FEW]) + (", ..." if len(names) > _FEW else "")
