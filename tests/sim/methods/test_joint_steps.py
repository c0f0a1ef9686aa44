"""SMoFi, SFL-GA, EPSL and MergeSFL: steps of the server for all clients, and multicast gradients."""

from typing import Any

import pytest
import torch
from tiny_runs import Inside, only, tiny
from tiny_worlds import (
    DEVICE,
    DOWN,
    SERVE,
    UP,
    Cell,
    Device,
    Pen,
    assert_chart,
    make_method,
    played,
)

from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.epsl import EPSL, EPSLOptions
from cutlayer.sim.methods.mergesfl import MergeSFL
from cutlayer.sim.methods.method import Round, ServerLoad
from cutlayer.sim.methods.sfl_ga import SFLGA
from cutlayer.sim.methods.smofi import SMoFiOptions
from cutlayer.sim.run.control import closed_round

X = Activity
ONE_CLIENT = ("topology.star.clients.0.count=1", "data.partition=iid")
JOINT = ("smofi", "sfl_ga", "epsl", "mergesfl")


@pytest.mark.parametrize("state", ["fresh", "kept"])
@pytest.mark.parametrize(
    ("method", "other"),
    [
        ("smofi", "splitfed"),
        ("sfl_ga", "splitfed"),
        ("mergesfl", "splitfed_v2"),
        ("epsl", "splitfed_v2"),
    ],
)
def test_with_one_client_it_is_split_training_in_every_event(
    method: str, other: str, state: str
) -> None:
    settings = (*ONE_CLIENT, f"training.optimizer_state={state}")
    one, two = (only(f"methods=[{name}]", *settings) for name in (method, other))
    assert one.weights_digest == two.weights_digest is not None
    assert one.event_digest == two.event_digest
    assert one.wire_bytes == two.wire_bytes


@pytest.mark.parametrize("method", JOINT)
def test_none_and_inline_agree_and_equal_rounds_are_reused(method: str) -> None:
    settings = (f"methods=[{method}]", "training.rounds=3")
    trained, timed = only(*settings), only(*settings, executor="none")
    assert trained.learning_digest == timed.learning_digest is not None
    assert trained.event_digest == timed.event_digest
    assert timed.reused_rounds == 2


@pytest.mark.parametrize("method", JOINT)
def test_a_slower_link_changes_times_and_no_weights(method: str) -> None:
    """The order of the members is that of the clients, not that of arrival."""
    links = (
        "topology.star.clients=[{device: raspberry-pi-4b, link: {up: %s, down: 10 Mbit/s, delay: 0 ms}},"
        " {device: jetson-nano, count: 2, link: 4g}]"
    )
    slow, fast = (only(f"methods=[{method}]", links % up) for up in ("1 Mbit/s", "1 Gbit/s"))
    assert slow.learning_digest == fast.learning_digest
    assert slow.weights_digest == fast.weights_digest
    assert slow.event_digest != fast.event_digest


def test_parallel_split_learning_of_equal_clients_is_a_merged_step() -> None:
    """With equal batches and shards, the mean of the clients' losses is the mean over the samples."""
    equal = "data.partition={sizes: 16}"
    one = Inside("methods=[{epsl: {share: 0}}]", equal).train().states
    other = Inside("methods=[mergesfl]", equal).train().states
    for part in ("device", "server"):
        for name, value in one[part].items():
            torch.testing.assert_close(value, other[part][name], rtol=1e-5, atol=1e-6)


# A sample has a gradient of 16 bytes, and the framing of a message with gradients is 491.
WEIGHTS = 1308  # of the device block, framed
THREE = (Device(samples=5), Device(speed=300, samples=2), Device(samples=3))  # 2 2 1, 2 and 2 1


def gradients_down(method: str, **options: Any) -> tuple[int, int]:
    """The bytes of the gradients of a round of `THREE`, and their payload."""
    (rnd,) = played(make_method(method, THREE, options=options)).rounds
    assert rnd.wire_by["down_weights"] == 3 * WEIGHTS
    assert rnd.payload_by["up_activations"] == 16 * 10
    return rnd.wire_by["down_gradients"], rnd.payload_by["down_gradients"]


def test_the_bytes_of_the_gradients() -> None:
    """The steps have batches of 2 2 2, of 2 1 and of 1 sample."""
    each = (6 * 491 + 16 * 10, 16 * 10)
    assert gradients_down("mergesfl") == gradients_down("smofi") == each
    assert gradients_down("epsl", share=0) == each
    assert gradients_down("sfl_ga") == (3 * 491 + 16 * 5, 16 * 5)
    # One row of the first step and one of the second are multicast, the others sent one by one.
    rows = 2 + 3 + 1 + 0 + 1
    assert gradients_down("epsl", share=0.5) == ((2 + 3 + 1 + 1) * 491 + 16 * rows, 16 * rows)
    # All of the first step; one row of the second, and one more to the first client.
    assert gradients_down("epsl", share=1) == ((2 + 1 + 1) * 491 + 16 * (3 + 2), 16 * (3 + 2))


def test_a_share_of_a_batch_is_not_rounded_up_for_an_error_in_its_last_digit() -> None:
    """0.07 times 100 is 7.000000000000001 in binary."""
    for share, rows in ((0.07, 7), (0.071, 8), (1, 100), (0, 0)):
        method = make_method("epsl", THREE, options={"share": share})
        assert isinstance(method, EPSL)
        assert method.aggregated((100, 200)) == rows


def test_sfl_ga_by_hand() -> None:
    """Two clients with one sample each; the slow downlink of the second (500 bytes/s) sets the rate."""
    devices = [Device(samples=1), Device(speed=500, samples=1, down=500)]
    (kept,) = played(make_method("sfl_ga", devices, slots=2)).kept
    fast, slow = Pen(0), Pen(1)
    for pen, speed, down in ((fast, 1000, 2000), (slow, 500, 500)):
        pen.bar(DOWN, X.WEIGHTS, WEIGHTS / down, WEIGHTS).gap(0.5)
        pen.bar(DEVICE, X.FORWARD, 100 / speed).bar(UP, X.ACTIVATION, 0.779, 779).gap(0.5)
        pen.bar(SERVE, X.TRAIN, (900 + 4 * 80) / 10_000)
    slow.bar(SERVE, X.AGGREGATE, 2 * 2 * 4 / 10_000)
    fast.until(slow.now)
    fast.bar(DOWN, X.GRADIENT, 507 / 500, 507).gap(0.5)
    slow.bar(DOWN, X.GRADIENT, 507 / 500, 0).gap(0.5)  # the bytes are in the first row
    for pen, speed in ((fast, 1000), (slow, 500)):
        pen.bar(DEVICE, X.BACKWARD, (200 + 4 * 50) / speed)
        pen.bar(UP, X.WEIGHTS, WEIGHTS / 1000, WEIGHTS).gap(0.5)
    folded = kept.record.duration_s - slow.now
    slow.bar(SERVE, X.AGGREGATE, folded)
    assert folded == pytest.approx(2 * 2 * 130 / 10_000)
    assert_chart(kept, [*fast.bars, *slow.bars], slow.now)
    assert kept.record.copies == {
        row: row - 1 for row in range(len(kept.record.intervals)) if is_copy(kept, row)
    }


def is_copy(kept: Any, row: int) -> bool:
    log = kept.record.intervals
    return bool(log.activity[row] == X.GRADIENT and log.wire_bytes[row] == 0)


def test_smofi_by_hand() -> None:
    """The fast client's second step waits for the first of the slow one, not its gradient."""
    devices = [Device(samples=2), Device(speed=20, samples=2)]
    (kept,) = played(make_method("smofi", devices, batch_size=1, slots=2)).kept
    fast, slow = Pen(0), Pen(1)
    fused: list[float] = []
    for pen, speed in ((slow, 20), (fast, 1000)):
        pen.bar(DOWN, X.WEIGHTS, WEIGHTS / 2000, WEIGHTS).gap(0.5)
        for number in range(2):
            pen.bar(DEVICE, X.FORWARD, 100 / speed).bar(UP, X.ACTIVATION, 0.779, 779).gap(0.5)
            if pen is fast and number == 1:
                pen.until(fused[0])
            pen.bar(SERVE, X.TRAIN, (900 + 4 * 80) / 10_000)
            if pen is slow:
                beside = Pen(1, pen.now).bar(SERVE, X.AGGREGATE, 4 * 80 / 10_000)
                fused.append(beside.now)
                pen.bars += beside.bars
            pen.bar(DOWN, X.GRADIENT, 507 / 2000, 507).gap(0.5)
            pen.bar(DEVICE, X.BACKWARD, (200 + 4 * 50) / speed)
        pen.bar(UP, X.WEIGHTS, WEIGHTS / 1000, WEIGHTS).gap(0.5)
    slow.bar(SERVE, X.AGGREGATE, 2 * 2 * 130 / 10_000)
    assert_chart(kept, [*fast.bars, *slow.bars], slow.now)


def test_every_link_carries_a_multicast_once() -> None:
    (kept,) = played(make_method("sfl_ga", THREE)).kept
    used = {kept.links[key]: use.wire_bytes for key, use in kept.record.uses.items()}
    # The first client has all three steps, the third two and the second one.
    sizes = [491 + 16 * 2, 491 + 16 * 2, 491 + 16]
    for client, steps in ((0, 3), (1, 1), (2, 2)):
        (down,) = [size for name, size in used.items() if f"c{client}" in name and "down" in name]
        assert down == WEIGHTS + sum(sizes[:steps])


def test_a_medium_carries_a_multicast_once() -> None:
    (kept,) = played(make_method("sfl_ga", THREE, cell=Cell(900.0, 0.1))).kept
    (use,) = kept.record.uses.values()
    assert use.wire_bytes == kept.record.intervals.wire_bytes.sum()
    (unicast,) = played(make_method("splitfed", THREE, cell=Cell(900.0, 0.1))).kept
    assert use.wire_bytes == unicast.record.intervals.wire_bytes.sum() - 3 * 491 - 16 * 5


class Away:
    """Offline between two moments, seconds."""

    def __init__(self, begin: float, end: float) -> None:
        self.turns = [begin, end]

    def piece(self, t: float) -> tuple[float, float]:
        if t < self.turns[0]:
            return 1.0, self.turns[0]
        return (0.0, self.turns[1]) if t < self.turns[1] else (1.0, float("inf"))


@pytest.mark.parametrize(
    ("begin", "end", "rows"),
    [
        (4.2, 4.6, [(0, 507), (1, 0)]),  # both are online when the gradient is sent, from 4.72
        (4.2, 9.0, [(0, 507), (1, 507)]),  # it is sent to the second client once it is back
    ],
)
def test_a_receiver_that_is_offline_gets_the_message_by_itself(
    begin: float, end: float, rows: list[tuple[int, int]]
) -> None:
    devices = [Device(samples=1), Device(speed=500, samples=1, down=500)]
    presences = {1: Presence(Away(begin, end), "resume")}
    (kept,) = played(make_method("sfl_ga", devices, slots=2, presences=presences)).kept
    log = kept.record.intervals
    found = log.activity == X.GRADIENT
    assert (
        sorted(zip(log.peer[found].tolist(), log.wire_bytes[found].tolist(), strict=True)) == rows
    )


def test_a_receiver_that_goes_offline_leaves_the_multicast() -> None:
    """The others get the message at the time that it would have taken, and this one once more."""
    devices = [Device(samples=1), Device(samples=1), Device(samples=1)]
    calm = played(make_method("sfl_ga", devices, slots=3)).kept[0].record.intervals
    sending = calm.activity == X.GRADIENT
    start, end = float(calm.start[sending][0]), float(calm.end[sending][0])
    presences = {0: Presence(Away((start + end) / 2, 20.0), "resume")}
    (kept,) = played(make_method("sfl_ga", devices, slots=3, presences=presences)).kept
    log = kept.record.intervals
    found = log.activity == X.GRADIENT
    assert sorted(zip(log.peer[found].tolist(), log.wire_bytes[found].tolist(), strict=True)) == [
        (0, 507),
        (1, 507),
        (2, 0),
    ]
    assert log.end[found & (log.peer == 2)] == pytest.approx(end)
    assert log.start[found & (log.peer == 0)] == pytest.approx(20)


def test_a_multicast_that_all_receivers_leave_is_sent_in_vain() -> None:
    devices = [Device(samples=1), Device(samples=1)]
    calm = played(make_method("sfl_ga", devices, slots=2)).kept[0].record.intervals
    sending = calm.activity == X.GRADIENT
    middle = float(calm.start[sending][0] + calm.end[sending][0]) / 2
    away = {member: Presence(Away(middle, 20.0), "resume") for member in (0, 1)}
    (kept,) = played(make_method("sfl_ga", devices, slots=2, presences=away)).kept
    log = kept.record.intervals
    assert log.wire_bytes[log.dropped == 1].tolist() in ([253], [254])
    assert log.wire_bytes[(log.activity == X.GRADIENT) & (log.dropped == 0)].tolist() == [507, 507]


def problem(*overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        plan_checked(tiny(*overrides), trains=False)
    return str(caught.value)


@pytest.mark.parametrize("method", JOINT)
def test_clients_may_not_drop_out(method: str) -> None:
    away = (
        "availability=[{clients: raspberry-pi-4b-1, on_disconnect: drop,"
        " offline: [{from: 1 s, until: 2 s}]}]"
    )
    reason = f"{method} steps on the batches of all clients together and waits for each of them"
    assert f"needs on_disconnect: resume: {reason}" in problem(f"methods=[{method}]", away)
    closing = "training.closing={first: 2}"
    assert f"cannot run with training.closing: {reason}" in problem(f"methods=[{method}]", closing)


@pytest.mark.parametrize("method", JOINT)
def test_clients_have_one_cut(method: str) -> None:
    cuts = "model.cut={raspberry-pi-4b-0: 2, default: 1}"
    reason = f"{method} combines the tensors of all clients, which needs one cut for all of them"
    assert reason in problem(f"methods=[{method}]", cuts)


@pytest.mark.parametrize(
    "optimizer", ["{name: adam, lr: 0.01}", "{name: sgd, lr: 0.1, momentum: 0}"]
)
def test_smofi_needs_momentum(optimizer: str) -> None:
    complaint = "smofi averages momentum buffers: it needs sgd with momentum above 0, such as 0.9"
    found = problem("methods=[smofi]", f"training.optimizer={optimizer}")
    assert f"training.optimizer: {complaint} (got {{" in found
    assert found.count("(got") == 1


def test_the_memory_of_what_waits_on_the_server() -> None:
    load = ServerLoad(
        participants=3,
        held=[30, 20, 5],
        trained=[24, 20, 5],
        values=100,
        batch_size=8,
        epochs=1,
        rounds=1,
        classes=10,
    )
    samples = 8 + 8 + 5
    assert MergeSFL.server_batches(None, load) == [samples]
    assert MergeSFL.server_replicas(None, 3) == 1
    assert MergeSFL.server_keeps(None, load) == samples * (4 * 100 + 8)
    assert SFLGA.server_batches(None, load) == [8, 8, 5]
    assert SFLGA.server_keeps(None, load) == samples * 4 * 100


def test_defaults_are_stated() -> None:
    assert EPSLOptions().share == 0.5
    assert SMoFiOptions().staleness.weight(3) == 0.5


def test_the_transport_does_not_cap_a_multicast() -> None:
    """Under TCP, messages start slowly; the multicast has the rate of its links from the start."""
    settings = ("transport=tcp", "training.rounds=1")
    rows = {}
    for method in ("sfl_ga", "splitfed"):
        log = only(f"methods=[{method}]", *settings, executor="none").kept[0].record.intervals
        first = (log.activity == X.GRADIENT).argmax()
        rows[method] = float(log.wire_bytes[first] / (log.end[first] - log.start[first]))
    assert rows["sfl_ga"] > 1.5 * rows["splitfed"]


def test_every_receiver_of_a_multicast_receives_all_of_it() -> None:
    """Its radio is on for the whole transfer, and a controller gets its bytes."""
    method = make_method("sfl_ga", THREE)
    (kept,) = played(method).kept
    log = kept.record.intervals
    rows = log.activity == X.GRADIENT
    weights_s = WEIGHTS / 2000
    for member, steps in enumerate((3, 1, 2)):
        seconds = log.duration[rows & (log.peer == member)]
        assert len(seconds) == steps
        assert kept.record.active_s["receive"][member] == pytest.approx(weights_s + seconds.sum())
        assert kept.record.moved_bytes[rows & (log.peer == member)].sum() == (
            steps * (491 + 2 * 16) - (16 if steps == 3 else 0)
        )
    rnd = Round(0, "train", (0, 1, 2), ())
    closed = closed_round(rnd, kept.record, method.world.fleet, 2)
    received = [client.down_bytes for client in closed.clients]
    assert received == [WEIGHTS + 3 * 523 - 16, WEIGHTS + 523, WEIGHTS + 2 * 523]
