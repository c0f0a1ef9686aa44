"""Rounds with edge nodes that average, worked out by hand.

Costs and defaults are those of tiny_worlds. Devices have links of 1,000 bytes/s up, 2,000 down and
0.5 s, edge nodes 4,000 up, 8,000 down and 0.25 s. A whole model is a message of 2,888 bytes, a device
block one of 1,308.
"""

import pytest
from tiny_worlds import DEVICE, DOWN, SERVE, UP, Device, Edge, assert_rows, make_method, played

from cutlayer.sim.log.intervals import SERVER, Activity, Phase
from cutlayer.sim.methods.edge_options import EdgesOptions
from cutlayer.sim.methods.fedprox import FedProx, FedProxOptions

FIRST, SECOND = -2, -3  # edge nodes
MODEL, BLOCK = 2888, 1308


def edge_round(edge: int, start: float, members: dict[int, float], average: float) -> list[tuple]:
    """Return an edge round of classic FL: each member's seconds of training; then the average."""
    rows, arrived = [], {}
    for member, seconds in members.items():
        received = start + MODEL / 2000 + 0.5
        trained = received + seconds
        sent = trained + MODEL / 1000
        rows += [
            (DOWN, Activity.WEIGHTS, edge, member, start, start + MODEL / 2000, MODEL),
            (DEVICE, Activity.TRAIN, member, member, received, trained, 0),
            (UP, Activity.WEIGHTS, member, edge, trained, sent, MODEL),
        ]
        arrived[member] = sent + 0.5
    last = max(arrived, key=arrived.__getitem__)
    end = arrived[last] + average
    return [*rows, (SERVE, Activity.AGGREGATE, edge, last, arrived[last], end, 0)]


def test_two_edge_nodes_average_two_clients_each_twice():
    """k2 = 2: the slower edge node does not hold up the other one within the round."""
    devices = [Device(speed=speed, samples=2) for speed in (1000, 2000, 1000, 500)]
    method = make_method(
        "classic_fl", devices, options={"edges": {"rounds": 2}}, edges=[Edge(2), Edge(2, 2600)]
    )
    (kept,) = played(method).kept
    rows = []
    ends = {}
    for edge, members, average in (
        (FIRST, {0: 2.92, 1: 1.46}, 520 / 5000),
        (SECOND, {2: 2.92, 3: 5.84}, 520 / 2600),
    ):
        rows.append((DOWN, Activity.WEIGHTS, SERVER, edge, 0, MODEL / 8000, MODEL))
        first = edge_round(edge, 0.361 + 0.25, members, average)
        second = edge_round(edge, first[-1][5], members, average)
        at = second[-1][5]
        rows += [*first, *second]
        rows.append((UP, Activity.WEIGHTS, edge, SERVER, at, at + MODEL / 4000, MODEL))
        ends[edge] = at + 0.722 + 0.25
    assert ends == pytest.approx({FIRST: 18.295, SECOND: 24.327})
    rows.append((SERVE, Activity.AGGREGATE, SERVER, 3, 24.327, 24.379, 0))
    assert_rows(kept, rows, 24.379)
    record = kept.record
    assert record.straggler == 3
    assert record.critical_path_s == pytest.approx(
        {
            "device_compute": 2 * 5.84,
            "uplink": 2 * (2.888 + 0.5) + 0.722 + 0.25,
            "downlink": 2 * (1.444 + 0.5) + 0.361 + 0.25,
            "server_compute": 2 * 0.2 + 0.052,
            "server_queue": 0,
            "offline": 0,
        }
    )


def test_bytes_of_members_links_and_tiers_are_those_of_the_messages():
    devices = [Device(samples=2)] * 4
    method = make_method(
        "classic_fl", devices, options={"edges": {"rounds": 3}}, edges=[Edge(3), Edge(1)]
    )
    result = played(method)
    record = result.kept[0].record
    assert record.wire_up.tolist() == record.wire_down.tolist() == [3 * MODEL] * 4
    assert record.tiers["access_bytes_up"] == record.tiers["access_bytes_down"] == 12 * MODEL
    assert record.tiers["backhaul_bytes_up"] == record.tiers["backhaul_bytes_down"] == 2 * MODEL
    assert record.tiers["backhaul_busy_s"] == pytest.approx(
        0.361 + 0.722 + 3 * (780 - 260) / 5000
    )  # both up, one a little later
    assert record.sent["wire_up"] == record.sent["wire_down"] == 14 * MODEL
    carried = {name: use.wire_bytes for name, use in result.links.items()}
    ways = ("up", "down")
    of_clients = {f"e{i // 3}.c{i}.{way}": 3 * MODEL for i in range(4) for way in ways}
    assert carried == of_clients | {f"e{i}.{way}": MODEL for i in range(2) for way in ways}
    assert [use.jobs for use in record.nodes] == [1, 3, 3]
    assert [totals.jobs for totals in result.nodes.values()] == [1, 3, 3]


@pytest.mark.parametrize("name", ["classic_fl", "splitfed", "ecofed"])
@pytest.mark.parametrize("place", ["server", "edge"])
def test_both_places_of_the_server_block_move_the_same_bytes_of_clients(name, place):
    """The bytes at each client are those of as many flat rounds; the backhaul is what differs."""
    devices = [Device(samples=3)] * 4
    flat = played(make_method(name, devices, edges=[Edge(2), Edge(2)]), rounds=2)
    edges = {"rounds": 2} if name == "classic_fl" else {"rounds": 2, "server_block": place}
    method = make_method(name, devices, options={"edges": edges}, edges=[Edge(2), Edge(2)])
    result = played(method)
    record = result.kept[0].record
    both = [kept.record for kept in flat.kept]
    assert record.wire_up.tolist() == sum(one.wire_up for one in both).tolist()
    assert record.wire_down.tolist() == sum(one.wire_down for one in both).tolist()
    assert record.device_busy_s == pytest.approx(sum(one.device_busy_s for one in both))
    busy = sum(use.busy_s for use in record.nodes)
    assert busy > 0
    assert {int(actor) for actor in record.intervals.actor[record.intervals.phase == SERVE]} == {
        SERVER,
        *((FIRST, SECOND) if name != "ecofed" or place == "edge" else ()),
    }
    through = record.tiers["backhaul_bytes_up"]
    weights = {"classic_fl": MODEL, "splitfed": MODEL, "ecofed": 4 * 80 + 163 + 315 * 4}[name]
    if name == "classic_fl" or place == "edge":
        assert through == 2 * weights
    else:
        activations = sum(
            size for of, size in record.wire_by.items() if of in ("up_activations", "up_labels")
        )
        control = record.wire_by.get("up_control", 0)
        sent = 2 * BLOCK if name == "splitfed" else 0
        assert through == activations + control + sent


def test_a_flat_method_is_not_affected_by_the_devices_of_edge_nodes():
    devices = [Device(samples=3), Device(speed=500)] * 2
    for name in ("classic_fl", "splitfed", "ecofed"):
        computing = played(make_method(name, devices, edges=[Edge(2), Edge(2)]), rounds=2)
        forwarding = make_method(name, devices, edges=[Edge(2, None), Edge(2, None)])
        assert computing.event_digest == played(forwarding, rounds=2).event_digest


def test_the_server_block_at_the_edge_shares_a_batch_s_way():
    """SplitFed with one client of one batch: the gradient comes from the edge node."""
    method = make_method(
        "splitfed",
        [Device(samples=2)],
        options={"edges": {"rounds": 1, "server_block": "edge"}},
        edges=[Edge(1)],
    )
    (kept,) = played(method).kept
    block, whole = BLOCK, MODEL
    at = whole / 8000 + 0.25
    rows = [(DOWN, Activity.WEIGHTS, SERVER, FIRST, 0, whole / 8000, whole)]

    def then(
        phase: Phase, activity: Activity, actor: int, peer: int, seconds: float, size: int = 0
    ):
        nonlocal at
        rows.append((phase, activity, actor, peer, at, at + seconds, size))
        at += seconds
        delay = 0.25 if min(actor, peer) < SERVER and max(actor, peer) == SERVER else 0.5
        at += delay if phase in (UP, DOWN) else 0

    then(DOWN, Activity.WEIGHTS, FIRST, 0, block / 2000, block)
    then(DEVICE, Activity.FORWARD, 0, 0, 0.2)
    then(UP, Activity.ACTIVATION, 0, FIRST, 0.803, 803)
    then(SERVE, Activity.TRAIN, FIRST, 0, (900 * 2 + 320) / 5000)
    then(DOWN, Activity.GRADIENT, FIRST, 0, 523 / 2000, 523)
    then(DEVICE, Activity.BACKWARD, 0, 0, 0.6)
    then(UP, Activity.WEIGHTS, 0, FIRST, block / 1000, block)
    then(SERVE, Activity.AGGREGATE, FIRST, 0, 260 / 5000)
    then(UP, Activity.WEIGHTS, FIRST, SERVER, whole / 4000, whole)
    then(SERVE, Activity.AGGREGATE, SERVER, 0, 260 / 10_000)
    assert_rows(kept, rows, at)


def test_more_edge_rounds_are_faster_by_the_trips_that_they_save():
    """Twelve edge rounds as 12, 6, 3 rounds: each saves a trip over the backhaul, and an average."""
    devices = [Device(samples=2)] * 2
    trip = MODEL / 40 + MODEL / 80 + 2 * 0.25 + 260 / 10_000

    def seconds(k2: int) -> float:
        edge = Edge(2, up=40.0, down=80.0)
        options = {"edges": {"rounds": k2}}
        method = make_method("classic_fl", devices, options=options, edges=[edge])
        return played(method, rounds=12 // k2).virtual_time_s

    each = 1.444 + 0.5 + 2.92 + 2.888 + 0.5 + 520 / 5000
    for k2 in (1, 2, 4):
        assert seconds(k2) == pytest.approx(12 * each + 12 // k2 * trip, abs=1e-9)


class OwnOptions(FedProxOptions, EdgesOptions):
    """FedProx's options and edge nodes."""


class Own(FedProx):
    """FedProx with edge nodes."""

    name = "own"
    Options = OwnOptions


def test_a_method_of_one_s_own_has_edge_nodes_with_the_option():
    own = played(
        make_method(
            Own, [Device(samples=2)], options={"mu": 0.5, "edges": {"rounds": 3}}, edges=[Edge(1)]
        )
    )
    plain = played(make_method("fedprox", [Device(samples=2)], options={"mu": 0.5}), rounds=3)
    assert own.kept[0].record.device_busy_s == pytest.approx(
        sum(kept.record.device_busy_s for kept in plain.kept)
    )
    assert own.kept[0].record.nodes[1].jobs == 3
