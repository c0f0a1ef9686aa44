"""GAS: gradients at once, one server block that steps on a buffer, and generated activations."""

import gc
from itertools import pairwise
from typing import Any

import pytest
import torch
from tiny_runs import Inside, only
from tiny_worlds import DEVICE, DOWN, SERVE, UP, Device, Pen, assert_chart, make_method, played
from torch import Tensor, nn
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.sim.learning.activation_buffer import balance, gaussian, gradient
from cutlayer.sim.learning.replica import Replica
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.gas import GAS, GASOptions
from cutlayer.sim.methods.method import ServerLoad
from cutlayer.sim.tasks.objective import Objective

X = Activity
ONE_CLIENT = ("topology.star.clients.0.count=1", "data.partition=iid")
PLAIN = "generate: false, logit_adjustment: false, activation_buffer: 1"


def gas(options: str) -> str:
    return f"methods=[{{gas: {{{options}}}}}]"


@pytest.mark.parametrize("other", ["split_learning", "splitfed_v2"])
def test_with_one_client_and_buffers_of_one_it_is_split_learning(other: str) -> None:
    """Without momentum, since the server's optimizer is not a new one every round here."""
    settings = (*ONE_CLIENT, "training.optimizer.momentum=0")
    one, two = only(gas(PLAIN), *settings), only(f"methods=[{other}]", *settings)
    assert one.weights_digest == two.weights_digest is not None


@pytest.mark.parametrize("state", ["fresh", "kept"])
def test_none_and_inline_agree(state: str) -> None:
    settings = ("methods=[gas]", f"training.optimizer_state={state}", "training.rounds=3")
    trained, timed = only(*settings), only(*settings, executor="none")
    assert trained.learning_digest == timed.learning_digest is not None
    assert trained.event_digest == timed.event_digest


def test_a_server_block_without_parameters_is_not_stepped() -> None:
    """With the last cut, the whole model is on the devices."""
    trained, timed = (
        only("methods=[gas]", "model.cut=5"),
        only("methods=[gas]", "model.cut=5", executor="none"),
    )
    assert trained.learning_digest == timed.learning_digest is not None
    assert trained.diverged_in_round is None


def test_the_order_of_arrival_is_in_the_digest() -> None:
    links = (
        "topology.star.clients=[{device: raspberry-pi-4b, count: 2, link: 4g, name: near},"
        " {device: raspberry-pi-4b, name: far, link: {up: %s, down: 10 Mbit/s, delay: 20 ms}}]"
    )
    iid = "data.partition=iid"
    slow, slower, fast = (
        only("methods=[gas]", links % up, iid) for up in ("4 Mbit/s", "4.01 Mbit/s", "1 Gbit/s")
    )
    assert slow.learning_digest == slower.learning_digest != fast.learning_digest
    assert slow.weights_digest == slower.weights_digest != fast.weights_digest
    assert slow.event_digest != slower.event_digest


class Twin:
    """GAS without generated activations in plain torch, given the order of turns and folds."""

    def __init__(self, run: Inside) -> None:
        self.run = run
        self.recipe = run.method.world.learning.recipe
        self.clients = run.method.world.fleet.clients
        index = {client.name: client.index for client in self.clients}
        rows = run.result.updates
        self.folded = [(row.update, index[row.client], row.version) for row in rows]
        dispatched = [(row.update, index[row.client], row.read_version) for row in rows]
        assert isinstance(run.method, GAS)
        for update in (*run.method.models, *run.method.working.values()):
            dispatched.append((update.number, update.client, update.read_version))
        self.dispatched = sorted(set(dispatched))
        split = self.block()
        self.server, self.versions = split.server, {0: split.device.state_dict()}
        self.of_server = self.optimizer(self.server, 0)
        self.finished: dict[int, nn.Module] = {}
        self.at_work: dict[int, tuple[int, nn.Module, Any, list[Any]]] = {}
        self.started = dict.fromkeys(range(3), 0)
        self.uploads: dict[int, list[tuple[Tensor, Tensor]]] = {0: [], 1: [], 2: []}

    def block(self) -> Any:
        model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        assert self.recipe.cut is not None
        return model.split(self.recipe.cut)

    def optimizer(self, module: nn.Module, index: int) -> torch.optim.Optimizer:
        settings = self.recipe.optimizer
        rate = self.recipe.schedule.rate(settings.lr, index)
        return torch.optim.SGD(module.parameters(), rate, settings.momentum)

    def version(self, number: int) -> dict[str, Tensor]:
        """The device block after a number of folds."""
        if number not in self.versions:
            members = [(update, client) for update, client, v in self.folded if v == number]
            samples = [self.clients[client].samples for _, client in members]
            blocks = [self.finished[update].state_dict() for update, _ in members]
            self.versions[number] = {
                name: sum(b[name] * n / sum(samples) for b, n in zip(blocks, samples, strict=True))
                for name in blocks[0]
            }  # type: ignore[misc]
        return self.versions[number]

    def answer(self, client: int) -> None:
        """Train a client's device block on its next batch, with the server block as it is."""
        if client not in self.at_work:
            index = self.started[client]
            self.started[client] += 1
            update, _, version = [one for one in self.dispatched if one[1] == client][index]
            device = self.block().device
            device.load_state_dict(self.version(version))
            batches = list(self.clients[client].batches)
            self.at_work[client] = (update, device, self.optimizer(device, index), batches)
        update, device, optimizer, batches = self.at_work[client]
        batch = batches.pop(0)
        index = self.started[client] - 1
        images, labels = self.run.workspace.feed.batch(client, index, batch)
        activation = device(images)
        self.uploads[client].append((activation.detach(), labels))
        shares = self.run.workspace.feed.labels(client).bincount(minlength=10)
        loss = functional.cross_entropy(
            self.server(activation) + (shares / shares.sum()).log(), labels
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not batches:
            self.finished[update] = device
            del self.at_work[client]

    def step(self, version: int, clients: tuple[int, ...]) -> None:
        """Step the server block on the oldest activations of these clients."""
        uploads = [self.uploads[client].pop(0) for client in clients]
        for group in self.of_server.param_groups:
            group["lr"] = self.recipe.schedule.rate(self.recipe.optimizer.lr, version)
        self.of_server.zero_grad()
        logits = self.server(torch.cat([activation for activation, _ in uploads]))
        functional.cross_entropy(logits, torch.cat([labels for _, labels in uploads])).backward()
        self.of_server.step()


def test_the_weights_are_those_of_plain_torch_and_evaluation_sees_them() -> None:
    """At the end of every window, the server block has made the steps so far."""
    options = gas("generate: false, activation_buffer: 2, model_buffer: 2")
    schedule = "training.lr_schedule={step: {milestones: [2], gamma: 0.5}}"
    run = Inside(options, schedule, "training.rounds=3", "data.partition={sizes: [8, 16, 24]}")
    method = run.method
    assert isinstance(method, GAS)
    recorded: list[tuple[int, ...]] = []
    closed: list[tuple[int, dict[str, Tensor]]] = []
    record_order = method.group.record_order

    def record(*numbers: int) -> None:
        recorded.append(numbers)
        record_order(*numbers)

    method.group.record_order = record  # type: ignore[method-assign]
    run.train(round_closed=lambda _: closed.append((len(recorded), dict(run.states["server"]))))
    assert {row.staleness for row in run.result.updates} > {0}
    twin, after = Twin(run), []
    for numbers in recorded:
        if numbers[0] == -1:
            twin.step(numbers[1], numbers[2::2])
        else:
            twin.answer(*numbers)
        after.append({k: v.clone() for k, v in twin.server.state_dict().items()})
    assert len(closed) == 3
    for count, states in closed:
        for name, value in states.items():
            torch.testing.assert_close(value, after[count - 1][name], rtol=1e-5, atol=1e-6)
    for name, value in run.states["device"].items():
        torch.testing.assert_close(value, twin.version(method.version)[name], rtol=1e-5, atol=1e-6)


def test_two_clients_by_hand() -> None:
    """Gradients do not wait for the step, which is on 2 samples of each of 3 labels."""
    devices = [Device(samples=1), Device(speed=500, samples=1)]
    method = make_method("gas", devices, options={"samples_per_label": 2})
    (kept,) = played(method).kept
    fast, slow = Pen(0), Pen(1)
    for pen, speed in ((fast, 1000), (slow, 500)):
        pen.bar(DOWN, X.WEIGHTS, 1308 / 2000, 1308).gap(0.5)
        pen.bar(DEVICE, X.FORWARD, 100 / speed).bar(UP, X.ACTIVATION, 0.779, 779).gap(0.5)
        pen.bar(SERVE, X.BACKWARD, 900 / 10_000)
    generating = 2 * 4 * 4 + 6 * 4 * 2
    step = Pen(1, slow.now).bar(SERVE, X.TRAIN, (generating + 6 * (300 + 500) + 4 * 80) / 10_000)
    for pen, speed in ((fast, 1000), (slow, 500)):
        pen.bar(DOWN, X.GRADIENT, 507 / 2000, 507).gap(0.5)
        pen.bar(DEVICE, X.BACKWARD, (200 + 4 * 50) / speed)
        pen.bar(UP, X.WEIGHTS, 1.308, 1308).gap(0.5)
    slow.bar(SERVE, X.AGGREGATE, 4 * 50 / 10_000)
    assert_chart(kept, fast.bars + slow.bars + step.bars, slow.now)


def test_a_plain_step_is_charged_for_the_activations_that_arrived() -> None:
    devices = [Device(samples=1), Device(speed=500, samples=1)]
    (kept,) = played(make_method("gas", devices, options={"generate": False})).kept
    log = kept.record.intervals
    (flops,) = log.flops[(log.phase == SERVE) & (log.activity == X.TRAIN)]
    assert flops == 2 * (300 + 500) + 4 * 80


def test_no_client_waits_for_a_buffer() -> None:
    """Buffers larger than the number of clients in flight are filled by later updates."""
    options = {"in_flight": 2, "activation_buffer": 5, "model_buffer": 3, "generate": False}
    devices = [Device(speed=speed, samples=4) for speed in (1000, 800, 600, 400)]
    method = make_method("gas", devices, options=options, clients_per_round=3)
    result = played(method, 4)
    assert isinstance(method, GAS)
    assert method.version == 4
    rows = sorted(result.updates, key=lambda row: row.update)
    sent = sum(2 for row in rows) + len(method.working) * 2
    assert (sent - 8) // 5 <= method.steps <= sent // 5
    events = [(row.dispatched_s, 1) for row in rows] + [(row.uploaded_s, -1) for row in rows]
    running = 0
    for _, change in sorted(events):
        running += change
        assert running <= 2
    for row in rows:
        folds = {other.folded_s for other in rows if row.dispatched_s < other.folded_s}
        assert row.staleness == len([moment for moment in folds if moment < row.folded_s])


@pytest.mark.parametrize("server", ["slots=3", "discipline=processor_sharing"])
def test_steps_and_gradients_never_overlap(server: str) -> None:
    slow = "topology.star.server.device=raspberry-pi-3b-plus"
    run = Inside("methods=[gas]", f"topology.star.server.{server}", slow).train()
    for kept in run.result.kept:
        log = kept.record.intervals
        busy = (log.phase == SERVE) & (log.activity != X.AGGREGATE)
        spans = sorted(zip(log.start[busy], log.end[busy], strict=True))
        assert all(after[0] >= before[1] - 1e-12 for before, after in pairwise(spans))


def test_a_client_that_drops_out_leaves_its_activations_in_the_buffer() -> None:
    away = (
        "availability=[{clients: raspberry-pi-4b-1, offline: [{from: 150 ms, until: 100 s}], "
        "on_disconnect: drop}]"
    )
    calm, dropped = only("methods=[gas]"), only("methods=[gas]", away)
    assert sum(row.dropped for row in dropped.updates) == 1
    assert dropped.learning_digest != calm.learning_digest
    assert dropped.learning_digest == only("methods=[gas]", away, executor="none").learning_digest


def test_tensors_of_clients_that_drop_out_are_freed() -> None:
    away = (
        "availability=[{clients: raspberry-pi-4b, markov: {online: 200 ms, offline: 50 ms},"
        " on_disconnect: drop}]"
    )
    run = Inside("methods=[gas]", "data.partition={sizes: 8}", "training.rounds=30", away)
    held = []

    def closed(_: object) -> None:
        gc.collect()
        (group,) = run.method.world.learning.executor._groups.values()  # type: ignore[union-attr]
        held.append(len(group.dump()["values"]))

    gc.freeze()  # what other tests have left is not looked at again after each round
    try:
        run.train(round_closed=closed)
    finally:
        gc.unfreeze()
    assert sum(row.dropped for row in run.result.updates) > 20
    assert max(held) <= 6  # an upload and a gradient of each client


def test_draws_do_not_depend_on_the_global_generator() -> None:
    torch.manual_seed(1)
    first = only("methods=[gas]").weights_digest
    torch.manual_seed(2)
    assert first == only("methods=[gas]").weights_digest
    assert first != only("methods=[gas]", "seed=1").weights_digest
    assert first != only(gas("generate: false")).weights_digest


def test_the_gaussian_of_a_label_has_the_weighted_moments_of_all_its_activations() -> None:
    torch.manual_seed(0)
    seen = torch.randn(12, 5, dtype=torch.double)
    weights = torch.arange(1.0, 13, dtype=torch.double)
    found = gaussian(seen[:3], weights[:3])
    for first, last in ((3, 4), (4, 9), (9, 12)):
        found.add(seen[first:last], weights[first:last])
    shares = (weights / weights.sum()).unsqueeze(1)
    mean = (shares * seen).sum(dim=0)
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.variance, (shares * (seen - mean) ** 2).sum(dim=0))
    assert found.weight == weights.sum()


def test_a_balanced_batch_has_equal_shares_of_the_labels_seen_so_far() -> None:
    torch.manual_seed(0)
    activations, labels = torch.randn(6, 2, 3), torch.tensor([4, 4, 4, 4, 0, 7])
    known = {
        label: gaussian(activations[labels == label].flatten(1), torch.ones(int(count)))
        for label, count in ((0, 1), (4, 4), (7, 1))
    }
    known[2] = gaussian(torch.full((2, 6), 9.0), torch.ones(2))
    batch, of_batch = balance(activations, labels, known, 10)
    assert batch.shape == (10, 2, 3)
    assert of_batch.tolist() == [0] * 3 + [2] * 3 + [4] * 2 + [7] * 2
    assert torch.equal(batch[0], activations[4])
    assert torch.equal(batch[6:8], activations[:2])
    assert torch.equal(batch[3:6], torch.full((3, 2, 3), 9.0))  # without variance, the mean


def test_drawn_activations_have_the_moments_of_their_label() -> None:
    torch.manual_seed(0)
    seen = torch.randn(50, 2) * torch.tensor([0.1, 3.0]) + torch.tensor([5.0, -1.0])
    known = gaussian(seen, torch.ones(50))
    drawn = known.draw(40_000)
    torch.testing.assert_close(drawn.mean(dim=0), known.mean, rtol=0.02, atol=0.06)
    torch.testing.assert_close(drawn.var(dim=0), known.variance, rtol=0.05, atol=0.0)


class OneBlock:
    """A chain's context whose server block is a given module; every client has labels 0 and 1 only."""

    task = Objective()

    def __init__(self, module: nn.Module) -> None:
        self.server = Replica(module, None)

    def replica(self, part: str) -> Replica:
        assert part == "server"
        return self.server

    def label_shares(self, client: int, classes: int) -> Tensor:
        return torch.tensor([0.25, 0.75] + [0.0] * (classes - 2))


def test_a_gradient_leaves_the_server_block_as_it_is_and_adjusts_the_logits() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    activation, labels = torch.randn(5, 4), torch.tensor([0, 1, 1, 0, 1])
    run: Any = OneBlock(module)
    found, upload = gradient(run, 7, (activation, labels), adjust=True)
    assert upload[0] is activation
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    leaf = activation.clone().requires_grad_()
    scores = module(leaf)[:, :2].exp() * torch.tensor([0.25, 0.75])  # a label without data: none
    probabilities = scores / scores.sum(dim=1, keepdim=True)
    (-probabilities[torch.arange(5), labels].log().mean()).backward()
    torch.testing.assert_close(found, leaf.grad)


def test_the_server_has_memory_for_buffer_gaussians_and_batch() -> None:
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
    plain, drawn = GASOptions(generate=False, activation_buffer=2), GASOptions(samples_per_label=3)
    assert GAS.server_batches(plain, load) == [16]
    assert GAS.server_keeps(plain, load) == 16 * (4 * 4 + 8)
    assert GAS.server_batches(drawn, load) == [30]
    assert GAS.server_keeps(drawn, load) == 24 * (4 * 4 + 8) + 10 * 4 * (2 * 4 + 1)
    assert GAS.server_replicas(drawn, 3) == 1
