"""Rules between the sections of a scenario.

They work on the file's plain data, so that they are reported together with the problems of sections.
"""

from collections.abc import Collection, Iterator

from cutlayer.scenarios.document import Document
from cutlayer.scenarios.populations import (
    all_groups,
    client_groups,
    mapping,
    network_nodes,
    node_name,
    sequence,
    whole,
)
from cutlayer.scenarios.problems import KeyPath, Problem, dotted
from cutlayer.suggestion import suggestion
from cutlayer.topologies.builders.network_nodes import UnknownNodeError
from cutlayer.topologies.catalogue import device_names, link, link_names


def check_sections(document: Document) -> list[Problem]:
    """Return the problems that involve more than one section."""
    clients = client_count(document)
    return [
        *(_training(document, clients) if clients is not None else ()),
        *(_partition(document, clients) if clients is not None else ()),
        *_own_devices(document),
        *_group_names(document),
        *_station_rates(document),
        *_half_duplex_on_medium(document),
        *_edges(document),
        *_network_places(document),
    ]


def client_count(document: Document) -> int | None:
    """Return the number of clients of the topology; None if the file is not valid in this respect."""
    sizes = [group.size for group in client_groups(document)]
    sound = [size for size in sizes if size is not None]
    return sum(sound) if sound and len(sound) == len(sizes) else None


def _training(document: Document, clients: int) -> Iterator[Problem]:
    path: KeyPath = ("training", "clients_per_round")
    sampled = whole(document.value(path))
    if sampled is not None and sampled > clients:
        yield document.problem(path, f"must be at most {clients}, the number of clients")
        return
    for key in ("first", "min_participants"):
        path = ("training", "closing", key)
        wanted = whole(document.value(path))
        if wanted is not None and wanted > (sampled or clients):
            rule = f"must be at most {sampled or clients}, the number of clients in a round"
            yield document.problem(path, rule)


def _partition(document: Document, clients: int) -> Iterator[Problem]:
    sizes = document.value(("data", "partition", "sizes"))
    sizes = sizes.get("samples") if isinstance(sizes, dict) else sizes
    if isinstance(sizes, list) and len(sizes) != clients:
        rule = f"must have {clients} entries, one for each client, not {len(sizes)}"
        yield document.problem(("data", "partition", "sizes", "samples"), rule)
    available = whole(document.value(("data", "train_samples")))
    if available is None:
        return
    shards = mapping(document.value(("data", "partition", "shards")))
    per_client, size = whole(shards.get("per_client")), whole(shards.get("size"))
    if isinstance(sizes, list):
        wanted = sum(whole(size) or 0 for size in sizes)
    else:
        wanted = (whole(sizes) or (per_client or 0) * (size or 0)) * clients
    if wanted > available:
        rule = f"needs {wanted} samples in total, more than the train_samples of {available}"
        yield document.problem(("data", "partition"), rule)
    if available < clients and not _may_be_empty(document):
        rule = f"must be at least {clients}, one sample for each client"
        yield document.problem(("data", "train_samples"), rule)


def _may_be_empty(document: Document) -> bool:
    """Whether the partition lets clients hold no sample at all."""
    kind = mapping(document.value(("data", "partition")))
    dirichlet = mapping(kind.get("dirichlet"))
    return "file" in kind or "users" in kind or dirichlet.get("min_samples") == 0


def _own_devices(document: Document) -> Iterator[Problem]:
    for name in mapping(document.value(("devices",))):
        if name in device_names():
            rule = "is the name of a device of the catalogue; choose another"
            yield document.problem(("devices", name), rule, name)


def _group_names(document: Document) -> Iterator[Problem]:
    seen: dict[tuple[KeyPath, str], KeyPath] = {}
    for group in all_groups(document):
        name = group.written.get("name")
        if not isinstance(name, str):
            continue
        first = seen.setdefault((group.within, name), group.path)
        if first != group.path:
            rule = f"is also the name of {dotted(first)}"
            yield document.problem((*group.path, "name"), rule)


def _station_rates(document: Document) -> Iterator[Problem]:
    cells: list[KeyPath] = [("topology", "wifi_cell")]
    cells += [group.path for group in all_groups(document) if group.path[-1] == "wifi"]
    for cell in cells:
        written = mapping(document.value(cell))
        of_cell = written.get("rate") is not None
        here = "is not allowed together with the rate" if of_cell else "is required without a rate"
        for index, group in enumerate(sequence(written.get("clients"))):
            if (mapping(group).get("rate") is not None) == of_cell:
                path = (*cell, "clients", index, "rate")
                yield document.problem(path, f"{here} of the whole cell")


def _half_duplex_on_medium(document: Document) -> Iterator[Problem]:
    if not mapping(document.value(("topology", "star", "medium"))):
        return
    for group in client_groups(document):
        if _duplex(group.written.get("link")) == "half":
            rule = "is half-duplex and cannot share a medium"
            yield document.problem((*group.path, "link"), rule)


def _duplex(written: object) -> object:
    name = mapping(written).get("name", written)
    if isinstance(name, str) and name in link_names():
        return link(name).duplex
    return mapping(written).get("duplex")


def _edges(document: Document) -> Iterator[Problem]:
    graph = mapping(document.value(("topology", "graph")))
    nodes = list(mapping(graph.get("nodes")))
    media = list(mapping(graph.get("media")))
    named = mapping(graph.get("server")).get("name", "server")
    server = [named] if isinstance(named, str) else []  # otherwise the schema reports it
    if named in nodes:
        rule = "is also the name of the server"
        yield document.problem(("topology", "graph", "nodes", str(named)), rule, named)
    joined: dict[frozenset[str], int] = {}
    for index, edge in enumerate(mapping(edge) for edge in sequence(graph.get("edges"))):
        path = ("topology", "graph", "edges", index)
        ends = [edge.get(end) for end in ("from", "to")]
        for end, name in zip(("from", "to"), ends, strict=True):
            if server and isinstance(name, str) and name not in (*nodes, *server):
                hint = suggestion(name, [*nodes, *server])
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


def _network_places(document: Document) -> Iterator[Problem]:
    path: KeyPath = ("topology", "network_file")
    section = mapping(document.value(path))
    nodes = network_nodes(section)
    if nodes is None:
        return
    places: list[tuple[KeyPath, object]] = []
    for group in client_groups(document):
        at = group.written.get("at")
        if isinstance(at, list):
            places += [((*group.path, "at", index), place) for index, place in enumerate(at)]
        elif at not in ("all", "spread"):
            places.append(((*group.path, "at"), at))
    for index, edge in enumerate(sequence(section.get("edge_nodes"))):
        at, where = mapping(edge).get("at"), (*path, "edge_nodes", index, "at")
        listed = enumerate(at) if isinstance(at, list) else ()
        places += [((*where, i), place) for i, place in listed] or [(where, at)]
    connected: Collection[str] | None = None
    home = node_name(mapping(section.get("server")).get("at"))
    for where, place in [((*path, "server", "at"), home), *places]:
        name = node_name(place)
        if name is None:
            continue
        try:
            key = nodes.key_of(name)
        except UnknownNodeError as error:
            yield document.problem(where, str(error))
            continue
        if where[2:] == ("server", "at"):
            connected = set(nodes.connected_with(key))
        elif connected is not None and nodes.names[key] not in connected:
            yield document.problem(where, f"is not connected with the server at {home!r}")
