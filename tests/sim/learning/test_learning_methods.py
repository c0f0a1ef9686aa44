"""Split training against training in one place, and against twins written out in plain torch."""

import pytest
import torch
from tiny_runs import Inside, only, results
from torch import Tensor, nn
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.models.layers import auxiliary_head
from cutlayer.sim.learning import operations
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.tasks.objective import Objective

BOTH = "methods=[classic_fl, splitfed]"


def same_weights(*overrides: str) -> bool:
    federated, split = results(BOTH, *overrides).values()
    assert federated.learning_digest != split.learning_digest
    assert federated.weights_digest is not None
    return federated.weights_digest == split.weights_digest


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.cut=0"],
        ["model.cut=5"],
        ["model.cut=2", "training.local_epochs=2"],
        ["training.optimizer={name: sgd, lr: 0.05}"],
        ["training.optimizer={name: sgd, lr: 0.02, momentum: 0.9, weight_decay: 0.01}"],
        ["training.optimizer={name: sgd, lr: 0.02, momentum: 0.5, nesterov: true}"],
        ["training.optimizer={name: adam, lr: 0.002}", "training.optimizer_state=kept"],
        ["training.optimizer_state=kept", "training.lr_schedule={exponential: {gamma: 0.5}}"],
        ["data.augment=true", "training.clients_per_round=2"],
        ["data.partition={dirichlet: 0.5}", "training.uploads_outstanding=2"],
    ],
    ids=" ".join,
)
def test_splitfed_ends_with_the_weights_of_fedavg(overrides: list[str]) -> None:
    assert same_weights(*overrides)


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 5])
def test_splitfed_ends_with_the_weights_of_fedavg_wherever_vgg5_is_cut(cut: int) -> None:
    assert same_weights("model.name=vgg5", f"model.cut={cut}", "training.rounds=1")


def test_splitfed_ends_with_the_weights_of_fedavg_for_a_model_with_batch_norm() -> None:
    optimizer = "training.optimizer={name: sgd, lr: 0.01, momentum: 0.9, weight_decay: 0.001}"
    assert same_weights("model={name: resnet12, cut: 2}", optimizer, "data.partition={sizes: 12}")


def test_other_training_ends_with_other_weights() -> None:
    plain = only()
    for overrides in (["seed=1"], ["training.batch_size=6"], ["training.local_epochs=2"]):
        assert only(*overrides).weights_digest != plain.weights_digest, overrides
    assert only().weights_digest == plain.weights_digest


def fedavg_in_plain_torch(run: Inside, rounds: int) -> dict[str, Tensor]:
    """McMahan et al., Algorithm 1, on the whole model; batches come from the run's own feed."""
    training, feed = run.plan.scenario.training, run.workspace.feed
    recipe = run.workspace.recipe
    model = cutlayer.models.catalogue.build(recipe.model, classes=10, seed=recipe.seed)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    sizes = [client.samples for client in run.method.world.fleet.clients]
    for index in range(rounds):
        mean = {name: torch.zeros_like(value) for name, value in weights.items()}
        for client in run.method.world.fleet.clients:
            model.load_state_dict(weights)
            sgd = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
            for epoch in range(training.local_epochs):
                for position, size in enumerate(client.batch_sizes):
                    images, labels = feed.batch(
                        client.index, index, Batch(0, epoch, position, size)
                    )
                    sgd.zero_grad()
                    functional.cross_entropy(model(images), labels).backward()
                    sgd.step()
            for name, value in model.state_dict().items():
                mean[name] += value * (client.samples / sum(sizes))
        weights = mean
    return weights


@pytest.mark.parametrize("method", ["classic_fl", "splitfed"])
def test_fedavg_is_the_weighted_mean_of_what_clients_train(method: str) -> None:
    run = Inside(f"methods=[{method}]").train()
    expected = fedavg_in_plain_torch(run, 2)
    trained = run.states["device"] | run.states["server"]
    assert trained.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(trained[name], value, rtol=1e-5, atol=1e-6)
    start = cutlayer.models.catalogue.build("lenet", classes=10, seed=0).state_dict()
    assert all((trained[name] - start[name]).abs().max() > 1e-3 for name in trained)


def test_the_bytes_of_the_last_batch_are_trained_too() -> None:
    """Shards of 10, 20, 30 in batches of 8: the last batches have 2, 4 and 6 samples."""
    run = Inside()
    assert [c.batch_sizes for c in run.method.world.fleet.clients] == [
        (8, 2),
        (8, 8, 4),
        (8, 8, 8, 6),
    ]


def local_loss_in_plain_torch(run: Inside, client: int, samples: int) -> dict[str, Tensor]:
    """The device block under its auxiliary head alone; the server block does not exist here."""
    device = cutlayer.models.catalogue.build("lenet", classes=10, seed=0).split(1).device
    device = device.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    head = auxiliary_head((6, 14, 14), 10, seed=0)
    sgd = torch.optim.SGD([*device.parameters(), *head.parameters()], lr=0.05, momentum=0.9)
    for position, size in enumerate(run.method.world.fleet.clients[client].batch_sizes):
        images, labels = run.workspace.feed.batch(client, 0, Batch(0, 0, position, size))
        sgd.zero_grad()
        functional.cross_entropy(head(device(images)), labels).backward()
        sgd.step()
    return dict(device.state_dict())


def test_in_local_loss_no_gradient_of_the_server_reaches_the_device() -> None:
    one_client = ["topology.star.clients.0.count=1", "data.partition={sizes: 30}"]
    run = Inside("methods=[local_loss]", "training.rounds=1", *one_client).train()
    for name, value in local_loss_in_plain_torch(run, 0, 30).items():
        torch.testing.assert_close(run.states["device"][name], value, rtol=1e-6, atol=1e-7)
    assert set(run.states) == {"device", "server", "head"}


def test_a_served_batch_gives_the_gradient_of_its_activation() -> None:
    """Against autograd through the uncut model: what comes back is d loss / d activation."""

    class Run:
        task = Objective()

        def __init__(self, module: nn.Module) -> None:
            self.module = module

        def replica(self, part: str) -> "Run":
            assert part == "server"
            return self

        def step(self) -> None:
            pass

        def record_loss(self, loss: Tensor, samples: int) -> None:
            pass

    torch.manual_seed(0)
    model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    device, server = model.split(1)
    images, labels = torch.randn(4, 3, 32, 32), torch.tensor([1, 2, 3, 4])
    activation = device(images).detach()
    given = operations.server_step(Run(server), (activation.clone(), labels))  # type: ignore[arg-type]
    watched = activation.clone().requires_grad_()
    (expected,) = torch.autograd.grad(functional.cross_entropy(server(watched), labels), [watched])
    assert given is not None
    assert torch.equal(given, expected)


def test_split_learning_hands_both_blocks_on_and_averages_nothing() -> None:
    """Sequential: plain SGD over the clients' batches in order, optimizer and all, in one place."""
    run = Inside("methods=[split_learning]", "training.rounds=1").train()
    model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sgd = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for client in run.method.world.fleet.clients:
        for position, size in enumerate(client.batch_sizes):
            images, labels = run.workspace.feed.batch(client.index, 0, Batch(0, 0, position, size))
            sgd.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            sgd.step()
    for name, value in model.state_dict().items():
        trained = (run.states["device"] | run.states["server"])[name]
        torch.testing.assert_close(trained, value, rtol=1e-5, atol=1e-6)


def test_centralised_training_goes_through_everybodys_samples() -> None:
    run = Inside("methods=[centralised]", "training.rounds=1")
    assert [batch.size for batch in run.method.world.costs[0].pooled_batches] == [8] * 7 + [4]
    feed = run.workspace.feed
    seen = torch.cat([feed.samples(-1, 0, b) for b in run.method.world.costs[0].pooled_batches])
    assert sorted(seen.tolist()) == list(range(60))
    assert feed.shard_size(-1) == 60
    before = {name: value.clone() for name, value in run.states["server"].items()}
    run.train()
    assert all((run.states["server"][name] - before[name]).abs().max() > 0 for name in before)


@pytest.mark.parametrize(
    ("method", "model", "rounds"),
    [
        ("ecofed: {init: random}", "vgg5", 2),
        ("local_loss", "lenet", 8),
        ("fedgkt", "lenet", 8),
        ("centralised", "lenet", 5),
    ],
)
def test_images_it_has_not_seen_are_recognised(method: str, model: str, rounds: int) -> None:
    """Far above the 10 % of guessing."""
    learnt = only(
        f"methods=[{{{method}}}]" if ":" in method else f"methods=[{method}]",
        "data={dataset: digits, test_fraction: 0.2, train_samples: 300, test_samples: 100}",
        f"model.name={model}",
        f"training.rounds={rounds}",
        "training.batch_size=10",
        f"training.evaluate_every={rounds}",
        "topology.star.clients.0.count=2",
        f"training.optimizer={{name: sgd, lr: {0.01 if model == 'vgg5' else 0.005}, momentum: 0.9}}",
    )
    ((_, accuracy),) = learnt.curve
    assert accuracy > 0.4, accuracy


def test_weights_that_are_no_longer_finite_are_told() -> None:
    assert only("methods=[classic_fl]").diverged_in_round is None
    assert only("methods=[classic_fl]", "training.optimizer.lr=1e30").diverged_in_round == 0


def test_a_run_that_a_virtual_time_ends_is_evaluated_at_its_end() -> None:
    result = only(
        "methods=[classic_fl]",
        "training.rounds=6",
        "training.evaluate_every=4",
        "stop={virtual_time: 1 ms}",
    )
    assert len(result.rounds) == 1
    assert result.rounds[-1].accuracy is not None
