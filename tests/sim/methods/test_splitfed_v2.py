"""SplitFed v2: one server block that the clients' batches step in the order of arrival."""

import numpy as np
import pytest
import torch
from tiny_runs import Inside, key, only
from torch import nn
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.sim.log.intervals import Activity, Phase

ONE_CLIENT = ("topology.star.clients.0.count=1", "data.partition=iid")
V2 = "methods=[splitfed_v2]"
SLOW_LINK = "topology.star.clients=[{device: raspberry-pi-4b, link: 4g, name: near}, "
TWO = "{device: raspberry-pi-4b, link: {up: %s, down: 10 Mbit/s, delay: 20 ms}, name: far}]"


def fleet(far_up: str) -> str:
    """Two clients, one of them behind an uplink of its own."""
    return SLOW_LINK + TWO % far_up


def turns(run: Inside) -> list[int]:
    """The members in the order in which the server stepped on their batches."""
    (kept,) = run.result.kept
    log = kept.record.intervals
    steps = np.flatnonzero((log.phase == Phase.SERVER_COMPUTE) & (log.activity == Activity.TRAIN))
    return log.peer[steps[np.argsort(log.end[steps], kind="stable")]].tolist()


def test_with_one_client_it_is_sequential_split_learning() -> None:
    one, other = only(V2, *ONE_CLIENT), only("methods=[split_learning]", *ONE_CLIENT)
    assert one.weights_digest == other.weights_digest is not None


@pytest.mark.parametrize("cuts", [(1, 1, 1), (1, 3, 2), (3, 2, 3)])
def test_the_weights_are_those_of_plain_torch_in_the_order_of_arrival(
    cuts: tuple[int, ...],
) -> None:
    """A block that only some clients have is averaged over their copies and the server's."""
    names = [f"raspberry-pi-4b-{client}" for client in range(3)]
    cut = ", ".join(f"{name}: {at}" for name, at in zip(names, cuts, strict=True))
    run = Inside(V2, f"model.cut={{{cut}}}", "training.rounds=1").train()
    order, clients = turns(run), run.method.world.fleet.clients
    assert set(order) == {0, 1, 2}
    models = [cutlayer.models.catalogue.build("lenet", classes=10, seed=0) for _ in range(4)]
    for model in models:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    server = models[3]
    section = run.plan.scenario.training.optimizer

    def optimizer(module: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(module.parameters(), section.lr, section.momentum)

    optimizers = [
        optimizer(model.split(at).device) for model, at in zip(models, cuts, strict=False)
    ]
    of_server = optimizer(server)
    batches = [iter(client.batches) for client in clients]
    for member in order:
        images, labels = run.workspace.feed.batch(member, 0, next(batches[member]))
        for one in (of_server, optimizers[member]):
            one.zero_grad()
        at = cuts[member]
        far = nn.Sequential(*server.blocks[at:])
        functional.cross_entropy(far(models[member].split(at).device(images)), labels).backward()
        of_server.step()
        optimizers[member].step()
    samples = [client.samples for client in clients]
    expected = {}
    for name, value in server.state_dict().items():
        on_device = [at > int(name.split(".")[1]) for at in cuts]
        expected[name] = sum(
            (model.state_dict()[name] if own else value) * n / sum(samples)
            for model, own, n in zip(models, on_device, samples, strict=False)
        )
    trained = {n: v for state in run.states.values() for n, v in state.items()}
    for name, value in expected.items():
        torch.testing.assert_close(trained[name], value, rtol=1e-6, atol=1e-7)


def test_links_that_keep_the_order_share_a_training_and_others_do_not() -> None:
    def learned(far_up: str) -> tuple[str | None, str | None, str]:
        result = only(V2, fleet(far_up), "training.rounds=1", "data.partition=iid")
        return result.learning_digest, result.weights_digest, result.event_digest

    slow, slower, fast = learned("0.2 Mbit/s"), learned("0.1 Mbit/s"), learned("1 Gbit/s")
    assert slow[:2] == slower[:2]
    assert slow[2] != slower[2]
    assert fast[0] != slow[0]
    assert fast[1] != slow[1]


@pytest.mark.parametrize("server", ["slots=3", "discipline=processor_sharing"])
def test_steps_of_the_server_block_never_overlap(server: str) -> None:
    slow = "topology.star.server.device=raspberry-pi-3b-plus"
    run = Inside(V2, f"topology.star.server.{server}", slow, "training.rounds=1").train()
    log = run.result.kept[0].record.intervals
    steps = (log.phase == Phase.SERVER_COMPUTE) & (log.activity == Activity.TRAIN)
    order = np.argsort(log.start[steps])
    starts, ends = log.start[steps][order], log.end[steps][order]
    assert (starts[1:] >= ends[:-1]).all()
    assert log.of(Phase.SERVER_QUEUE).any()
    one = Inside(V2, slow, "training.rounds=1").train()
    assert torch.equal(
        one.workspace.states[key("server")]["blocks.3.linear.weight"],
        run.workspace.states[key("server")]["blocks.3.linear.weight"],
    )


def test_a_step_waits_for_the_step_of_a_client_that_dropped_out() -> None:
    """Both activations arrive together; the first client leaves within its step on the server."""

    def steps(away: tuple[str, ...]) -> list[tuple[float, float, int]]:
        four_slots = "topology.star.server={device: raspberry-pi-3b-plus, slots: 4}"
        run = Inside(V2, four_slots, "data.partition=iid", "training.rounds=1", *away).train()
        log = run.result.kept[0].record.intervals
        found = (log.phase == Phase.SERVER_COMPUTE) & (log.activity == Activity.TRAIN)
        return sorted(zip(log.start[found], log.end[found], log.peer[found], strict=True))

    calm = steps(())
    start, end, first = calm[0]
    away = (
        f"availability=[{{clients: raspberry-pi-4b-{first}, offline: [{{from: {(start + end) / 2}"
        " s, until: 100 s}], on_disconnect: drop}]"
    )
    (same_start, same_end, _), (after, _, second), *_ = steps((away,))
    assert (same_start, same_end) == (start, end)
    assert after >= end
    assert second != first


def test_rounds_are_not_reused_since_the_order_belongs_to_the_digest() -> None:
    trained, timed = only(V2), only(V2, executor="none")
    assert trained.learning_digest == timed.learning_digest is not None
    assert trained.event_digest == timed.event_digest
    assert timed.reused_rounds == 0


def test_a_client_that_drops_out_leaves_its_steps_on_the_server_behind() -> None:
    away = (
        "availability=[{clients: raspberry-pi-4b-1, offline: [{from: 150 ms, until: 100 s}], "
        "on_disconnect: drop}]"
    )
    calm, dropped = Inside(V2, "training.rounds=1").train(), Inside(V2, away, "training.rounds=1")
    dropped.train()
    assert dropped.result.rounds[0].clients_dropped == 1
    assert dropped.result.learning_digest != calm.result.learning_digest


def test_a_kept_optimizer_fits_the_server_block_whoever_takes_part() -> None:
    cuts = "model.cut={raspberry-pi-4b-0: 2, default: 1}"
    kept = ("training.optimizer_state=kept", "training.clients_per_round=1", "training.rounds=5")
    run = Inside(V2, cuts, *kept).train()
    assert len({closed.wire_up for closed in run.result.rounds}) > 1  # of clients with either cut


def test_a_block_whose_clients_all_dropped_out_stays_as_it_is() -> None:
    away = (
        "availability=[{clients: raspberry-pi-4b-0, offline: [{from: 50 ms, until: 100 s}], "
        "on_disconnect: drop}]"
    )
    cuts = "model.cut={raspberry-pi-4b-0: 2, default: 1}"
    one = ("data.partition={sizes: [24, 24]}", "topology.star.clients.0.count=2")
    run = Inside(V2, cuts, away, *one, "training.clients_per_round=1", "training.rounds=2")
    before = run.states["model.1"]
    run.train()
    dropped = [closed.clients_dropped for closed in run.result.rounds]
    assert 1 in dropped
    moved = [not torch.equal(run.states["model.1"][name], value) for name, value in before.items()]
    assert any(moved) == (0 in dropped)
