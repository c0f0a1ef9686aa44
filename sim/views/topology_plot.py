"""Plot a topology: nodes, and the rates and delays of its links.

This file is long because trees and cores are drawn from the same nodes, edges and captions.
"""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cutlayer.sim.views import topology_layout
from cutlayer.sim.views.labels import Labels
from cutlayer.sim.views.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SMALL_TEXT_SIZE,
    VERMILLION,
    new_figure,
    save,
)
from cutlayer.sim.views.topology_groups import Group, TopologyGroups, topology_groups
from cutlayer.sim.views.topology_layout import Edge, PlacedNode, Point
from cutlayer.sim.views.topology_text import (
    describe_links,
    describe_medium,
    node_counts,
    unconnected,
)
from cutlayer.topologies import Link, Node, Topology
from cutlayer.topologies.units import format_duration, format_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_INCHES, ROW_INCHES = 3.5, 0.85
MAX_ROWS = 60
MAX_LABELLED = 40
TEXT: Final = SMALL_TEXT_SIZE - 1
MARKS: Final = {
    "server": ("s", VERMILLION),
    "edge": ("D", ORANGE),
    "relay": ("D", GREY),
    "client": ("o", BLUE),
}
NAMES: Final = {
    "server": "server",
    "edge": "edge node",
    "relay": "forwards",
    "client": "clients",
}


def write_topology(topology: Topology, path: Path, *, replace: bool = True) -> Path:
    """Draw a topology into a file; its suffix is the format: png, svg or pdf.

    Raises OutputError, without `replace` also where the file exists.
    """
    figure = topology_figure(topology)
    ending = path.suffix.removeprefix(".")
    (written,) = save(figure, path.parent, path.stem, [ending], replace=replace)
    return written


def topology_figure(topology: Topology) -> "Figure":
    """Return the plot: tiers from left to right, or the core as a ring, a map or a web."""
    groups = topology_groups(topology).connected()
    if len(groups.core) == 1:
        return _tree(groups)
    return _core(groups)


def _tree(groups: TopologyGroups) -> "Figure":
    nodes, edges = topology_layout.tree(groups)
    rows = 1 + max(round(-p.position[1]) for p in nodes)
    if rows > MAX_ROWS:
        nodes = [p for p in nodes if p.position[1] > -MAX_ROWS]
        edges = [edge for edge in edges if min(edge.start[1], edge.end[1]) > -MAX_ROWS]
    depth = max(p.position[0] for p in nodes)
    shown = min(rows, MAX_ROWS)
    figure = new_figure(COLUMN_INCHES * (depth + 0.9), ROW_INCHES * max(shown, 2) + 1.5)
    axes = figure.add_subplot()
    width = _Widths(edges)
    for edge in edges:
        _draw_edge(axes, edge, width)
        x, y = (0.35 * a + 0.65 * b for a, b in zip(edge.start, edge.end, strict=True))
        text = describe_links(edge.up, edge.down).replace(", ", "\n")
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.9}
        axes.text(x, y, text, ha="center", va="center", fontsize=TEXT, bbox=box, zorder=2)
    for drawn in nodes:
        _draw_node(axes, drawn.position, drawn.node)
        offset, align = ((0, 11), "center") if drawn.leads_on else ((11, 0), "left")
        _name(axes, drawn.position, _title(drawn), offset, align)
    if rows > MAX_ROWS:
        _name(axes, (depth, -float(MAX_ROWS)), f"... and {rows - MAX_ROWS} more", (11, 0), "left")
    axes.set_xlim(-0.3, depth + 0.75)
    axes.set_ylim(-shown + 0.4, 0.6)
    used = {_role(drawn.node) for drawn in nodes}
    _finish(figure, axes, groups.topology, used, width, edges, _media(groups.topology))
    return figure


def _core(groups: TopologyGroups) -> "Figure":
    topology = groups.topology
    positions = topology_layout.core(groups)
    edges = [
        Edge(positions[link.source], positions[link.target], link, back)
        for link, back in groups.connections
        if positions[link.source] != positions[link.target]
    ]
    xs, ys = zip(*positions.values(), strict=True)
    flat = (max(ys) - min(ys)) / max(max(xs) - min(xs), 0.1)
    wide = min(1.0, 0.7 / max(flat, 0.1))
    figure = new_figure(5 + 6 * wide, min(9.5 * wide * max(flat, 0.5), 8) + 2)
    axes = figure.add_subplot()
    width = _Widths(edges)
    for edge in edges:
        _draw_edge(axes, edge, width)
    used: set[str] = {"server"}
    for node in groups.core:
        if node.role == "relay" and node.name != groups.server_at:
            role = "client" if groups.below[node.name] else _role(node)
            used.add(role)
            _draw_node(axes, positions[node.name], node, role)
        elif node.role != "relay":
            _draw_node(axes, positions[node.name], node)
    axes.margins(0.14, 0.12)
    axes.set_aspect("equal", adjustable="datalim")
    _finish(figure, axes, topology, used, width, edges, _caption(groups, edges))
    figure.draw_without_rendering()  # the limits are final after this
    _label_core(axes, groups, positions, edges)
    return figure


def _label_core(
    axes: "Axes", groups: TopologyGroups, positions: dict[str, Point], edges: list[Edge]
) -> None:
    labels = Labels(axes, [(edge.start, edge.end) for edge in edges])
    for at in positions.values():
        labels.mark(at, 6.0)
    rates = {_rates(edge) for edge in edges}
    delays = {_delay(edge) for edge in edges}
    for edge in edges if len(edges) <= MAX_LABELLED else ():
        said = [
            *([_rates(edge)] if len(rates) > 1 else []),
            *([_delay(edge)] if len(delays) > 1 else []),
        ]
        if said:
            labels.on_line(edge.start, edge.end, "\n".join(said), TEXT - 1, BLACK)
    size = TEXT if len(positions) <= MAX_LABELLED else TEXT - 3
    alike = len({_residents(below) for below in groups.below.values() if below}) == 1
    for node in groups.core:
        if node.role == "server" and groups.server_at is not None:
            continue
        server = " (server)" if node.name == groups.server_at else ""
        count = _count(groups.below[node.name])
        clients = f"\n{count} client{'s' if count > 1 else ''}" if count and not alike else ""
        labels.beside(positions[node.name], f"{node.name}{server}{clients}", size, BLACK)


def _caption(groups: TopologyGroups, edges: list[Edge]) -> list[str]:
    """Return what all connections, or all clients, have in common."""
    rates = {_rates(edge) for edge in edges}
    delays = {_delay(edge) for edge in edges}
    alike = [next(iter(said)) for said in (rates, delays) if len(said) == 1]
    caption = [f"between nodes: {', '.join(alike)}"] if alike else []
    per_node = [tuple(below) for below in groups.below.values() if below]
    residents = {_residents(below) for below in per_node}
    if len(residents) == 1:
        caption.append(f"at each blue node or the server: {', '.join(residents.pop())}")
    access = dict.fromkeys(said for below in per_node for said in _access(below))
    return [*caption, *list(access)[:6], *_media(groups.topology)]


def _count(groups: Iterable[Group]) -> int:
    """Return how many clients are in groups and below them."""
    return sum(
        group.count * (1 if group.node.role == "client" else _count(group.below))
        for group in groups
    )


def _finish(
    figure: "Figure",
    axes: "Axes",
    topology: Topology,
    roles: set[str],
    width: "_Widths",
    edges: list[Edge],
    caption: list[str],
) -> None:
    from matplotlib.lines import Line2D

    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(node_counts(topology), loc="left", fontsize=SMALL_TEXT_SIZE + 1)
    if caption:
        axes.set_xlabel("\n".join(caption), fontsize=TEXT, color=BLACK, loc="left")
    handles = [
        Line2D([], [], linestyle="", marker=MARKS[role][0], color=MARKS[role][1], markersize=9)
        for role in NAMES
        if role in roles
    ]
    labels = [NAMES[role] for role in NAMES if role in roles]
    for rate in dict.fromkeys((width.least, width.most)):
        handles.append(Line2D([], [], color=GREY, linewidth=width.of(rate)))
        labels.append(format_rate(rate))
    if any(_on_medium(edge.link) for edge in edges):
        handles.append(Line2D([], [], color=GREEN, linewidth=1.5, linestyle="--"))
        labels.append("on a shared medium")
    figure.legend(handles, labels, loc="outside lower left", ncols=6, fontsize=TEXT, frameon=False)


class _Widths:
    """Line widths for rates: on a logarithmic scale from the least to the most."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        rates = {edge.link.rate_bytes_per_s for edge in edges}
        known = sorted(filter(math.isfinite, rates)) or [1.0]
        self.least, self.most = known[0], known[-1]

    def of(self, rate: float) -> float:
        """Return the width in points."""
        if self.most == self.least:
            return 2.0
        share = math.log(min(rate, self.most) / self.least) / math.log(self.most / self.least)
        return 1.0 + 4.0 * max(0.0, share)


def _on_medium(link: Link) -> bool:
    return link.medium is not None and link.medium != link.connection


def _draw_edge(axes: "Axes", edge: Edge, width: _Widths) -> None:
    shared = _on_medium(edge.link)
    axes.plot(
        [edge.start[0], edge.end[0]],
        [edge.start[1], edge.end[1]],
        color=GREEN if shared else GREY,
        linestyle="--" if shared else "-",
        linewidth=width.of(edge.link.rate_bytes_per_s),
        zorder=1,
    )


def _role(node: Node) -> str:
    """Return the role by which a node is drawn: one that computes for clients is an "edge"."""
    return "edge" if node.role == "relay" and node.device is not None else node.role


def _draw_node(axes: "Axes", at: Point, node: Node, role: str | None = None) -> None:
    marker, colour = MARKS[role or _role(node)]
    size = 13 if node.role == "server" else 9
    axes.plot(*at, linestyle="", marker=marker, color=colour, markersize=size, zorder=3)


def _name(axes: "Axes", at: Point, text: str, offset: tuple[float, float], align: str) -> None:
    axes.annotate(
        text,
        at,
        offset,
        textcoords="offset points",
        ha=align,
        va="bottom" if offset[1] > 0 else "top" if offset[1] < 0 else "center",
        fontsize=TEXT,
        color=BLACK,
        zorder=4,
    )


def _stem(group: Group) -> str:
    first = group.names[0]
    return first if group.count == 1 else f"{group.count} x {re.sub(r'-[0-9]+$', '', first)}"


def _title(drawn: PlacedNode) -> str:
    if drawn.group is None:
        assert drawn.node.device is not None
        return f"{drawn.node.name}\n{drawn.node.device.name}"
    name = _stem(drawn.group)
    device = drawn.node.device
    return name if device is None or device.name in name else f"{name}\n{device.name}"


def _rates(edge: Edge) -> str:
    return describe_links(edge.up, edge.down).rpartition(f", {_delay(edge, 4)}")[0]


def _delay(edge: Edge, digits: int = 3) -> str:
    return format_duration(edge.link.delay_s, digits)


def _residents(groups: Iterable[Group]) -> tuple[str, ...]:
    return tuple(_stem(group) for group in groups)


def _access(groups: Iterable[Group]) -> list[str]:
    return [
        f"{re.sub(r'-[0-9]+$', '', group.names[0])}: {describe_links(group.up, group.down)}"
        for group in groups
    ]


def _media(topology: Topology) -> list[str]:
    own = {link.connection for link in topology.links.values()}
    media: dict[str, list[str]] = {}
    for medium in topology.media.values():
        if medium.id not in own:
            media.setdefault(describe_medium(medium), []).append(medium.id)
    return [
        f"{names[0] if len(names) == 1 else f'{names[0]} ... {names[-1]}'}: {said}"
        for said, names in media.items()
    ] + ([unconnected(topology)] if topology.unconnected else [])
