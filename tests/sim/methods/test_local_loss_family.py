"""CSE-FSL and FSL-SAGE: fewer uploads, one server block in the order of arrival, aligned heads."""

from collections import Counter

import numpy as np
import pytest
import torch
from tiny_runs import Inside, only, results, tiny
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import cutlayer.models.catalogue
from cutlayer.models import auxiliary_head
from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.methods.cse_fsl import CSEFSL, CSEFSLOptions
from cutlayer.sim.methods.fsl_sage import FSLSAGE, FSLSAGEOptions
from cutlayer.sim.methods.local_loss import LocalLoss, LocalLossOptions
from cutlayer.sim.methods.method import ServerLoad

CLIENTS = 3


def of(method: str, **options: object) -> str:
    """An override with a method and its options."""
    text = ", ".join(f"{name}: {value}" for name, value in options.items())
    return f"methods=[{{{method}: {{{text}}}}}]"


@pytest.mark.parametrize(
    "more", [(), ("model={name: vgg5, cut: {raspberry-pi-4b-0: 1, default: 2}}",)]
)
def test_cse_fsl_with_every_upload_and_replicas_is_local_loss(more: tuple[str, ...]) -> None:
    plain = only("methods=[local_loss]", *more)
    other = only(of("cse_fsl", upload_every=1, server="replicas"), *more)
    assert other.weights_digest == plain.weights_digest is not None
    assert other.event_digest == plain.event_digest


def test_fsl_sage_without_alignment_is_cse_fsl() -> None:
    one, other = only("methods=[cse_fsl]"), only(of("fsl_sage", auxiliary="own"))
    assert one.weights_digest == other.weights_digest is not None
    assert one.event_digest == other.event_digest


def test_with_one_client_a_shared_block_is_a_replica() -> None:
    alone = ("topology.star.clients.0.count=1", "data.partition=iid")
    one = only(of("local_loss", server="shared", upload_every=2), *alone)
    other = only(of("local_loss", upload_every=2), *alone)
    assert one.weights_digest == other.weights_digest is not None


def turns(run: Inside) -> list[int]:
    """The members in the order in which the server block was used for them."""
    (kept,) = run.result.kept
    log = kept.record.intervals
    steps = np.flatnonzero((log.phase == Phase.SERVER_COMPUTE) & (log.activity == Activity.TRAIN))
    return log.peer[steps[np.argsort(log.end[steps], kind="stable")]].tolist()


class PlainDevice:
    """A client's round in plain torch: its block, its head, and what it uploads."""

    def __init__(self, run: Inside, client: int, every: int, *, trains_head: bool) -> None:
        section = run.plan.scenario.training.optimizer
        self.block = model().split(1).device
        self.head = auxiliary_head(run.method.world.costs[1].activation_shape, 10, seed=0)
        trained = [*self.block.parameters(), *(self.head.parameters() if trains_head else ())]
        sgd = torch.optim.SGD(trained, section.lr, section.momentum)
        self.uploads: list[tuple[Tensor, Tensor]] = []
        for batch in run.method.world.fleet.clients[client].batches:
            images, labels = run.workspace.feed.batch(client, 0, batch)
            activation = self.block(images)
            if batch.number % every == 0:
                self.uploads.append((activation.detach().clone(), labels))
            sgd.zero_grad()
            cross_entropy(self.head(activation), labels).backward()
            sgd.step()


def model() -> nn.Module:
    built = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    return built.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def aligned(head: nn.Module, server: nn.Module, uploads: list[tuple[Tensor, Tensor]]) -> None:
    """Five epochs with the optimizer of the tiny scenario."""
    sgd = torch.optim.SGD(head.parameters(), 0.05, 0.9)
    for _ in range(5):
        for activation, labels in uploads:
            found = []
            for part in (server, head):
                leaf = activation.clone().requires_grad_()
                loss = cross_entropy(part(leaf), labels, reduction="sum")
                found.append(torch.autograd.grad(loss, leaf, create_graph=part is head)[0])
            sgd.zero_grad()
            ((found[1] - found[0].detach()) ** 2).sum().div(len(labels)).backward()
            sgd.step()


@pytest.mark.parametrize("method", ["cse_fsl", "fsl_sage"])
def test_the_weights_are_those_of_plain_torch_in_the_order_of_arrival(method: str) -> None:
    every = 2
    run = Inside(of(method, upload_every=every), "training.rounds=1").train()
    aligns, order = method == "fsl_sage", turns(run)
    devices = [PlainDevice(run, c, every, trains_head=not aligns) for c in range(CLIENTS)]
    counts = Counter(order)
    assert counts == {c: len(devices[c].uploads) + aligns for c in range(CLIENTS)}
    server = model().split(1).server
    section = run.plan.scenario.training.optimizer
    sgd = torch.optim.SGD(server.parameters(), section.lr, section.momentum)
    waiting = [iter(device.uploads) for device in devices]
    for member in order:
        upload = next(waiting[member], None)
        if upload is None:
            aligned(devices[member].head, server, devices[member].uploads)
            continue
        sgd.zero_grad()
        cross_entropy(server(upload[0]), upload[1]).backward()
        sgd.step()
    samples = [client.samples for client in run.method.world.fleet.clients]

    def mean(parts: list[nn.Module]) -> dict[str, Tensor]:
        weighted = zip(parts, samples, strict=True)
        states = [(part.state_dict(), n / sum(samples)) for part, n in weighted]
        return {name: sum(state[name] * w for state, w in states) for name in states[0][0]}  # type: ignore[misc]

    expected = {
        "device": mean([device.block for device in devices]),
        "server": dict(server.state_dict()),
    }
    if aligns:
        expected |= {f"head/{c}": dict(devices[c].head.state_dict()) for c in range(CLIENTS)}
    else:
        expected["head"] = mean([device.head for device in devices])
    for part, state in expected.items():
        for name, value in state.items():
            torch.testing.assert_close(run.states[part][name], value, rtol=1e-6, atol=1e-7)
    if aligns:
        first, other, initial = (run.states[part] for part in ("head/0", "head/1", "head"))
        assert all(not torch.equal(first[name], other[name]) for name in initial)
        assert all(not torch.equal(first[name], initial[name]) for name in initial)


def test_the_order_of_arrival_belongs_to_the_digest() -> None:
    links = (
        "topology.star.clients=[{device: raspberry-pi-4b, link: 4g, name: near}, {device:"
        " raspberry-pi-4b, link: {up: %s, down: 10 Mbit/s, delay: 20 ms}, name: far}]"
    )
    found = [
        only("methods=[cse_fsl]", links % up, "training.rounds=1", "data.partition=iid")
        for up in ("0.2 Mbit/s", "0.1 Mbit/s", "1 Gbit/s")
    ]
    slow, slower, fast = (result.learning_digest for result in found)
    assert slow == slower
    assert fast != slow
    assert found[0].event_digest != found[1].event_digest


@pytest.mark.parametrize("every", [1, 2, 3, 7])
@pytest.mark.parametrize("method", ["local_loss", "cse_fsl", "fsl_sage"])
def test_bytes_in_closed_form(method: str, every: int) -> None:
    """Batch 0, h, 2h, ... of each client; weights of block and head, the aligned head down only."""
    inside = Inside(of(method, upload_every=every))
    world = inside.method.world
    (result,) = results(
        of(method, upload_every=every), "training.rounds=12", executor="none"
    ).values()
    values = int(np.prod(world.costs[1].activation_shape))
    sent = [b.size for c in world.fleet.clients for b in c.batches if b.number % every == 0]
    block, head = (4 * world.costs[1].parameters[part] for part in ("device", "head"))
    aligns = method == "fsl_sage"
    for closed in result.rounds:
        assert closed.round_type == ("align" if aligns and closed.index in (0, 10) else "train")
        averaged = block if aligns else block + head
        assert closed.payload_by == {
            "up_activations": 4 * values * sum(sent),
            "up_labels": 8 * sum(sent),
            "up_weights": CLIENTS * averaged,
            "down_weights": CLIENTS * (averaged + (head if closed.round_type == "align" else 0)),
        }


def test_every_batch_is_trained_whatever_is_uploaded() -> None:
    """The device computes the same, and the server a share."""
    devices, servers = [], []
    for every in (1, 100):
        (kept,) = (
            Inside(of("local_loss", upload_every=every), "training.rounds=1").train().result.kept
        )
        log = kept.record.intervals
        devices.append(log.flops[log.of(Phase.DEVICE_COMPUTE)].sum())
        servers.append(
            ((log.phase == Phase.SERVER_COMPUTE) & (log.activity == Activity.TRAIN)).sum()
        )
    assert devices[0] == devices[1]
    assert servers == [2 + 3 + 4, 3]  # batches of 8 of 10, 20 and 30 samples; one each


def test_what_the_server_stores_for_an_alignment() -> None:
    load = ServerLoad(
        participants=2,
        held=[20, 9, 4],
        trained=[20, 9, 4],
        values=100,
        batch_size=8,
        epochs=1,
        rounds=3,
        classes=10,
    )
    # Every second batch: of 20 samples the first 8 and the last 4, of 9 samples the first 8.
    stored = (12 + 8) * (400 + 8) + 12 * 400
    assert FSLSAGE.server_keeps(FSLSAGEOptions(upload_every=2), load) == stored
    assert CSEFSL.server_keeps(CSEFSLOptions(), load) == 0
    assert CSEFSL.server_replicas(CSEFSLOptions(), 2) == 1
    assert LocalLoss.server_replicas(LocalLossOptions(), 2) == 2


def test_the_options_of_plain_local_loss_are_not_in_its_digest() -> None:
    plain = LocalLoss.learning_options(LocalLossOptions())
    assert plain == {}
    assert LocalLoss.learning_options(LocalLossOptions(upload_every=2)) == {"upload_every": 2}
    aligned_options = LocalLoss.learning_options(LocalLossOptions(auxiliary="aligned"))
    assert aligned_options == {"auxiliary": "aligned", "align_every": 10, "align_epochs": 5}


@pytest.mark.parametrize("method", ["cse_fsl", "{fsl_sage: {align_every: 1, upload_every: 2}}"])
def test_a_client_that_drops_out_leaves_its_steps_on_the_server_behind(method: str) -> None:
    away = (
        "availability=[{clients: raspberry-pi-4b-1, offline: [{from: 90 ms, until: 100 s}], "
        "on_disconnect: drop}]"
    )
    calm = Inside(f"methods=[{method}]", "training.rounds=1").train()
    dropped = Inside(f"methods=[{method}]", away, "training.rounds=2").train()
    assert [closed.clients_dropped for closed in dropped.result.rounds] == [1, 0]
    assert dropped.result.learning_digest != calm.result.learning_digest
    assert "head/1" not in dropped.states


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            (of("local_loss", align_every=3),),
            "local_loss.align_every: has no effect with auxiliary: own; leave it out, or choose",
        ),
        ((of("local_loss", upload_every=0),), "upload_every"),
        (
            ("methods=[cse_fsl]", "model.cut={raspberry-pi-4b-0: 1, default: 2}"),
            "cse_fsl with server: shared trains one server block, which needs one cut",
        ),
        (
            (of("local_loss", auxiliary="aligned"), "model.cut={raspberry-pi-4b-0: 1, default: 2}"),
            "local_loss with auxiliary: aligned aligns all heads at one cut",
        ),
        (
            ("methods=[cse_fsl]", "training.closing={first: 2, late: next}"),
            "cse_fsl with server: shared trains one server block for the clients of a round",
        ),
        (("methods=[cse_fsl]", "control=best"), "cse_fsl does not let a controller set cuts"),
    ],
)
def test_what_it_cannot_do_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan_checked(tiny(*overrides), trains=False)
    assert message in str(caught.value)


def test_other_cuts_do_with_replicas_and_own_heads() -> None:
    cuts = "model={name: vgg5, cut: {raspberry-pi-4b-0: 1, default: 2}}"
    assert only(of("local_loss", upload_every=2), cuts).weights_digest is not None
