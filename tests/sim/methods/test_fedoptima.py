"""FedOptima: a queue with a cap, balanced turns, back-pressure, and what is learned."""

from itertools import pairwise
from typing import Any

import pytest
import simpy
import torch
from tiny_runs import Inside, only
from tiny_worlds import (
    DEVICE,
    DOWN,
    QUEUE,
    SERVE,
    UP,
    Device,
    Pen,
    assert_chart,
    make_method,
    played,
)
from torch import Tensor
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.models.layers import auxiliary_head
from cutlayer.sim.log.intervals import NO_CAUSE, Activity
from cutlayer.sim.methods.activation_queue import ActivationQueue
from cutlayer.sim.methods.fedoptima import FedOptima, FedOptimaOptions
from cutlayer.sim.methods.method import ServerLoad
from cutlayer.sim.results.method import MethodResult
from cutlayer.streams import generator

X = Activity
AWAY = (
    "availability=[{clients: raspberry-pi-4b, markov: {online: 300 ms, offline: 50 ms},"
    " on_disconnect: drop}]"
)


def weights_down(pen: Pen) -> Pen:
    return pen.bar(DOWN, X.WEIGHTS, 1958 / 2000, 1958).gap(0.5)


def test_two_clients_by_hand() -> None:
    """With room for one activation, the slow device waits for the step on that of the fast one."""
    devices = [Device(samples=2), Device(speed=500, samples=2)]
    method = make_method("fedoptima", devices, options={"queue_cap": 1}, server_speed=1000.0)
    (kept,) = played(method).kept
    room = 104 / 2000
    fast = weights_down(Pen(0)).bar(DEVICE, X.TRAIN, 0.88)  # 2.359: its room has come at 1.531
    fast.bar(UP, X.ACTIVATION, 0.803, 803)
    step = Pen(0, fast.now + 0.5).bar(SERVE, X.TRAIN, 1.92)  # 3.662 to 5.582
    fast.bar(UP, X.WEIGHTS, 1.958, 1958).gap(0.5).bar(SERVE, X.AGGREGATE, 0.11)  # 5.73
    bars = fast.bars + step.bars + Pen(0, 0.979).bar(DOWN, X.CONTROL, room, 104).bars
    slow = weights_down(Pen(1)).bar(DEVICE, X.TRAIN, 1.76)  # 3.239
    granted = Pen(1, step.now).bar(DOWN, X.CONTROL, room, 104).gap(0.5)  # 6.134
    slow.until(granted.now).bar(UP, X.ACTIVATION, 0.803, 803)
    bars += Pen(1, slow.now + 0.5).bar(SERVE, X.TRAIN, 1.92).bars  # 7.437 to 9.357
    slow.bar(UP, X.WEIGHTS, 1.958, 1958).gap(0.5).bar(SERVE, X.AGGREGATE, 0.11)  # 9.505
    again = weights_down(Pen(0, fast.now)).bar(DEVICE, X.TRAIN, 0.88)  # 8.089, and waits
    bars += slow.bars + granted.bars + again.bars
    assert slow.now == pytest.approx(9.505)
    assert_chart(kept, bars, 9.505)


def test_an_activation_waits_for_the_step_on_another_one() -> None:
    """With room for both; the second one of two equal devices is in the queue for a step."""
    method = make_method("fedoptima", [Device(samples=2)] * 2, server_speed=1000.0)
    (kept,) = played(method).kept
    bars = []
    for client in range(2):
        pen = weights_down(Pen(client)).bar(DEVICE, X.TRAIN, 0.88).bar(UP, X.ACTIVATION, 0.803, 803)
        bars += pen.bar(UP, X.WEIGHTS, 1.958, 1958).bars  # 5.12, and arrives at 5.62
        bars += Pen(client, 0.979).bar(DOWN, X.CONTROL, 0.052, 104).bars
    bars += Pen(0, 3.662).bar(SERVE, X.TRAIN, 1.92).bars
    bars += Pen(1, 3.662).bar(QUEUE, X.TRAIN, 1.92).bar(SERVE, X.TRAIN, 1.92).bars  # 7.502
    for client, wait in enumerate((7.502 - 5.62, 7.612 - 5.62)):  # the folds come after the steps
        bars += Pen(client, 5.62).bar(QUEUE, X.AGGREGATE, wait).bar(SERVE, X.AGGREGATE, 0.11).bars
    assert_chart(kept, bars, 7.722)


class Watched(ActivationQueue):
    """A queue that checks its cap, and counts what arrives, whenever something changes."""

    most = 0

    def _grant(self, row: int) -> None:
        super()._grant(row)
        self.check()

    def put(self, client: int, activation: Any) -> None:
        super().put(client, activation)
        self.check()

    def check(self) -> None:
        assert 0 <= len(self._waiting) <= self.used <= self.cap
        assert not self._requests or self.used == self.cap, "room is free while a client waits"
        self.most = max(self.most, self.used)


@pytest.mark.parametrize("scheduler", ["balanced", "arrival"])
@pytest.mark.parametrize("seed", range(8))
def test_the_queue_never_exceeds_its_cap(
    seed: int, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In random worlds with slow and fast servers; activations in the log that wait count as well."""
    monkeypatch.setattr("cutlayer.sim.methods.fedoptima.ActivationQueue", Watched)
    stream = generator(seed, "queues")
    devices = [
        Device(
            speed=float(stream.uniform(200, 4000)),
            samples=int(stream.integers(1, 12)),
            up=float(stream.uniform(200, 2000)),
            down=float(stream.uniform(200, 4000)),
            delay=float(stream.uniform(0, 0.5)),
        )
        for _ in range(int(stream.integers(1, 6)))
    ]
    cap = int(stream.integers(1, 5))
    method = make_method(
        "fedoptima",
        devices,
        options={"queue_cap": cap, "scheduler": scheduler},
        server_speed=float(10 ** stream.uniform(2, 4)),
        slots=int(stream.integers(1, 3)),
    )
    result = played(method, 3)
    assert isinstance(method, FedOptima)
    assert isinstance(method.queue, Watched)
    assert 0 < method.queue.most <= cap
    changes = []
    began = 0.0
    for kept in result.kept:
        log = kept.record.intervals
        arrived = (log.phase == UP) & (log.activity == X.ACTIVATION)
        trained = (log.phase == SERVE) & (log.activity == X.TRAIN)
        changes += [(began + t, 1) for t in (log.end + log.delay)[arrived]]
        changes += [(began + t, -1) for t in log.end[trained]]
        began += kept.record.duration_s
    held = 0
    for _, change in sorted((round(moment, 9), change) for moment, change in changes):
        held += change
        assert held <= cap


def steps_of(result: MethodResult, clients: int) -> list[int]:
    """The number of steps on the activations of each client."""
    counts = [0] * clients
    for kept in result.kept:
        log = kept.record.intervals
        for client in log.peer[(log.phase == SERVE) & (log.activity == X.TRAIN)].tolist():
            counts[client] += 1
    return counts


def test_a_balanced_scheduler_lets_a_slow_device_catch_up() -> None:
    """The server is the bottleneck, and the slow device cannot use every turn of its own."""
    devices = [Device(speed=1e5, samples=12, up=1e5, down=1e5, delay=0.0)] * 2
    devices += [Device(speed=150, samples=12, up=1e5, down=1e5, delay=0.0)]
    balanced, arrival = (
        steps_of(played(make_method("fedoptima", devices, options=options, **world), 12), 3)
        for world in ({"server_speed": 1000.0},)
        for options in ({"queue_cap": 4, "scheduler": name} for name in ("balanced", "arrival"))
    )
    assert balanced[2] > arrival[2]
    assert max(balanced) - balanced[2] < max(arrival) - arrival[2]


def test_the_next_room_and_the_next_step_are_those_of_the_client_with_fewest() -> None:
    clock = simpy.Environment()
    queue = ActivationQueue(clock, 2, balanced=True)
    first, second, third = queue.reserve(0), queue.reserve(0), queue.reserve(0)
    other = queue.reserve(1)
    assert first.granted.value == second.granted.value == NO_CAUSE
    assert not third.granted.triggered
    queue.put(0, "a")
    queue.put(0, "b")
    assert queue.take() == "a"
    queue.free(7)
    assert other.granted.value == 7  # asked last, has had none
    assert not third.granted.triggered
    queue.put(1, "c")
    assert queue.take() == "c"
    assert queue.take() == "b"
    assert queue.take() is None
    queue.free(8)
    assert third.granted.value == 8


def test_a_room_is_given_back_and_a_request_withdrawn() -> None:
    clock = simpy.Environment()
    queue = ActivationQueue(clock, 1, balanced=False)
    first, second, third = queue.reserve(0), queue.reserve(1), queue.reserve(2)
    queue.withdraw(second, 3)
    assert queue.used == 1
    queue.withdraw(first, 4)
    assert third.granted.value == 4
    assert not second.granted.triggered
    assert queue.used == 1


def test_rooms_of_clients_that_drop_out_are_free_again() -> None:
    run = Inside("methods=[{fedoptima: {queue_cap: 1}}]", "training.rounds=30", AWAY).train()
    assert sum(row.dropped for row in run.result.updates) > 5
    assert len(run.result.rounds) == 30  # otherwise nobody could send any more


@pytest.mark.parametrize("overrides", [(), (AWAY,), ("training.optimizer_state=kept",)], ids=str)
def test_none_and_inline_agree(overrides: tuple[str, ...]) -> None:
    settings = ("methods=[fedoptima]", "training.rounds=3", *overrides)
    trained, timed = only(*settings), only(*settings, executor="none")
    assert trained.learning_digest == timed.learning_digest is not None
    assert trained.event_digest == timed.event_digest
    assert trained.updates == timed.updates


def test_the_order_of_the_steps_is_in_the_digest() -> None:
    links = (
        "topology.star.clients=[{device: raspberry-pi-4b, count: 2, link: 4g, name: near},"
        " {device: raspberry-pi-4b, name: far, link: {up: %s, down: 10 Mbit/s, delay: 20 ms}}]"
    )
    iid = "data.partition=iid"
    slow, slower, fast = (
        only("methods=[fedoptima]", links % up, iid)
        for up in ("4 Mbit/s", "4.01 Mbit/s", "1 Gbit/s")
    )
    assert slow.learning_digest == slower.learning_digest != fast.learning_digest
    assert slow.weights_digest == slower.weights_digest != fast.weights_digest
    assert slow.event_digest != slower.event_digest


@pytest.mark.parametrize("server", ["slots=3", "discipline=processor_sharing"])
def test_steps_never_overlap(server: str) -> None:
    slow = "topology.star.server.device=raspberry-pi-3b-plus"
    run = Inside("methods=[fedoptima]", f"topology.star.server.{server}", slow).train()
    for kept in run.result.kept:
        log = kept.record.intervals
        busy = (log.phase == SERVE) & (log.activity == X.TRAIN)
        spans = sorted(zip(log.start[busy], log.end[busy], strict=True))
        assert all(after[0] >= before[1] - 1e-12 for before, after in pairwise(spans))


class Twin:
    """FedOptima in plain torch, given the order of the updates and of the server's steps."""

    def __init__(self, run: Inside, rate: float) -> None:
        self.run = run
        self.recipe = run.method.world.learning.recipe
        self.clients = run.method.world.fleet.clients
        index = {client.name: client.index for client in self.clients}
        updates = [(u.update, index[u.client], u.read_version) for u in run.result.updates]
        assert isinstance(run.method, FedOptima)
        updates += [(u.number, u.client, u.read_version) for u in run.method.working.values()]
        device, head, self.server = self.modules()
        self.of_server = torch.optim.SGD(
            self.server.parameters(), self.rate(0), self.recipe.optimizer.momentum
        )
        self.versions = [{**device.state_dict(), **head.state_dict()}]
        trained: dict[int, dict[str, Tensor]] = {}
        self.uploads: dict[int, list[tuple[Tensor, Tensor]]] = {c.index: [] for c in self.clients}
        began = dict.fromkeys(self.uploads, 0)
        folds = {u.version: u for u in run.result.updates}
        for number, client, version in sorted(set(updates)):
            while len(self.versions) <= version:
                self.fold(folds[len(self.versions)], trained, rate)
            trained[number] = self.update(client, began[client], self.versions[version])
            began[client] += 1
        while len(self.versions) in folds:
            self.fold(folds[len(self.versions)], trained, rate)

    def modules(self) -> tuple[Any, Any, Any]:
        model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0).split(1)
        for block in model:
            block.to(memory_format=torch.channels_last)
        return model.device, auxiliary_head((6, 14, 14), 10, seed=0), model.server

    def rate(self, index: int) -> float:
        return self.recipe.schedule.rate(self.recipe.optimizer.lr, index)

    def update(self, client: int, index: int, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Train on all batches of a client from a version; keep its activations."""
        device, head, _ = self.modules()
        for block in (device, head):
            block.load_state_dict({name: weights[name] for name in block.state_dict()})
        parameters = [*device.parameters(), *head.parameters()]
        sgd = torch.optim.SGD(parameters, self.rate(index), self.recipe.optimizer.momentum)
        for batch in self.clients[client].batches:
            images, labels = self.run.workspace.feed.batch(client, index, batch)
            activation = device(images)
            self.uploads[client].append((activation.detach().clone(), labels))
            sgd.zero_grad()
            functional.cross_entropy(head(activation), labels).backward()
            sgd.step()
        return {**device.state_dict(), **head.state_dict()}

    def fold(self, update: Any, trained: dict[int, dict[str, Tensor]], rate: float) -> None:
        """Mix an update into the latest version."""
        a = rate * (1 + update.staleness) ** -0.5
        before, own = self.versions[-1], trained[update.update]
        self.versions.append({name: (1 - a) * before[name] + a * own[name] for name in before})

    def step(self, client: int, version: int) -> None:
        """Step the server block on a client's oldest activation."""
        activation, labels = self.uploads[client].pop(0)
        for group in self.of_server.param_groups:
            group["lr"] = self.rate(version)
        self.of_server.zero_grad()
        functional.cross_entropy(self.server(activation), labels).backward()
        self.of_server.step()


def test_the_weights_are_those_of_plain_torch_and_evaluation_sees_them() -> None:
    """At the end of every window, the server block has made the steps so far."""
    method = "methods=[{fedoptima: {queue_cap: 2, rate: 0.5, staleness: {polynomial: {a: 0.5}}}}]"
    schedule = "training.lr_schedule={step: {milestones: [2], gamma: 0.5}}"
    run = Inside(method, schedule, "training.rounds=3", "data.partition={sizes: [8, 16, 24]}")
    assert isinstance(run.method, FedOptima)
    recorded: list[tuple[int, ...]] = []
    closed: list[tuple[int, dict[str, Tensor]]] = []
    record_order = run.method.group.record_order

    def record(*numbers: int) -> None:
        recorded.append(numbers)
        record_order(*numbers)

    run.method.group.record_order = record  # type: ignore[method-assign]
    run.train(round_closed=lambda _: closed.append((len(recorded), dict(run.states["server"]))))
    assert {row.staleness for row in run.result.updates} > {0}
    twin, after = Twin(run, 0.5), []
    for client, version in recorded:
        twin.step(client, version)
        after.append({k: v.clone() for k, v in twin.server.state_dict().items()})
    assert len(closed) == 3
    for count, states in closed:
        for name, value in states.items():
            torch.testing.assert_close(value, after[count - 1][name], rtol=1e-5, atol=1e-6)
    for name, value in (run.states["device"] | run.states["head"]).items():
        latest = twin.versions[run.method.version]
        torch.testing.assert_close(value, latest[name], rtol=1e-5, atol=1e-6)


def test_the_server_has_memory_for_a_full_queue() -> None:
    load = ServerLoad(
        participants=3,
        held=[20, 6, 5],
        trained=[20, 6, 5],
        values=4,
        batch_size=8,
        epochs=1,
        rounds=1,
        classes=10,
    )
    assert FedOptima.server_keeps(FedOptimaOptions(queue_cap=5), load) == 5 * 8 * (4 * 4 + 8)
    assert FedOptima.server_keeps(FedOptimaOptions(), load) == 6 * 8 * (4 * 4 + 8)
    assert FedOptima.server_keeps(FedOptimaOptions(in_flight=2), load) == 4 * 8 * (4 * 4 + 8)
    assert FedOptima.server_batches(FedOptimaOptions(), load) == [8]
    assert FedOptima.server_replicas(FedOptimaOptions(), 3) == 1
