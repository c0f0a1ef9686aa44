"""SAFSL: SplitFed whose server averages the first B of the clients in flight."""

import pytest
import torch
from tiny_runs import Inside, only, tiny
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
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.errors import UserError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.run.run import run

X = Activity


def test_a_buffer_of_all_clients_is_splitfed() -> None:
    one, other = only("methods=[{safsl: {buffer: 3}}]"), only()
    assert one.weights_digest == other.weights_digest is not None
    assert [row.staleness for row in one.updates] == [0] * 6


def test_none_and_inline_agree() -> None:
    trained, timed = only("methods=[safsl]"), only("methods=[safsl]", executor="none")
    assert trained.learning_digest == timed.learning_digest is not None
    assert trained.event_digest == timed.event_digest


def test_the_order_of_arrival_is_in_the_digest() -> None:
    """A faster link of the last client changes who is averaged with whom."""
    links = (
        "topology.star.clients=[{device: raspberry-pi-4b, count: 2, link: 4g, name: near},"
        " {device: raspberry-pi-4b, name: far, link: {up: %s, down: 10 Mbit/s, delay: 20 ms}}]"
    )
    iid = "data.partition=iid"
    slow, slower, fast = (
        only("methods=[safsl]", links % up, iid, "training.rounds=2")
        for up in ("4 Mbit/s", "4.1 Mbit/s", "1 Gbit/s")
    )
    assert slow.learning_digest == slower.learning_digest != fast.learning_digest
    assert slow.weights_digest == slower.weights_digest != fast.weights_digest
    assert slow.event_digest != slower.event_digest


class Twin:
    """SAFSL in plain torch, given the order of the updates: the weights of every version."""

    def __init__(self, run: Inside) -> None:
        self.run = run
        self.training = run.plan.scenario.training
        model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.versions = [self.weights()]
        self.done = dict.fromkeys(range(3), 0)

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def train(self, client: int, version: int) -> dict[str, torch.Tensor]:
        """Train the whole model on a client's batches, from the weights of a version."""
        self.model.load_state_dict(self.versions[version])
        section = self.training.optimizer
        optimizer = torch.optim.SGD(self.model.parameters(), section.lr, section.momentum)
        for batch in self.run.method.world.fleet.clients[client].batches:
            images, labels = self.run.workspace.feed.batch(client, self.done[client], batch)
            optimizer.zero_grad()
            functional.cross_entropy(self.model(images), labels).backward()
            optimizer.step()
        self.done[client] += 1
        return self.weights()


@pytest.mark.parametrize("buffer", [1, 2])
def test_the_weights_are_those_of_plain_torch_in_the_order_of_arrival(buffer: int) -> None:
    option = f"methods=[{{safsl: {{buffer: {buffer}, gamma: 0.5}}}}]"
    run = Inside(option, "data.partition={sizes: [8, 16, 24]}").train()
    clients = {client.name: client for client in run.method.world.fleet.clients}
    twin = Twin(run)
    folded = sorted(run.result.updates, key=lambda row: row.version or 0)
    assert {row.staleness for row in folded} > {0}
    for version in range(1, run.method.version + 1):  # type: ignore[attr-defined]
        rows = [row for row in folded if row.version == version]
        assert len(rows) == buffer
        members = [clients[row.client] for row in rows]
        taus = [version - 1 - row.read_version for row in rows]
        assert [row.staleness for row in rows] == taus
        counts = [c.samples**0.5 * (1 + tau) for c, tau in zip(members, taus, strict=True)]
        shares = [count / sum(counts) for count in counts]
        assert [row.weight for row in rows] == pytest.approx(shares)
        trained = [twin.train(c.index, r.read_version) for c, r in zip(members, rows, strict=True)]
        twin.versions.append(
            {
                name: sum(w[name] * share for w, share in zip(trained, shares, strict=True))  # type: ignore[misc]
                for name in trained[0]
            }
        )
    for name, value in (run.states["device"] | run.states["server"]).items():
        torch.testing.assert_close(value, twin.versions[-1][name], rtol=1e-5, atol=1e-6)


def test_two_clients_by_hand() -> None:
    """The slow client's update is one version old, and its queue is the fast one's batch."""
    devices = [Device(samples=1), Device(speed=500, samples=1)]
    result = played(make_method("safsl", devices, options={"buffer": 1}))
    fast, slow = Pen(0), Pen(1)
    for pen, speed in ((fast, 1000), (slow, 500)):
        pen.bar(DOWN, X.WEIGHTS, 1308 / 2000, 1308).gap(0.5)
        pen.bar(DEVICE, X.FORWARD, 100 / speed).bar(UP, X.ACTIVATION, 0.779, 779).gap(0.5)
    step = (900 + 4 * 80) / 10_000
    fast.bar(SERVE, X.TRAIN, step)
    slow.bar(QUEUE, X.TRAIN, fast.now - slow.now).bar(SERVE, X.TRAIN, step)
    for pen, speed in ((fast, 1000), (slow, 500)):
        pen.bar(DOWN, X.GRADIENT, 507 / 2000, 507).gap(0.5)
        pen.bar(DEVICE, X.BACKWARD, (200 + 4 * 50) / speed)
        pen.bar(UP, X.WEIGHTS, 1.308, 1308).gap(0.5)
        pen.bar(SERVE, X.AGGREGATE, 2 * 130 / 10_000)
    (kept,) = result.kept
    assert_chart(kept, fast.bars + slow.bars, slow.now)
    assert [row.staleness for row in result.updates] == [0, 1]


def test_clients_that_wait_for_the_buffer_keep_their_places() -> None:
    """Of three in flight, the first waits for the second; only then are two new ones dispatched."""
    devices = [Device(speed=speed) for speed in (1000, 900, 100)]
    result = played(make_method("safsl", devices, options={"buffer": 2}), 2)
    rows = sorted(result.updates, key=lambda row: row.update)
    first, second = rows[:2]
    assert first.uploaded_s < second.uploaded_s
    assert first.folded_s == second.folded_s
    assert [row.dispatched_s for row in rows[3:5]] == [first.folded_s] * 2
    assert {row.update for row in rows} >= {0, 1, 3, 4}
    events = [(row.dispatched_s, 1) for row in rows] + [(row.folded_s, -1) for row in rows]
    running = 0
    for _, change in sorted(events):
        running += change
        assert running <= 3


def test_a_buffer_is_full_with_all_clients_that_have_a_batch() -> None:
    """BatchNorm needs two samples here, so the third client never trains."""
    (result,) = run(
        tiny(
            "methods=[{safsl: {in_flight: 3, buffer: 3}}]",
            "model={name: resnet18, cut: 1}",
            "data.partition={sizes: [10, 20, 1]}",
        ),
        executor="none",
    )
    method = result.methods["safsl"]
    assert method.ended is None
    assert all(rnd.clients % 2 == 0 for rnd in method.rounds)


@pytest.mark.parametrize(("options", "limit"), [("buffer: 4", 3), ("in_flight: 2, buffer: 3", 2)])
def test_a_buffer_beyond_the_clients_in_flight_is_refused(options: str, limit: int) -> None:
    message = f"buffer must be at most {limit}, the number of clients in flight"
    with pytest.raises(UserError, match=message):
        plan_checked(tiny(f"methods=[{{safsl: {{{options}}}}}]"), trains=False)
