"""Networks from files and from the topohub package, as networkx graphs; nothing is executed.

GraphML (such as those of the Internet Topology Zoo) and node-link JSON (as networkx and topohub
write it). A file is at most 32 MiB, in UTF-8, without a document type or entities.
"""

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import networkx

from topologies.builders.networkx_graph import node_names
from topologies.closest import closest
from topologies.parts import TopologyError

MAX_BYTES: Final = 32 * 2**20
MAX_NODES: Final = 100_000
GROUPS: Final = ("topozoo", "sndlib", "backbone", "caida", "gabriel")


def read_network(path: Path) -> "networkx.Graph[Any]":
    """Return the graph in a file; raises `TopologyError` with one sentence for what is odd."""
    readers: dict[str, Callable[[str], Any]] = {".graphml": _graphml, ".xml": _graphml}
    readers[".json"] = _node_link
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TopologyError(
            f"{path} is no network file: expected a name that ends in .graphml or .json"
        )
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TopologyError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise TopologyError(f"{path} is larger than {MAX_BYTES // 2**20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TopologyError(f"{path} is not text in UTF-8") from None
    return _checked(text, reader, str(path))


def topohub_network(name: str) -> "networkx.Graph[Any]":
    """Return a network of the topohub package (Jurkiewicz, SoftwareX 2023), by its key.

    Such as `topozoo/Abilene` (Internet Topology Zoo) or `sndlib/germany50`. Raises `TopologyError`
    where the package is not installed, or knows no such network.
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
    if group not in GROUPS or re.fullmatch(r"[\w.+-]+(/[\w.+-]+)*", rest) is None or ".." in rest:
        raise TopologyError(
            f"{name!r} is no network of topohub: expected a group ({', '.join(GROUPS)}) and a"
            f" name, such as 'topozoo/Abilene'"
        )
    path = data / f"{name}.json"
    if not path.is_file():
        known = [
            file.relative_to(data).with_suffix("").as_posix()
            for file in sorted((data / group).rglob("*.json"))
        ]
        raise TopologyError(f"topohub has no network {name!r}{closest(name, known)}")
    return _checked(path.read_text("utf-8"), _node_link, f"topohub's {name}")


def _checked(text: str, reader: Callable[[str], Any], source: str) -> "networkx.Graph[Any]":
    try:
        graph = reader(text)
    except TopologyError as error:
        raise TopologyError(f"{source} {error}") from None
    except Exception as error:  # a parser meets a stranger's file: whatever it trips over
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise TopologyError(f"{source} cannot be read as a network: {said}") from None
    if not isinstance(graph, networkx.Graph) or not 0 < len(graph) <= MAX_NODES:
        raise TopologyError(f"{source} has {len(graph)} nodes: expected 1 to {MAX_NODES}")
    node_names(graph)
    return graph


def _graphml(text: str) -> Any:
    # Entities can make a small file a huge one; no writer of GraphML needs them.
    if re.search(r"<!\s*(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise TopologyError("has a document type or entities, which are not read")
    return networkx.parse_graphml(text)


def _node_link(text: str) -> Any:
    data = json.loads(text)
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), list):
        raise TopologyError("is no node-link JSON: expected a mapping with nodes and edges")
    edges = next((key for key in ("edges", "links") if isinstance(data.get(key), list)), None)
    if edges is None:
        raise TopologyError("is no node-link JSON: expected a list of edges (or links)")
    data["multigraph"] = data.get("multigraph", False) is True
    data["directed"] = data.get("directed", False) is True
    keys = {str(node["id"]) for node in data["nodes"]}
    for edge in data[edges]:
        for end in (edge["source"], edge["target"]):
            if str(end) not in keys:
                raise TopologyError(f"has an edge to {end!r}, which is no node")
    return networkx.node_link_graph(data, edges=edges)
