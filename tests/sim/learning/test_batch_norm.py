"""`model.batch_norm`: tensors of BatchNorm that stay with their clients, or that are not trained."""

from statistics import fmean, pstdev

import pytest
import torch
from tiny_runs import Inside, only, results
from torch import Tensor
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.errors import UserError
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.state_key import LOCAL, StateKey

MODEL = "model={name: 'own_models:statistics', cut: 2, batch_norm: %s}"
GENTLE = "training.optimizer={name: sgd, lr: 0.01, momentum: 0.5}"
ONE = ("topology.star.clients.0.count=1", "data.partition={sizes: [60]}")
CLASSIC = "methods=[classic_fl]"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
NORMS = ("blocks.1.1.", "blocks.2.1.")  # the layers of the model
Weights = dict[str, Tensor]


def is_local(name: str, rule: str) -> bool:
    norm = name.startswith(NORMS)
    return norm and (rule == "local" or name.endswith(STATISTICS))


def in_plain_torch(
    run: Inside, rule: str, rounds: int, lr: float = 0.01
) -> tuple[Weights, list[Weights]]:
    """FedAvg of three clients that keep what is local: the shared weights, and those of each client."""
    feed = run.workspace.feed
    model = cutlayer.models.catalogue.build("own_models:statistics", classes=10, seed=0)
    shared = {name: value.clone() for name, value in model.state_dict().items()}
    own: list[Weights] = [{}, {}, {}]
    for index in range(rounds):
        members = []
        for client in run.method.world.fleet.clients:
            model.load_state_dict(shared | own[client.index])
            model.train()
            sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.5)
            for position, size in enumerate(client.batch_sizes):
                images, labels = feed.batch(client.index, index, Batch(0, 0, position, size))
                sgd.zero_grad()
                functional.cross_entropy(model(images), labels).backward()
                sgd.step()
            member = {name: value.clone() for name, value in model.state_dict().items()}
            own[client.index] = {n: value for n, value in member.items() if is_local(n, rule)}
            members.append(member)
        for name, value in shared.items():
            if value.is_floating_point():
                shares = zip(members, (1 / 6, 2 / 6, 3 / 6), strict=True)
                shared[name] = sum(share * member[name] for member, share in shares)  # type: ignore[assignment]
    return shared, own


@pytest.mark.parametrize("rule", ["local_statistics", "local"])
@pytest.mark.parametrize("method", ["classic_fl", "splitfed"])
def test_what_is_local_stays_with_its_client(rule: str, method: str) -> None:
    """In SplitFed, the server's replicas have no local tensors: those of block 2 are averaged."""
    run = Inside(f"methods=[{method}]", MODEL % rule, GENTLE).train()
    shared, own = in_plain_torch(run, rule, rounds=2)
    kept = [run.workspace.states[StateKey("device", client, LOCAL)] for client in range(3)]
    on_device = NORMS if method == "classic_fl" else NORMS[:1]
    for client, values in enumerate(kept):
        assert set(values) == {name for name in own[client] if name.startswith(on_device)}
    if method == "classic_fl":
        for client, values in enumerate(kept):
            for name, value in values.items():
                assert torch.allclose(value, own[client][name], atol=1e-5), name
        for name, value in run.states["device"].items():
            if value.is_floating_point():
                assert torch.allclose(value, shared[name], atol=1e-5), name


def accuracy(run: Inside, weights: Weights) -> float:
    model = cutlayer.models.catalogue.build("own_models:statistics", classes=10, seed=0)
    model.load_state_dict(weights)
    model.eval()
    right = []
    with torch.inference_mode():
        for images, labels in run.workspace.feed.test_batches:
            right += (model(images).argmax(dim=1) == labels).tolist()
    return sum(right) / len(right)


@pytest.mark.parametrize("rule", ["local_statistics", "local"])
def test_the_accuracy_of_the_clients_own_models(rule: str) -> None:
    """Shared weights with the tensors of each client, in plain torch, on the whole test set."""
    run = Inside(CLASSIC, MODEL % rule, "training.optimizer={name: sgd, lr: 0.1, momentum: 0.5}")
    run.train()
    shared, own = in_plain_torch(run, rule, rounds=2, lr=0.1)
    found = run.result.rounds[-1].metrics
    values = [accuracy(run, shared | of) for of in own]
    assert len({*values, run.result.rounds[-1].accuracy}) > 1
    assert found == pytest.approx(
        {
            "personal_accuracy": fmean(values),
            "personal_accuracy_std": pstdev(values),
            "personal_accuracy_min": min(values),
            "personal_accuracy_max": max(values),
        }
    )


def test_only_clients_that_have_trained_have_models_of_their_own() -> None:
    one = Inside("methods=[splitfed]", MODEL % "local", "training.clients_per_round=1").train(1)
    assert one.result.rounds[0].metrics is not None
    assert one.result.rounds[0].metrics["personal_accuracy_std"] == 0
    for rule in ("averaged", "frozen"):
        assert Inside(CLASSIC, MODEL % rule).train(1).result.rounds[0].metrics is None


@pytest.mark.parametrize("rule", ["local_statistics", "local"])
def test_split_training_is_that_of_classic_fl(rule: str) -> None:
    """If all layers of BatchNorm are on the device, SplitFed trains the same weights."""
    federated, split = (
        Inside(f"methods=[{method}]", MODEL % rule, "model.cut=3", GENTLE).train()
        for method in ("classic_fl", "splitfed")
    )
    weights = split.states["device"] | split.states["server"]
    for name, value in federated.states["device"].items():
        assert torch.allclose(weights[name], value, atol=1e-6), name


@pytest.mark.parametrize("rule", ["local_statistics", "local"])
def test_what_stays_is_not_sent(rule: str) -> None:
    plain, local = (
        only("methods=[splitfed]", MODEL % r, executor="none").rounds[0] for r in ("averaged", rule)
    )
    statistics = 3 * (2 * 4 * 4 + 8)  # of three clients: two of four channels, and a counter
    affine, tensors = (3 * 2 * 4 * 4, 5) if rule == "local" else (0, 3)
    assert plain.payload_up - local.payload_up == statistics + affine
    assert plain.payload_down - local.payload_down == statistics + affine
    framing = 3 * tensors * wire.TENSOR_FRAMING
    assert plain.wire_up - local.wire_up == statistics + affine + framing


def test_frozen_statistics_are_used_and_stay() -> None:
    """As a model in evaluation mode whose weights are trained."""
    run = Inside(CLASSIC, MODEL % "frozen", GENTLE, *ONE).train()
    feed = run.workspace.feed
    model = cutlayer.models.catalogue.build("own_models:statistics", classes=10, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    client = run.method.world.fleet.clients[0]
    for index in range(2):
        sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
        model.eval()
        for position, size in enumerate(client.batch_sizes):
            images, labels = feed.batch(0, index, Batch(0, 0, position, size))
            sgd.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            sgd.step()
    for name, value in model.state_dict().items():
        trained = run.states["device"][name]
        if name.startswith(NORMS) and name.endswith(STATISTICS):
            assert torch.equal(trained, before[name]), name
        elif value.is_floating_point():
            assert torch.allclose(trained, value, atol=1e-5), name
            assert not torch.equal(trained, before[name]), name


@pytest.mark.parametrize("rule", ["frozen", "local"])
def test_executors_train_the_same_bits(rule: str) -> None:
    methods = "methods=[classic_fl, {ecofed: {init: random}}, fedbuff, ampere]"
    inline, stacked = (
        results(methods, MODEL % rule, GENTLE, executor=executor)
        for executor in ("inline", "stacked")
    )
    for label, result in inline.items():
        losses = [[r.test_loss for r in m.rounds] for m in (result, stacked[label])]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        personal = ["personal_accuracy" in (r.metrics or {}) for r in result.rounds]
        assert all(personal) if rule == "local" else not any(personal), label


def test_the_rule_is_part_of_the_learning_digest() -> None:
    digests = {
        only(CLASSIC, MODEL % rule, executor="none").learning_digest
        for rule in ("averaged", "frozen", "local_statistics", "local")
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model.batch_norm=frozen",),
            "model.batch_norm: has no effect: the model has no BatchNorm",
        ),
        (
            (MODEL % "local", "model.cut={raspberry-pi-4b-1: 1, default: 2}"),
            "model.batch_norm: needs one cut",
        ),
        (
            (MODEL % "local", "model.trainable=['last.*', '*.calls', '*.trained']"),
            "model.batch_norm: has no effect: what would stay at the clients is frozen",
        ),
        (("model.batch_norm=locale",), "averaged, frozen, local_statistics or local"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        only(*overrides, executor="none")
