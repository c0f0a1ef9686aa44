"""PiPar: the schedule of micro-batches, its bytes, and that a round is never longer than SplitFed's."""

from typing import Any

import pytest
from tiny_runs import only, results
from tiny_worlds import (
    DEVICE,
    DOWN,
    QUEUE,
    SERVE,
    UP,
    Cell,
    Device,
    Pen,
    assert_chart,
    make_method,
    play,
    played,
)

from cutlayer.sim.endpoints.micro_batch import MicroBatch, micro_batches
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.method import ServerLoad
from cutlayer.sim.methods.pipar import PiPar, PiParOptions
from cutlayer.sim.methods.splitfed import SplitFed
from cutlayer.streams import generator

X = Activity
BOTH = "methods=[splitfed, {pipar: {micro_batches: 3}}]"
EDGES = (
    "topology={two_tier: {server: {device: server-8-core, slots: 1}, edge_nodes: [{name: e0,"
    " link: 4g, device: jetson-nano, clients: [{device: raspberry-pi-4b, count: 3, link: 4g}]}]}}"
)


def test_two_clients_by_hand() -> None:
    """Batches of 4 and 3 samples in two micro-batches each: 2 + 2 and 2 + 1."""
    devices = [Device(samples=4), Device(speed=500, samples=3)]
    (kept,) = play("pipar", devices, batch_size=4, options={"micro_batches": 2})
    bars = []
    first = Pen(0).bar(DOWN, X.WEIGHTS, 0.654, 1308).gap(0.5)
    first.bar(DEVICE, X.FORWARD, 0.2).bar(DEVICE, X.FORWARD, 0.2)  # 1.354 and 1.554
    first.until(3.5985).bar(DEVICE, X.BACKWARD, 0.4)  # 3.9985: waits for the second gradient
    first.until(4.4335).bar(DEVICE, X.BACKWARD, 0.4 + 0.2).bar(UP, X.WEIGHTS, 1.308, 1308)
    bars += first.bars
    bars += Pen(0, 1.354).bar(UP, X.ACTIVATION, 0.803, 803).bar(UP, X.ACTIVATION, 0.803, 803).bars
    bars += Pen(0, 2.657).bar(SERVE, X.TRAIN, 0.18).bar(DOWN, X.GRADIENT, 0.2615, 523).bars
    bars += Pen(0, 3.46).bar(SERVE, X.TRAIN, 0.212).bar(DOWN, X.GRADIENT, 0.2615, 523).bars
    second = Pen(1).bar(DOWN, X.WEIGHTS, 0.654, 1308).gap(0.5)
    second.bar(DEVICE, X.FORWARD, 0.4).bar(DEVICE, X.FORWARD, 0.2)  # 1.554 and 1.754
    second.until(3.7985).bar(DEVICE, X.BACKWARD, 0.8)  # 4.5985: the second gradient is there
    second.bar(DEVICE, X.BACKWARD, 0.4 + 0.4).bar(UP, X.WEIGHTS, 1.308, 1308).gap(0.5)
    bars += second.bars
    bars += Pen(1, 1.554).bar(UP, X.ACTIVATION, 0.803, 803).bar(UP, X.ACTIVATION, 0.779, 779).bars
    bars += Pen(1, 2.857).bar(SERVE, X.TRAIN, 0.18).bar(DOWN, X.GRADIENT, 0.2615, 523).bars
    waiting = Pen(1, 3.636).bar(QUEUE, X.TRAIN, 0.036)  # behind the other client, until 3.672
    bars += waiting.bar(SERVE, X.TRAIN, 0.122).bar(DOWN, X.GRADIENT, 0.2535, 507).bars
    bars += Pen(1, second.now).bar(SERVE, X.AGGREGATE, 0.052).bars
    assert second.now == pytest.approx(7.2065)
    assert_chart(kept, bars, 7.2585)


def test_sizes_of_micro_batches_differ_by_at_most_one() -> None:
    assert micro_batches(10, 4) == [
        MicroBatch(3, True, False),
        MicroBatch(3, False, False),
        MicroBatch(2, False, False),
        MicroBatch(2, False, True),
    ]
    for size in range(1, 20):
        for count in range(1, 9):
            parts = micro_batches(size, count)
            sizes = [part.size for part in parts]
            assert sum(sizes) == size
            assert len(parts) == min(size, count)
            assert max(sizes) - min(sizes) <= 1
            assert [part.first for part in parts] == [True] + [False] * (len(parts) - 1)
            assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.optimizer_state=kept", "training.local_epochs=2"),
        ("model={name: resnet12, cut: 2}", "data.partition={sizes: 12}", "training.rounds=1"),
        ("model.cut=0",),
        ("model.cut=5",),
        ("model={name: lenet, cut: {raspberry-pi-4b-0: 1, default: 2}}",),
        ("training.batch_size=5", "training.optimizer={name: adam, lr: 0.002}"),
        ("training.uploads_outstanding=2",),
    ],
    ids=lambda overrides: overrides[0],
)
def test_the_weights_are_those_of_splitfed_bit_for_bit(overrides: tuple[str, ...]) -> None:
    split, piped = results(BOTH, *overrides).values()
    assert split.weights_digest == piped.weights_digest is not None
    assert [rnd.accuracy for rnd in split.rounds] == [rnd.accuracy for rnd in piped.rounds]
    assert split.event_digest != piped.event_digest


@pytest.mark.parametrize("block", ["server", "edge"])
def test_the_weights_are_those_of_splitfed_with_edge_nodes(block: str) -> None:
    edges = f"edges: {{rounds: 2, server_block: {block}}}"
    methods = f"methods=[{{splitfed: {{{edges}}}}}, {{pipar: {{{edges}}}}}]"
    split, piped = results(methods, EDGES, "training.rounds=1").values()
    assert split.weights_digest == piped.weights_digest is not None


def test_one_micro_batch_is_splitfed_event_for_event() -> None:
    methods = "methods=[splitfed, {pipar: {micro_batches: 1}}]"
    split, piped = results(methods, executor="none").values()
    assert split.event_digest == piped.event_digest


def test_micro_batches_change_the_time_and_not_what_is_learned() -> None:
    few, many = (
        only(f"methods=[{{pipar: {{micro_batches: {count}}}}}]", executor="none")
        for count in (2, 5)
    )
    assert few.learning_digest == many.learning_digest is not None
    assert few.event_digest != many.event_digest


def test_payloads_are_those_of_splitfed_and_each_message_has_its_framing() -> None:
    """Three samples in batches of 2 and 1: three micro-batches, two batches."""
    split, piped = (
        played(make_method(name, [Device()])).rounds[0] for name in ("splitfed", "pipar")
    )
    assert split.payload_by == piped.payload_by
    assert piped.wire_by["up_activations"] - split.wire_by["up_activations"] == 755
    assert piped.wire_by["down_gradients"] - split.wire_by["down_gradients"] == 491
    assert piped.wire_by["up_labels"] == split.wire_by["up_labels"] == 3 * 8


def duration(method: str, devices: list[Device], framing: float, **world: Any) -> float:
    playing = make_method(method, devices, **world)
    playing.world.framing = framing
    return float(played(playing).kept[0].record.duration_s)


def drawn_device(stream: Any) -> Device:
    return Device(
        speed=float(stream.uniform(200, 4000)),
        samples=int(stream.integers(1, 18)),
        up=float(stream.uniform(200, 2000)),
        down=float(stream.uniform(200, 4000)),
        delay=float(stream.uniform(0, 0.5)),
        loader=float(stream.choice([0.0, 0.3])),
    )


def drawn_world(stream: Any, clients: int) -> dict[str, Any]:
    return {
        "batch_size": int(stream.integers(1, 10)),
        "epochs": int(stream.integers(1, 3)),
        "server_speed": float(10 ** stream.uniform(2.5, 5)),
        "outstanding": int(stream.integers(1, 4)),
        "slots": clients,
    }


@pytest.mark.parametrize("seed", range(30))
def test_a_round_is_never_longer_than_that_of_splitfed(seed: int) -> None:
    """Without fixed costs per message or pass, on own links and own slots of the server."""
    stream = generator(seed, "pipelines")
    devices = [drawn_device(stream) for _ in range(int(stream.integers(1, 4)))]
    world = drawn_world(stream, len(devices))
    options = {"micro_batches": int(stream.integers(2, 9))}
    plain = duration("splitfed", devices, 0.0, **world)
    assert duration("pipar", devices, 0.0, options=options, **world) <= plain * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rate", [None, 900.0])
def test_nor_is_that_of_a_client_on_a_medium_for_both_directions(
    seed: int, rate: float | None
) -> None:
    stream = generator(seed, "pipelines on a medium")
    devices, world = [drawn_device(stream)], drawn_world(stream, 1) | {"cell": Cell(rate, 0.1)}
    options = {"micro_batches": int(stream.integers(2, 9))}
    plain = duration("splitfed", devices, 0.0, **world)
    assert duration("pipar", devices, 0.0, options=options, **world) <= plain * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_framing_makes_a_round_longer_by_at_most_the_time_of_its_bytes(seed: int) -> None:
    stream = generator(seed, "pipelines with framing")
    device, world = drawn_device(stream), drawn_world(stream, 1)
    count = int(stream.integers(2, 9))
    plain = duration("splitfed", [device], 1.0, **world)
    piped = duration("pipar", [device], 1.0, options={"micro_batches": count}, **world)
    batches = world["epochs"] * -(-device.samples // world["batch_size"])
    more = batches * (count - 1) * (755 / device.up + 491 / device.down)
    assert piped <= (plain + more) * (1 + 1e-12)


def test_framing_can_make_a_round_longer() -> None:
    """A batch is 72 bytes of tensors, and each message has 755 bytes more."""
    devices = [Device(speed=1e6, up=100)]
    world = {"batch_size": 3, "server_speed": 1e6}
    plain = duration("splitfed", devices, 1.0, **world)
    piped = duration("pipar", devices, 1.0, options={"micro_batches": 3}, **world)
    assert piped - plain == pytest.approx(2 * 7.55, rel=0.01)


def test_on_a_shared_slot_the_micro_batches_of_another_client_can_come_first() -> None:
    """The job of the slow device arrives 1.5 s after the weights, the batch of the fast one later.

    Its first micro-batches arrive before, so that the slow device's job has to wait for them.
    """
    fast = Device(speed=1e6, samples=20, up=300, delay=0.0)
    slow = Device(speed=100 / 1.5, samples=1, up=1e6, delay=0.0)
    world = {"batch_size": 20}
    plain = duration("splitfed", [fast, slow], 0.0, **world)
    piped = duration("pipar", [fast, slow], 0.0, options={"micro_batches": 20}, **world)
    assert plain < piped < plain + 20 * 900 / 10_000  # at most the work of the other client


def test_the_server_has_memory_for_a_micro_batch_and_for_those_that_wait() -> None:
    load = ServerLoad(
        participants=2,
        held=[20, 6, 5],
        trained=[20, 6, 5],
        values=4,
        batch_size=8,
        epochs=1,
        rounds=1,
        classes=10,
    )
    options = PiParOptions(micro_batches=4)
    assert PiPar.server_batches(options, load) == [2, 2]
    assert PiPar.server_keeps(options, load) == (6 + 4) * (4 * 4 + 8)
    assert PiPar.server_batches(PiParOptions(micro_batches=1), load) == SplitFed.server_batches(
        PiParOptions(micro_batches=1), load
    )
    assert PiPar.server_keeps(PiParOptions(micro_batches=1), load) == 0
