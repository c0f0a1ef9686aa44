"""Networks from files and from the topohub package, as networkx graphs; nothing is executed.

GraphML (such as those of the Internet Topology Zoo) and node-link JSON (as networkx and topohub
write it). A file is at most 32 MiB, in UTF-8, without a document type or entities; a network has at
most 100,000 nodes and as many edges, in two million tags.
"""

import importlib
import re
import warnings
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import XML

import networkx

from cutlayer.suggestion import suggestion
from cutlayer.topologies.builders.network_nodes import network_nodes
from cutlayer.topologies.parts import TopologyError
from cutlayer.topologies.text_file import TextFileError, parse_json, read_text

MAX_BYTES: Final = 32 * 2**20
MAX_NODES: Final = 100_000
MAX_EDGES: Final = 100_000
MAX_TAGS: Final = 2_000_000
GROUPS: Final = ("topozoo", "sndlib", "backbone", "caida", "gabriel")


def read_network(path: Path) -> "networkx.Graph[Any]":
    """Return the graph in a file. Raises TopologyError with one sentence if it is invalid."""
    readers = {".graphml": _graphml, ".xml": _graphml, ".json": _node_link}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TopologyError(
            f"{path} is not a network file: expected a name that ends in .graphml or .json"
        )
    try:
        text = read_text(path, MAX_BYTES)
    except TextFileError as error:
        raise TopologyError(f"{path} {error}") from None
    return _checked(text, reader, str(path))


def topohub_network(name: str) -> "networkx.Graph[Any]":
    """Return a network of the topohub package (Jurkiewicz, SoftwareX 2023) by its key.

    Keys are such as `topozoo/Abilene` (Internet Topology Zoo) or `sndlib/germany50`. Raises
    TopologyError if the package is not installed or has no such network.
    """
    try:
        package = importlib.import_module("topohub")
    except ImportError:
        raise TopologyError(
            f"the network {name!r} is one of the package topohub, which is not installed:"
            f" pip install 'cutlayer[topologies]'"
        ) from None
    data = Path(package.__file__ or "").parent / "data"
    group, _, rest = name.partition("/")
    sound = len(rest) <= 100 and re.fullmatch(r"[\w.+-]+(/[\w.+-]+)*", rest, re.ASCII) is not None
    if group not in GROUPS or not sound or ".." in rest:
        raise TopologyError(
            f"{name[:100]!r} is not a network of topohub: expected a group ({', '.join(GROUPS)}) and a"
            f" name, such as 'topozoo/Abilene'"
        )
    path = data / f"{name}.json"
    if not path.is_file():
        known = [
            file.relative_to(data).with_suffix("").as_posix()
            for file in sorted((data / group).rglob("*.json"))
        ]
        raise TopologyError(f"topohub has no network {name!r}{suggestion(name, known)}")
    return _checked(path.read_text("utf-8"), _node_link, f"topohub's {name}")


def _checked(
    text: str, reader: Callable[[str], "networkx.Graph[Any]"], source: str
) -> "networkx.Graph[Any]":
    try:
        graph = reader(text)
        _check_counts(len(graph), graph.number_of_edges())
    except TopologyError as error:
        raise TopologyError(f"{source} {error}") from None
    except Exception as error:  # a parser can fail in many ways on an unknown file
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise TopologyError(f"{source} cannot be read as a network: {said}") from None
    try:
        network_nodes(graph)
    except TopologyError as error:
        raise TopologyError(f"{source}: {error}") from None
    return graph


def _check_counts(nodes: int, edges: int) -> None:
    for count, most, noun in ((nodes, MAX_NODES, "nodes"), (edges, MAX_EDGES, "edges")):
        if count > most:
            raise TopologyError(f"has {count:,} {noun}: at most {most:,} are read")


def _graphml(text: str) -> "networkx.Graph[Any]":
    # Entities can expand a small file to a huge one; GraphML does not need them.
    if re.search(r"<!\s*(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise TopologyError("has a document type or entities, which are not read")
    _check_counts(text.count("<node "), text.count("<edge "))
    if text.count("<") > MAX_TAGS:
        raise TopologyError(f"has {text.count('<'):,} tags: at most {MAX_TAGS:,} are read")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an attribute without a type is text
        graph: networkx.Graph[Any] = networkx.parse_graphml(text)
    _check_graphml(text)
    return graph


def _check_graphml(text: str) -> None:
    """Refuse edges to unknown nodes: networkx would add a node for each."""
    names: set[str] = set()
    ends: list[str] = []
    for element in XML(text).iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "node":
            name = element.get("id")
            if name is None:
                raise TopologyError(f"has a node without an id (the {len(names) + 1}. node)")
            if name in names:
                raise TopologyError(f"has two nodes with the id {_shown(name)}")
            names.add(name)
        elif tag == "edge":
            for end in ("source", "target"):
                if element.get(end) is None:
                    raise TopologyError(f"has an edge without a {end}")
                ends.append(element.attrib[end])
    for end in ends:
        if end not in names:
            raise TopologyError(f"has an edge to {_shown(end)}, which is not a node")


def _node_link(text: str) -> "networkx.Graph[Any]":
    try:
        data = parse_json(text)
    except TextFileError as error:
        raise TopologyError(str(error)) from None
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), list):
        raise TopologyError("is not node-link JSON: expected a mapping with nodes and edges")
    edges = next((key for key in ("edges", "links") if isinstance(data.get(key), list)), None)
    if edges is None:
        raise TopologyError("is not node-link JSON: expected a list of edges (or links)")
    kinds = {
        (False, False): networkx.Graph,
        (False, True): networkx.DiGraph,
        (True, False): networkx.MultiGraph,
        (True, True): networkx.MultiDiGraph,
    }
    multigraph, directed = data.get("multigraph") is True, data.get("directed") is True
    graph: networkx.Graph[Any] = kinds[multigraph, directed]()
    _check_counts(len(data["nodes"]), len(data[edges]))
    for index, node in enumerate(data["nodes"]):
        key = _key(node, "id", f"node {index}")
        if key in graph:
            raise TopologyError(f"has two nodes with the id {_shown(key)}")
        graph.add_nodes_from([(key, {k: v for k, v in node.items() if k != "id"})])
    written = {str(key): key for key in graph}
    for index, edge in enumerate(data[edges]):
        ends = [_key(edge, end, f"edge {index}") for end in ("source", "target")]
        for end in ends:
            if str(end) not in written:
                raise TopologyError(f"has an edge to {_shown(end)}, which is not a node")
        here, there = (end if end in graph else written[str(end)] for end in ends)
        attributes = {k: v for k, v in edge.items() if k not in ("source", "target", "key")}
        graph.add_edges_from([(here, there, attributes)])
    return graph


def _key(entry: Any, field: str, where: str) -> Hashable:
    """Return a node's key in an entry: text, a number, or a list of these, as networkx writes it."""
    value = entry.get(field) if isinstance(entry, dict) else None
    key = tuple(value) if isinstance(value, list) else value
    parts = key if isinstance(key, tuple) else (key,)
    if not parts or not all(isinstance(p, str | int | float) and p == p for p in parts):
        raise TopologyError(
            f"has no {field} in {where}: expected text or a number, got {_shown(value)}"
        )
    return key


def _shown(value: object) -> str:
    return repr(value)[:60]
