"""A topology as text and as a picture: what is taken together, what is said, what is drawn."""

import math

import networkx
import pytest

from cutlayer.sim.build.client_rates import client_rates
from cutlayer.sim.commands.show import rate_lines
from cutlayer.sim.views.labels import Box, Labels
from cutlayer.sim.views.style import new_figure
from cutlayer.sim.views.topology_groups import topology_groups
from cutlayer.sim.views.topology_layout import core, tree
from cutlayer.sim.views.topology_plot import topology_figure, write_topology
from cutlayer.sim.views.topology_text import MAX_LINES, topology_lines
from cutlayer.topologies import (
    AccessLink,
    AccessPoint,
    BaseStation,
    Branch,
    Clients,
    DeviceProfile,
    Edge,
    Node,
    Residents,
    Server,
    Stations,
    Subscribers,
    cells,
    from_graph,
    from_networkx,
    mesh,
    ring,
    star,
    tiers,
    wifi_cell,
)

PI = DeviceProfile.from_speed("pi", 1e9)
SERVER = Server(DeviceProfile.from_speed("big", 1e12), slots=2)
FOUR_G = AccessLink(1.25e6, 3.125e6, 0.025)
WIRE = AccessLink(12.5e6, 12.5e6, 0.005)

STAR = star(
    server=SERVER,
    clients=[Clients(PI, 40, FOUR_G), Clients(PI, 1, WIRE, "attic"), Clients(PI, 2, FOUR_G)],
)
TIERS = tiers(
    server=SERVER,
    branches=[
        Branch(3, WIRE, [Clients(PI, 10, FOUR_G)]),
        Branch(1, FOUR_G, [Clients(PI, 2, FOUR_G)], name="rural"),
    ],
)
RING = ring(server=SERVER, sites=5, link=WIRE, clients=[Clients(PI, 4, FOUR_G)], server_at=1)
CELLS = cells(
    server=SERVER,
    server_link=WIRE,
    cells=[
        AccessPoint([Stations(PI, 3, 5e6), Stations(PI, 1, 1e6, "far")], 0.002, WIRE, count=2),
        BaseStation([Subscribers(PI, 4, 1e6, 8e6)], 0.015, WIRE),
    ],
)


def lines_of(topology):
    return [*topology_lines(topology), *rate_lines(topology)]


def backbone(**options):
    graph = networkx.Graph(
        [("Bern", "Basel"), ("Basel", "Chur"), ("Chur", "Bern"), ("Chur", "Ilanz")]
    )
    positions = {
        "Bern": (7.4, 46.9),
        "Basel": (7.6, 47.6),
        "Chur": (9.5, 46.8),
        "Ilanz": (9.2, 46.8),
    }
    for name, position in positions.items():
        graph.nodes[name]["pos"] = position
    arguments = {
        "server": SERVER,
        "server_at": "Chur",
        "clients": [Residents(PI, 2, FOUR_G, ["Bern", "Ilanz"])],
        "rate": 1.25e9,
        "delay": 0.001,
    }
    return from_networkx(graph, **{**arguments, **options})


EVERY = {
    "star": STAR,
    "tiers": TIERS,
    "ring": RING,
    "mesh": mesh(
        server=SERVER, sites=5, link=WIRE, clients=[Clients(PI, 1, FOUR_G)], server_link=WIRE
    ),
    "cells": CELLS,
    "wifi": wifi_cell(
        server=SERVER, stations=[Stations(PI, 4)], delay_s=0.002, rate_bytes_per_s=4e6
    ),
    "backbone": backbone(),
    "unlimited": star(server=SERVER, clients=[Clients(PI, 3, AccessLink(math.inf, math.inf, 0.0))]),
}


def counted(groups):
    return [(group.label, group.count, counted(group.below)) for group in groups]


def test_equal_clients_are_one_group_in_their_order():
    found = topology_groups(STAR)
    assert [node.name for node in found.core] == ["server"]
    assert counted(found.below["server"]) == [
        ("pi-0 ... pi-41", 42, []),
        ("attic", 1, []),
    ]


def test_equal_edge_nodes_are_one_group_with_what_is_below_each():
    assert counted(topology_groups(TIERS).below["server"]) == [
        ("edge-0 ... edge-2", 3, [("pi-0 ... pi-9", 10, [])]),
        ("rural", 1, [("pi-0, pi-1", 2, [])]),
    ]


def test_equal_cells_are_one_group_though_each_has_its_own_medium():
    (hub,) = topology_groups(CELLS).below["server"]
    assert counted(hub.below) == [
        ("access-point-0, access-point-1", 2, [("pi-0 ... pi-2", 3, []), ("far", 1, [])]),
        ("base-station-0", 1, [("pi-0 ... pi-3", 4, [])]),
    ]


@pytest.mark.parametrize("change", ["device", "up", "down", "delay", "loss", "half", "below"])
def test_what_differs_is_not_taken_together(change):
    link = {
        "up": AccessLink(1e6, 3.125e6, 0.025),
        "down": AccessLink(1.25e6, 3e6, 0.025),
        "delay": AccessLink(1.25e6, 3.125e6, 0.02),
        "loss": AccessLink(1.25e6, 3.125e6, 0.025, loss=0.01),
        "half": AccessLink(1.25e6, 3.125e6, 0.025, "half"),
    }.get(change, FOUR_G)
    device = DeviceProfile.from_speed("pi", 2e9) if change == "device" else PI
    count = 2 if change == "below" else 1
    edges = [
        Branch(1, WIRE, [Clients(PI, 1, FOUR_G)]),
        Branch(1, WIRE, [Clients(device, count, link)]),
    ]
    assert len(topology_groups(tiers(server=SERVER, branches=edges)).below["server"]) == 2
    same = tiers(server=SERVER, branches=[edges[0], edges[0]])
    assert len(topology_groups(same).below["server"]) == 1


def test_the_core_of_a_ring_is_its_sites_with_the_server_at_one():
    found = topology_groups(RING)
    assert [node.name for node in found.core] == [*(f"site-{i}" for i in range(5)), "server"]
    assert found.server_at == "site-1"
    assert len(found.connections) == 6
    assert counted(found.below["site-3"]) == [("pi-0 ... pi-3", 4, [])]
    assert topology_groups(EVERY["mesh"]).server_at is None


def test_what_hangs_on_a_backbone_by_one_link_is_below_it():
    found = topology_groups(backbone())
    assert [node.name for node in found.core] == ["Bern", "Basel", "Chur", "server"]
    assert counted(found.below["Chur"]) == [("Ilanz", 1, [("pi-0, pi-1", 2, [])])]


def test_shares_are_what_theory_says():
    shown = {share.client: share for share in client_rates(TIERS)}
    edge, rural = shown["edge-0.pi-0"], shown["rural.pi-0"]
    assert (edge.count, rural.count) == (30, 2)
    assert (edge.up.alone, edge.up.alone_by) == (1.25e6, "edge-0.pi-0.up")
    assert (edge.up.together, edge.up.together_by) == (1.25e6, "edge-0.pi-0.up")
    assert edge.down.together == pytest.approx(1.25e6)
    assert edge.down.together_by == "edge-0.down"
    assert rural.up.together == pytest.approx(0.625e6)
    assert rural.up.together_by == "rural.up"
    assert rural.down.delay_s == 0.05


def test_shares_in_cells_are_by_airtime_and_by_time():
    shown = {share.client: share for share in client_rates(CELLS)}
    near, far, phone = (
        shown[f"{name}.{client}"]
        for name, client in (
            ("access-point-0", "pi-0"),
            ("access-point-0", "far"),
            ("base-station-0", "pi-0"),
        )
    )
    assert near.count == 6
    assert near.up.together == far.up.together == pytest.approx(1 / (3 / 5e6 + 1 / 1e6))
    assert (near.up.alone, far.up.alone) == (5e6, 1e6)
    assert phone.up.together == pytest.approx(0.25e6)
    # Down, the server's own link holds the phones at less than their 2e6: the cells take 5e6 of it.
    assert phone.up.together_by == "base-station-0.uplink"
    assert phone.down.together == pytest.approx((12.5e6 - 8 * near.down.together) / 4)
    assert phone.down.together_by == "server.up"


def test_transfers_without_a_limit_are_held_by_nothing():
    (share,) = client_rates(EVERY["unlimited"])
    assert share.up.together == share.down.alone == math.inf
    assert share.up.together_by is None
    assert "nothing" in "\n".join(lines_of(EVERY["unlimited"]))


def test_the_text_says_rates_delays_devices_and_what_holds():
    text = "\n".join(lines_of(TIERS))
    assert "32 clients, 4 nodes that forward" in text
    assert "server (big, 2 slots)" in text
    assert "|- 3 x edge-0 ... edge-2 (forwards): 100 Mbit/s, 5 ms" in text
    assert "|  `- 10 x pi-0 ... pi-9: 10 Mbit/s up, 25 Mbit/s down, 25 ms" in text
    assert "30 like edge-0.pi-0" in text
    assert "  up    50 ms  10 Mbit/s  own link    5 Mbit/s     rural.up" in text


def test_the_text_of_a_ring_tells_equal_sites_once():
    lines = lines_of(RING)
    assert "site-0 -- site-1: 100 Mbit/s, 5 ms" in lines
    assert "server is at site-1" in lines
    assert "each of site-0, site-1, site-2, site-3, site-4" in lines
    assert sum("pi-0 ... pi-3" in line for line in lines) == 1


def test_the_text_of_cells_names_their_media():
    text = "\n".join(lines_of(CELLS))
    assert "access-point-1.cell: airtime, shared so that all on it are equally fast" in text
    assert "base-station-0.uplink: equal times for all on it (proportionally fair)" in text
    assert ", on base-station-0.uplink" in text
    half = star(server=SERVER, clients=[Clients(PI, 1, AccessLink(1e6, 1e6, 0.0, "half"))])
    assert "8 Mbit/s half duplex, 0 s" in "\n".join(lines_of(half))


def test_a_long_text_is_cut():
    many = star(server=SERVER, clients=[Clients(PI, 1, FOUR_G, f"a{i}") for i in range(100)])
    lines = lines_of(many)
    assert len(lines) < 2 * MAX_LINES + 10
    assert "... and 41 more" in lines


def test_tiers_stand_in_columns_and_rows():
    nodes, edges = tree(topology_groups(TIERS))
    at = {(n.group.label if n.group else "server"): n.position for n in nodes}
    assert at == {
        "server": (0.0, -0.5),
        "edge-0 ... edge-2": (1.0, 0.0),
        "pi-0 ... pi-9": (2.0, 0.0),
        "rural": (1.0, -1.0),
        "pi-0, pi-1": (2.0, -1.0),
    }
    assert len(edges) == 4


def test_sites_stand_in_a_ring_and_the_server_with_its_own_link_beside():
    positions = core(topology_groups(RING))
    assert positions["site-0"][1] == max(y for _, y in positions.values())
    assert positions["server"] == positions["site-1"]
    sides = {
        round(math.dist(positions[f"site-{i}"], positions[f"site-{(i + 1) % 5}"]), 9)
        for i in range(5)
    }
    assert len(sides) == 1
    beside = core(topology_groups(EVERY["mesh"]))
    assert beside["server"] not in [at for name, at in beside.items() if name != "server"]


def test_a_backbone_is_a_map():
    positions = core(topology_groups(backbone()))
    assert positions["Bern"][0] < positions["Basel"][0] < positions["Chur"][0]
    assert positions["Basel"][1] > positions["Bern"][1] > positions["Chur"][1]


@pytest.mark.parametrize("name", EVERY)
def test_every_topology_can_be_drawn_within_its_picture(name):
    figure = topology_figure(EVERY[name])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    picture = figure.bbox
    boxes = [text.get_window_extent() for text in axes.texts]
    assert boxes
    for box in boxes:
        assert picture.x0 - 1 <= box.x0 <= box.x1 <= picture.x1 + 1
        assert picture.y0 - 1 <= box.y0 <= box.y1 <= picture.y1 + 1
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i]), axes.texts[i].get_text()


def test_labels_and_widths_say_the_rates():
    figure = topology_figure(TIERS)
    (axes,) = figure.axes
    said = [text.get_text() for text in axes.texts]
    assert "3 x edge" in said
    assert "10 Mbit/s up\n25 Mbit/s down\n25 ms" in said
    widths = {line.get_linewidth() for line in axes.get_lines() if len(line.get_xdata()) == 2}
    assert widths == {1.0, 5.0}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "server",
        "forwards",
        "clients",
        "10 Mbit/s",
        "100 Mbit/s",
    ]


def test_links_on_a_medium_are_dashed():
    (axes,) = topology_figure(CELLS).axes
    dashed = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert len(dashed) == 3
    assert "proportionally fair" in axes.get_xlabel()


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_pictures_are_reproducible_files(tmp_path, ending, magic):
    paths = [write_topology(CELLS, tmp_path / f"{name}.{ending}") for name in "ab"]
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith(magic)


def test_a_graph_without_a_shape_is_drawn_too():
    nodes = [SERVER.node(), Node("c", "client", PI), *(Node(n, "relay") for n in "xyz")]
    edges = [("c", "x"), ("c", "y"), ("x", "y"), ("y", "z"), ("z", "server"), ("x", "server")]
    topology = from_graph(nodes=nodes, edges=[Edge(a, b, 1e6, 0.01) for a, b in edges])
    positions = core(topology_groups(topology))
    assert len(set(positions.values())) == 5
    assert topology_figure(topology).axes


def test_labels_avoid_each_other():
    figure = new_figure(4, 4)
    axes = figure.add_subplot()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    figure.draw_without_rendering()
    labels = Labels(axes, [((0.5, 0.5), (0.5, 1.0))])
    labels.beside((0.5, 0.5), "below", 10, "black")
    labels.beside((0.5, 0.45), "elsewhere", 10, "black")
    first, second = (text.get_window_extent() for text in axes.texts)
    assert not first.overlaps(second)
    assert first.y1 < axes.transData.transform((0.5, 0.5))[1]


def test_boxes_overlap_by_their_area():
    assert Box(0, 0, 2, 2).overlap(Box(1, 1, 3, 3)) == 1
    assert Box(0, 0, 1, 1).overlap(Box(1, 0, 2, 1)) == 0
    assert Box(0, 0, 1, 1).holds((0.5, 1.0))
    assert not Box(0, 0, 1, 1).holds((0.5, 1.1))


def test_shares_in_a_cell_of_unequal_devices_are_in_proportion():
    near, far = Subscribers(PI, 3, 4e6, 8e6, "near"), Subscribers(PI, 1, 1e6, 2e6, "far")
    fast = AccessLink(1e9, 1e9, 0.0)
    topology = cells(server=SERVER, cells=[BaseStation([near, far], 0.01, fast)])
    first, last = client_rates(topology)
    assert (first.up.together, last.up.together) == pytest.approx((1e6, 0.25e6))
    assert (first.down.together, last.down.together) == pytest.approx((2e6, 0.5e6))
    assert last.up.together_by == "base-station-0.uplink"


def test_a_full_link_does_not_hold_who_is_slower_by_itself():
    slow, fast = AccessLink(1e6, 1e6, 0.0), AccessLink(90e6, 90e6, 0.0)
    clients = [Clients(PI, 1, slow, "slow"), Clients(PI, 1, fast, "fast")]
    topology = star(server=SERVER, clients=clients, server_link=AccessLink(10e6, 10e6, 0.0))
    first, last = client_rates(topology)
    assert (first.down.together, first.down.together_by) == (1e6, "slow.down")
    assert (last.down.together, last.down.together_by) == (9e6, "server.up")


@pytest.mark.parametrize("shape", ["tree", "ring", "node"])
def test_a_part_without_the_server_is_said_and_not_drawn(shape):
    graph = networkx.Graph([("a", "b")])
    apart = {
        "tree": [("c", "d"), ("d", "e"), ("e", "f")],
        "ring": [("c", "d"), ("d", "e"), ("e", "c")],
    }
    graph.add_edges_from(apart.get(shape, []))
    graph.add_node("c")
    topology = from_networkx(
        graph,
        server=SERVER,
        server_at="a",
        clients=[Residents(PI, 1, FOUR_G, "all")],
        rate=1e8,
        delay=0.001,
    )
    assert topology.clients == ("a.pi-0", "b.pi-0")
    apart_names = sorted({"c", *(name for edge in apart.get(shape, []) for name in edge)})
    verb = "is" if len(apart_names) == 1 else "are"
    said = (
        f"{len(apart_names)} of {len(topology.nodes)} nodes {verb} not connected with the server: "
        + ", ".join(topology.unconnected)
    )
    assert sorted(topology.unconnected) == apart_names
    assert said in lines_of(topology)
    figure = topology_figure(topology)
    texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert any("not connected with the server" in text for text in texts)
    assert not {"c", "d"} & set(texts)
