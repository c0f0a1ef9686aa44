"""Optimizer state, learning-rate schedules, weighted averages, and the number of live replicas."""

import weakref
from copy import deepcopy
from math import cos, pi
from typing import Any, Literal

import pytest
import torch
from tiny_runs import Inside, key, keys, only, tiny
from torch import Tensor, nn
from torch.nn import functional

import cutlayer.models.catalogue
import cutlayer.sim.learning.chain_execution
from cutlayer.sim.build.plan import schedule_of
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.inline import Inline
from cutlayer.sim.learning.learning import Learning
from cutlayer.sim.learning.recipe import Optimizer, Schedule
from cutlayer.sim.learning.replica import Replica, make_optimizer
from cutlayer.sim.learning.workspace import Workspace

ONE_CLIENT = ["topology.star.clients.0.count=1", "data.partition={sizes: 20}"]
KEPT = "training.optimizer_state=kept"
FEDERATED = {"device", "server"}
TRAINED = {
    "classic_fl": {"device"},
    "splitfed": FEDERATED,
    "local_loss": FEDERATED | {"head"},
    "fedgkt": FEDERATED | {"head"},
    "{fedgkt: {exchange_weights: false}}": {"server", "device/0", "head/0", "device/2", "head/2"},
    "{ecofed: {init: random}}": {"server"},
    "split_learning": FEDERATED,
    "centralised": {"server"},
}


@pytest.mark.parametrize("method", TRAINED)
def test_kept_momentum_changes_the_second_round_of_every_trained_part(method: str) -> None:
    lr = "training.optimizer.lr=0.005"
    fresh = Inside(f"methods=[{method}]", lr).train()
    kept = Inside(f"methods=[{method}]", lr, KEPT).train()
    assert kept.result.learning_digest != fresh.result.learning_digest
    for name in TRAINED[method]:
        state, other = fresh.states[name], kept.states[name]
        assert any(not torch.equal(state[key], other[key]) for key in state), name


def test_without_momentum_there_is_no_state_to_keep() -> None:
    plain = "training.optimizer={name: sgd, lr: 0.05}"
    assert only(plain).weights_digest == only(plain, KEPT).weights_digest


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_saved_state_is_not_changed_by_the_steps_of_a_chain_that_starts_from_it(
    name: Literal["sgd", "adam"],
) -> None:
    """Several chains may: those of a client whose earlier update is not folded yet."""
    module, recipe = nn.Linear(2, 1), Optimizer(name, 0.1, momentum=0.9)

    def stepped(saved: Any) -> Any:
        optimizer = make_optimizer(module, recipe, 0.1, saved)
        assert optimizer is not None
        module(torch.ones(2)).backward()
        optimizer.step()
        return optimizer.state_dict()

    saved = stepped(None)
    before = deepcopy(saved)
    assert str(stepped(saved)) != str(before)
    assert str(saved) == str(before)


@pytest.mark.parametrize(
    "optimizer",
    [
        "{name: sgd, lr: 0.05, momentum: 0.9}",
        "{name: sgd, lr: 0.05, momentum: 0.5, weight_decay: 0.01, nesterov: true}",
        "{name: adam, lr: 0.002, weight_decay: 0.01}",
    ],
)
def test_with_kept_state_all_rounds_equal_one_long_training(optimizer: str) -> None:
    """Bit by bit, one optimizer over the batches of all rounds in plain torch."""
    run = Inside(
        "methods=[classic_fl]", *ONE_CLIENT, KEPT, f"training.optimizer={optimizer}"
    ).train(rounds=3)
    section = run.plan.scenario.training.optimizer
    model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    reference: torch.optim.Optimizer
    if section.name == "adam":
        reference = torch.optim.Adam(model.parameters(), lr=0.002, weight_decay=0.01)
    else:
        reference = torch.optim.SGD(
            model.parameters(),
            lr=0.05,
            momentum=section.momentum,
            weight_decay=section.weight_decay,
            nesterov=section.nesterov,
        )
    for index in range(3):
        for position, size in enumerate([8, 8, 4]):
            images, labels = run.workspace.feed.batch(0, index, Batch(0, 0, position, size))
            reference.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            reference.step()
    for name, value in model.state_dict().items():
        assert torch.equal(run.states["device"][name], value), name


def test_a_kept_optimizer_uses_the_rate_of_the_round() -> None:
    """In round 1 the rate is nearly 0, so the weights hardly change, even with momentum."""
    seen: list[dict[str, Tensor]] = []
    run = Inside(KEPT, "training.lr_schedule={step: {milestones: [1], gamma: 1.0e-9}}")
    run.train(rounds=2, round_closed=lambda _: seen.append(dict(run.states["server"])))
    for name, value in seen[0].items():
        torch.testing.assert_close(seen[1][name], value, rtol=0, atol=1e-6)
    faster = Inside(KEPT).train(rounds=2)
    assert any((faster.states["server"][n] - v).abs().max() > 1e-3 for n, v in seen[0].items())


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.1] * 6),
        ("{step: {milestones: [2, 4], gamma: 0.5}}", [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]),
        ("{exponential: {gamma: 0.9}}", [0.1 * 0.9**i for i in range(6)]),
        (
            "{cosine: {rounds: 4, min_lr: 0.01}}",
            [0.01 + 0.09 * (1 + cos(pi * min(i, 4) / 4)) / 2 for i in range(6)],
        ),
        ("cosine", [0.1 * (1 + cos(pi * i / 8)) / 2 for i in range(6)]),
    ],
)
def test_schedules_follow_their_formulas(schedule: str, expected: list[float]) -> None:
    loaded = tiny(f"training.lr_schedule={schedule}", "training.rounds=8")
    rates = schedule_of(loaded.scenario)
    assert [rates.rate(0.1, index) for index in range(6)] == pytest.approx(expected, rel=1e-12)


def test_every_round_uses_its_scheduled_rate() -> None:
    """One batch a round, plain SGD: the step of round i is the gradient times the rate."""
    run = Inside(
        "methods=[classic_fl]",
        "topology.star.clients.0.count=1",
        "data.partition={sizes: 8}",
        "training.optimizer={name: sgd, lr: 0.1}",
        "training.lr_schedule={exponential: {gamma: 0.5}}",
    )
    model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def look(closed: Any) -> None:
        images, labels = run.workspace.feed.batch(0, closed.index, Batch(0, 0, 0, 8))
        loss = functional.cross_entropy(model(images), labels)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        for (name, value), gradient in zip(list(model.named_parameters()), gradients, strict=True):
            moved = value.detach() - run.states["device"][name]
            torch.testing.assert_close(
                moved, 0.1 * 0.5**closed.index * gradient, rtol=1e-3, atol=1e-6
            )
        model.load_state_dict(run.states["device"])

    run.train(rounds=3, round_closed=look)


def set_to(run: ChainRun, value: float) -> None:
    """An operation that sets all weights of the server block to one value."""
    for parameter in run.replica("server").module.parameters():
        parameter.data.fill_(value)


def averaging(rule: str = "samples") -> tuple[Learning, Workspace]:
    inside = Inside(f"training.averaging={rule}")
    workspace = inside.workspace
    learning = Learning(
        workspace.recipe,
        {key("device"): "d", key("server"): "s"},
        lambda client: f"shard {client}",
        Inline(workspace),
    )
    return learning, workspace


def test_an_average_weights_members_by_their_samples() -> None:
    learning, workspace = averaging()
    for client, samples, value in ((0, 10, 1.0), (1, 20, 4.0), (2, 50, -2.0)):
        chain = learning.chain(0, client, samples, reads=keys("server"), averages=keys("server"))
        chain.do(set_to, value)
    device = dict(workspace.states[key("device")])
    learning.close_round()
    by_hand = (10 * 1 + 20 * 4 - 50 * 2) / 80
    for value in workspace.states[key("server")].values():
        torch.testing.assert_close(value, torch.full_like(value, by_hand), rtol=1e-6, atol=0)
    assert workspace.states[key("device")] == device


def test_an_equal_average_weights_all_members_equally() -> None:
    learning, workspace = averaging("equal")
    for client, samples, value in ((0, 10, 1.0), (1, 20, 4.0), (2, 50, -2.0)):
        chain = learning.chain(0, client, samples, reads=keys("server"), averages=keys("server"))
        chain.do(set_to, value)
    learning.close_round()
    for state in workspace.states[key("server")].values():
        torch.testing.assert_close(state, torch.ones_like(state), rtol=1e-6, atol=0)


@pytest.mark.parametrize("method", [name for name in TRAINED if name != "centralised"])
def test_both_averages_agree_for_equal_shards(method: str) -> None:
    overrides = [f"methods=[{method}]", "training.optimizer.lr=0.005", "training.rounds=1"]

    def weights(rule: str, sizes: list[int]) -> str | None:
        shards = f"data.partition={{sizes: {sizes}}}"
        return only(*overrides, shards, f"training.averaging={rule}").weights_digest

    assert weights("samples", [20, 20, 20]) == weights("equal", [20, 20, 20])
    averages = "exchange" not in method and method != "split_learning"
    assert (weights("samples", [10, 20, 30]) != weights("equal", [10, 20, 30])) == averages


def test_averages_cover_only_participants() -> None:
    learning, workspace = averaging()
    for value in (3.0, 5.0):
        chain = learning.chain(0, 0, 7, reads=keys("server"), averages=keys("server"))
        chain.do(set_to, value)
        learning.close_round()
        assert all((tensor == value).all() for tensor in workspace.states[key("server")].values())


@pytest.mark.parametrize("method", ["splitfed", "fedgkt", "local_loss"])
def test_only_one_clients_replicas_exist_at_a_time(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakSet[Replica] = weakref.WeakSet()
    most = [0]

    class Counted(Replica):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            alive.add(self)
            most[0] = max(most[0], len(alive))

    monkeypatch.setattr(cutlayer.sim.learning.chain_execution, "Replica", Counted)
    run = Inside(
        f"methods=[{method}]",
        "topology.star.clients.0.count=6",
        "data.partition=iid",
        "training.rounds=1",
    ).train()
    assert len(run.result.rounds) == 1
    assert most[0] == len(type(run.method).parts)
    assert len(alive) == 0


def test_learning_rates_are_part_of_digests_and_the_schedule_itself_is_not() -> None:
    late = "training.lr_schedule={step: {milestones: [50], gamma: 0.1}}"
    assert only(late, executor="none").learning_digest == only(executor="none").learning_digest
    assert only(late).weights_digest == only().weights_digest
    assert Schedule("step", (50,), 0.1).rate(0.3, 49) == 0.3
