"""Rules between the sections of a scenario.

They look at the file's plain data, so that they are answered beside the problems of any section.
"""

from collections.abc import Collection, Iterator
from typing import Any

from scenarios.document import Document
from scenarios.problems import KeyPath, Problem, dotted, suggestion
from topologies.catalogue import link, link_names


def check_sections(document: Document, catalogue_devices: Collection[str]) -> list[Problem]:
    """Problems that no section can see alone."""
    clients = client_count(document)
    return [
        *(_training(document, clients) if clients is not None else ()),
        *(_partition(document, clients) if clients is not None else ()),
        *_own_devices(document, catalogue_devices),
        *_group_names(document),
        *_station_rates(document),
        *_half_duplex_on_medium(document),
        *_edges(document),
    ]


def client_count(document: Document) -> int | None:
    """How many clients the topology has; None where the file does not say it soundly."""
    counts = [_whole(group.get("count", 1)) for _, group in _groups(document)]
    sound = [count for count in counts if count is not None and count > 0]
    return sum(sound) if sound and len(sound) == len(counts) else None


def _groups(document: Document) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The groups of clients with their paths, whatever the topology."""
    for kind in ("star", "wifi_cell"):
        path: KeyPath = ("topology", kind, "clients")
        for index, group in enumerate(_list(document.value(path))):
            yield (*path, index), _dict(group)
    path = ("topology", "graph", "nodes")
    for name, node in _dict(document.value(path)).items():
        if isinstance(node, dict) and "client" in node:
            yield (*path, name, "client"), _dict(node["client"])


def _training(document: Document, clients: int) -> Iterator[Problem]:
    path = ("training", "clients_per_round")
    sampled = _whole(document.value(path))
    if sampled is not None and sampled > clients:
        yield document.problem(path, f"must be at most {clients}, the number of clients")


def _partition(document: Document, clients: int) -> Iterator[Problem]:
    sizes = document.value(("data", "partition", "sizes"))
    sizes = sizes.get("samples") if isinstance(sizes, dict) else sizes
    if isinstance(sizes, list) and len(sizes) != clients:
        rule = f"must have {clients} entries, one for each client, not {len(sizes)}"
        yield document.problem(("data", "partition", "sizes", "samples"), rule)
    available = _whole(document.value(("data", "train_samples")))
    if available is None:
        return
    shards = _dict(document.value(("data", "partition", "shards")))
    per_client, size = _whole(shards.get("per_client")), _whole(shards.get("size"))
    if isinstance(sizes, list):
        wanted = sum(_whole(size) or 0 for size in sizes)
    else:
        wanted = (_whole(sizes) or (per_client or 0) * (size or 0)) * clients
    if wanted > available:
        rule = f"needs {wanted} samples in all, more than the train_samples of {available}"
        yield document.problem(("data", "partition"), rule)
    if available < clients:
        rule = f"must be at least {clients}, one sample for each client"
        yield document.problem(("data", "train_samples"), rule)


def _own_devices(document: Document, catalogue: Collection[str]) -> Iterator[Problem]:
    for name in _dict(document.value(("devices",))):
        if name in catalogue:
            rule = "is the name of a device of the catalogue; choose another"
            yield document.problem(("devices", name), rule, name)


def _group_names(document: Document) -> Iterator[Problem]:
    seen: dict[str, KeyPath] = {}
    for path, group in _groups(document):
        name = group.get("name")
        if isinstance(name, str) and name in seen:
            rule = f"is the name of {dotted(seen[name])}, too"
            yield document.problem((*path, "name"), rule)
        elif isinstance(name, str):
            seen[name] = path


def _station_rates(document: Document) -> Iterator[Problem]:
    cell_has_one = _dict(document.value(("topology", "wifi_cell"))).get("rate") is not None
    for path, group in _groups(document):
        if path[1] == "wifi_cell" and (group.get("rate") is not None) == cell_has_one:
            here = "cannot stand beside the rate" if cell_has_one else "is required without a rate"
            yield document.problem((*path, "rate"), f"{here} of the whole cell")


def _half_duplex_on_medium(document: Document) -> Iterator[Problem]:
    if not _dict(document.value(("topology", "star", "medium"))):
        return
    for path, group in _groups(document):
        if _duplex(group.get("link")) == "half":
            yield document.problem((*path, "link"), "is half-duplex and cannot be on a medium, too")


def _duplex(written: object) -> object:
    name = _dict(written).get("name", written)
    if isinstance(name, str) and name in link_names():
        return link(name).duplex
    return _dict(written).get("duplex")


def _edges(document: Document) -> Iterator[Problem]:
    graph = _dict(document.value(("topology", "graph")))
    nodes = list(_dict(graph.get("nodes")))
    media = list(_dict(graph.get("media")))
    server = _dict(graph.get("server")).get("name", "server")
    if server in nodes:
        rule = "is the name of the server, too"
        yield document.problem(("topology", "graph", "nodes", server), rule, server)
    joined: dict[frozenset[str], int] = {}
    for index, edge in enumerate(_dict(edge) for edge in _list(graph.get("edges"))):
        path = ("topology", "graph", "edges", index)
        ends = [edge.get(end) for end in ("from", "to")]
        for end, name in zip(("from", "to"), ends, strict=True):
            if isinstance(name, str) and name not in (*nodes, server):
                hint = suggestion(name, [*nodes, server])
                yield document.problem((*path, end), f"is not a node of the graph{hint}")
        if isinstance(ends[0], str) and isinstance(ends[1], str):
            if ends[0] == ends[1]:
                yield document.problem((*path, "to"), "must be another node than the one in from")
            first = joined.setdefault(frozenset({ends[0], ends[1]}), index)
            if first != index:
                yield document.problem(path, f"joins the same nodes as edge {first}")
        medium = edge.get("medium")
        if isinstance(medium, str) and medium not in media:
            rule = f"is not one of the media of the graph{suggestion(medium, media)}"
            yield document.problem((*path, "medium"), rule)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
