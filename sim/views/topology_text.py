"""A topology as lines of text: a tree, the connections of its core, and media."""

from collections.abc import Iterator

from cutlayer.sim.views.topology_groups import Group, TopologyGroups, topology_groups
from cutlayer.topologies import Link, Medium, Node, Topology
from cutlayer.topologies.units import format_duration, format_rate

MAX_LINES = 60
MAX_NAMES = 12


def topology_lines(topology: Topology) -> list[str]:
    """Return the connections, the tree and the media of a topology."""
    groups = topology_groups(topology)
    lines = [_headline(topology), ""]
    if len(groups.core) > 1:
        lines += [*limited(list(_connections(groups))), ""]
    lines += limited(list(_trees(groups)))
    if topology.media:
        lines += ["", *limited(list(_media(topology)))]
    if topology.unconnected:
        lines += ["", unconnected(topology)]
    return lines


def describe_links(up: Link | None, down: Link | None) -> str:
    """Return the rates and the delay of a connection in both directions."""
    if up is None or down is None:
        link = up or down
        assert link is not None
        return f"{_rate(link)} one way, {_delay(link)}"
    if up.rate_bytes_per_s == down.rate_bytes_per_s and up.varies == down.varies:
        half = up.medium is not None and not up.own_limit
        rates = f"{_rate(up)} half duplex" if half and up.medium == up.connection else _rate(up)
    else:
        rates = f"{_rate(up)} up, {_rate(down)} down"
    return f"{rates}, {_delay(up)}"


def node_counts(topology: Topology) -> str:
    """Return the numbers of clients, of edge nodes that compute, and of nodes that only forward."""
    clients, edges = len(topology.clients), len(topology.edges)
    relays = sum(node.role == "relay" for node in topology.nodes.values()) - edges
    text = f"{clients} client{'s' * (clients > 1)}"
    text += f", {edges} edge node{'s' * (edges > 1)}" if edges else ""
    return text + (
        f", {relays} node{'s' * (relays > 1)} that forward{'s' * (relays == 1)}" if relays else ""
    )


def unconnected(topology: Topology) -> str:
    """Return which nodes are not connected with the server."""
    names, all_nodes = topology.unconnected, len(topology.nodes)
    listed = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    verb = "is" if len(names) == 1 else "are"
    return f"{len(names)} of {all_nodes} nodes {verb} not connected with the server: {listed}"


def what_it_is(node: Node) -> str:
    """Return a node's device, or "forwards" without one."""
    if node.device is None:
        return "forwards"
    if node.role == "client":
        return node.device.name
    return f"{node.device.name}, {node.slots} slot{'s' if node.slots > 1 else ''}"


def describe_medium(medium: Medium) -> str:
    """Return a description of a medium."""
    if medium.rate_bytes_per_s is not None:
        about = "on average " if medium.varies is not None else ""
        return f"{about}{format_rate(medium.rate_bytes_per_s)} for all on it"
    if medium.sharing == "proportional":
        return "equal times for all on it (proportionally fair)"
    return "airtime, shared so that all on it are equally fast"


def _headline(topology: Topology) -> str:
    best = {"delay": "least delay", "hops": "fewest links", "inverse_rate": "highest rates"}
    routing = f"transfers take the route of {best[topology.routing]}"
    return f"{node_counts(topology)}, {len(topology.links)} links; {routing}"


def _connections(groups: TopologyGroups) -> Iterator[str]:
    at = groups.server_at
    for link, back in groups.connections:
        if at is not None and groups.topology.server in (link.source, link.target):
            continue
        yield f"{link.source} -- {link.target}: {describe_links(link, back)}"
    if at is not None:
        yield f"{groups.topology.server} is at {at}"


def _trees(groups: TopologyGroups) -> Iterator[str]:
    """Yield the trees below the nodes of the core; equal trees are printed once."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for node in groups.core:
        below = tuple(_branches(groups.below[node.name], ""))
        if node.role != "relay":
            yield f"{node.name} ({what_it_is(node)})"
            yield from below
        elif below:
            alike.setdefault(below, []).append(node.name)
    for below, names in alike.items():
        yield f"{'each of ' if len(names) > 1 else ''}{', '.join(names)}"
        yield from below


def _branches(members: list[Group], indent: str) -> Iterator[str]:
    for index, group in enumerate(members):
        last = index == len(members) - 1
        times = f"{group.count} x " if group.count > 1 else ""
        kind = what_it_is(group.node)
        kind = "" if group.names[0].startswith(kind) else f" ({kind})"
        said = f"{times}{group.label}{kind}: {describe_links(group.up, group.down)}"
        link = group.up or group.down
        if link is not None and link.medium is not None and link.medium != link.connection:
            said += f", on {link.medium}"
        yield f"{indent}{'`-' if last else '|-'} {said}"
        yield from _branches(group.below, f"{indent}{'   ' if last else '|  '}")


def _media(topology: Topology) -> Iterator[str]:
    yield "media:"
    for medium in topology.media.values():
        yield f"  {medium.id}: {describe_medium(medium)}"


def _rate(link: Link) -> str:
    about = "about " if link.varies is not None else ""
    return f"{about}{format_rate(link.rate_bytes_per_s)}"


def _delay(link: Link) -> str:
    said = format_duration(link.delay_s)
    if link.jitter is not None:
        said += " on average"
    return said + (f", loss {link.loss:.3g}" if link.loss else "")


def limited(lines: list[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    left = len(lines) - MAX_LINES
    return lines if left <= 0 else [*lines[:MAX_LINES], f"... and {left} more"]
