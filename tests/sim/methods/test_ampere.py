"""Ampere: its phases, its bytes, and a twin that trains the server block on pooled activations."""

import pytest
import torch
from tiny_runs import Inside, only, tiny
from torch.nn.functional import cross_entropy

import cutlayer.models.catalogue
from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.data.batches import batch_indices
from cutlayer.sim.methods.ampere import Ampere, AmpereOptions
from cutlayer.sim.methods.method import ServerLoad

CLIENTS = 3
ROUNDS = 3
AT_ONCE = "methods=[{ampere: {first_phase: 0}}]"


@pytest.mark.parametrize("more", [(), ("training.local_epochs=2", "training.clients_per_round=1")])
def test_without_a_first_phase_it_is_centralised_training_on_stored_activations(
    more: tuple[str, ...],
) -> None:
    """Bit for bit, with the batches in which centralised training would see the samples."""
    run = Inside(AT_ONCE, f"training.rounds={ROUNDS}", *more)
    feed, world = run.workspace.feed, run.method.world
    built = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    split = built.to(memory_format=torch.channels_last).split(1)  # type: ignore[call-overload]
    split.device.eval()
    pool = []
    for client in world.fleet.clients:
        for batch in client.batches:
            if batch.epoch == 0:
                images, labels = feed.batch(client.index, 0, batch)
                with torch.no_grad():
                    pool.append((split.device(images), labels))
    activations, labels = (torch.cat(values) for values in zip(*pool, strict=True))
    assert len(labels) == 60
    section = run.plan.scenario.training
    split.server.train()
    for index in range(ROUNDS):
        optimizer = section.optimizer
        sgd = torch.optim.SGD(split.server.parameters(), optimizer.lr, optimizer.momentum)
        for epoch in range(section.local_epochs):
            for places in batch_indices(60, 8, seed=0, client=-1, round_index=index, epoch=epoch):
                rows = torch.from_numpy(places)
                inputs = activations[rows].contiguous(memory_format=torch.channels_last)
                sgd.zero_grad()
                cross_entropy(split.server(inputs), labels[rows]).backward()
                sgd.step()
    before = {name: value.clone() for name, value in run.states["device"].items()}
    run.train()
    for name, value in split.server.state_dict().items():
        assert torch.equal(run.states["server"][name], value), name
    for name, value in before.items():
        assert torch.equal(run.states["device"][name], value), name


def test_its_phases_in_bytes() -> None:
    inside = Inside("methods=[ampere]")
    costs = inside.method.world.costs[1]
    block, head = (4 * costs.parameters[part] for part in ("device", "head"))
    values = torch.Size(costs.activation_shape).numel()
    result = only(
        "methods=[{ampere: {first_phase: 2}}]",
        "training.rounds=5",
        "training.local_epochs=2",
        "training.clients_per_round=2",
        executor="none",
    )
    first = {"up_weights": 2 * (block + head), "down_weights": 2 * (block + head)}
    upload = {
        "down_weights": CLIENTS * block,
        "up_activations": 4 * values * 60,  # every sample once, of all clients
        "up_labels": 8 * 60,
    }
    assert [(closed.round_type, closed.payload_by) for closed in result.rounds] == [
        *[("device", first)] * 2,
        ("upload", upload),
        *[("server", {})] * 2,
    ]
    assert [closed.clients for closed in result.rounds] == [2, 2, CLIENTS, 0, 0]


def test_devices_do_nothing_once_the_activations_are_sent() -> None:
    result = only("methods=[ampere]", "training.rounds=3", executor="none")
    idle = [closed.additive_s["device_compute"] == 0 for closed in result.rounds]
    assert idle == [False, False, True]
    assert [closed.additive_s["server_compute"] > 0 for closed in result.rounds][1:] == [True] * 2


def test_the_server_keeps_every_activation_once() -> None:
    load = ServerLoad(
        participants=1,
        held=[20, 9],
        trained=[20, 8],
        values=100,
        batch_size=8,
        epochs=3,
        rounds=4,
        classes=10,
    )
    assert Ampere.server_keeps(AmpereOptions(first_phase=3), load) == 28 * (400 + 8)
    assert Ampere.server_keeps(AmpereOptions(first_phase=4), load) == 0  # no second phase
    assert Ampere.server_replicas(AmpereOptions(), 5) == 1
    assert Ampere.server_batches(AmpereOptions(), load) == [8]


def test_a_first_phase_alone_is_fedavg_of_block_and_head() -> None:
    """The device block does not depend on the server block, which stays as it was."""
    run, plain = (Inside(f"methods=[{m}]") for m in ("{ampere: {first_phase: 2}}", "local_loss"))
    server = {name: value.clone() for name, value in run.states["server"].items()}
    run.train()
    plain.train()
    for part, expected in (
        ("device", plain.states["device"]),
        ("head", plain.states["head"]),
        ("server", server),
    ):
        for name, value in expected.items():
            assert torch.equal(run.states[part][name], value), (part, name)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model.cut={raspberry-pi-4b-0: 1, default: 2}",),
            "ampere trains one server block on all activations, which needs one cut",
        ),
        (
            (
                "availability=[{clients: raspberry-pi-4b, offline: [{from: 1 s, until: 2 s}], "
                "on_disconnect: drop}]",
            ),
            "ampere needs the activations of every client, which are sent only once",
        ),
        (
            ("training.closing={first: 2}",),
            "ampere needs the activations of every client, which are sent only once",
        ),
        (("control=best",), "ampere does not let a controller set cuts"),
    ],
)
def test_what_it_cannot_do_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan_checked(tiny("methods=[ampere]", *overrides), trains=False)
    assert message in str(caught.value)
