"""FedGKT: the loss by hand, logits stored by sample, and two rounds in plain torch."""

from math import exp, log

import pytest
import torch
from tiny_runs import Inside, key, keys, only
from torch import Tensor
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.models.layers import auxiliary_head
from cutlayer.scenarios import ScenarioError
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.distillation import (
    distillation_loss,
    features,
    train_device,
    train_server,
)
from cutlayer.sim.tasks.objective import Objective

ONE_CLIENT = ["topology.star.clients.0.count=1", "data.partition={sizes: 20}"]
ORIGINAL = "methods=[{fedgkt: {exchange_weights: false}}]"


def softmax(values: list[float], temperature: float) -> list[float]:
    powers = [exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]


def test_the_distillation_loss_by_hand() -> None:
    """T^2 times the mean over the batch of sum p log(p / q), p the teacher."""
    students, teachers = [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], [[2.0, 0.0, 1.0], [0.5, 0.5, -2.0]]
    temperature = 3.0
    expected = 0.0
    for student, teacher in zip(students, teachers, strict=True):
        p, q = softmax(teacher, temperature), softmax(student, temperature)
        expected += sum(a * log(a / b) for a, b in zip(p, q, strict=True)) / 2
    actual = distillation_loss(torch.tensor(students), torch.tensor(teachers), temperature)
    assert actual.item() == pytest.approx(9 * expected, rel=1e-5)
    assert actual.item() > 0.1
    assert distillation_loss(torch.tensor(students), torch.tensor(students), 3.0).item() == (
        pytest.approx(0, abs=1e-6)
    )


class OneReplica:
    """A stand-in for `ChainRun`: linear parts, one batch and one table of logits."""

    task = Objective()

    def __init__(self, memory: Tensor | None) -> None:
        torch.manual_seed(1)
        self.parts = {name: torch.nn.Linear(3, 3) for name in ("device", "head", "server")}
        self.images, self.labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
        self.memory = memory
        self.workspace = self

    def on_device(self, value: Tensor) -> Tensor:
        return value

    def record_loss(self, loss: Tensor, samples: int) -> None:
        pass

    def replica(self, part: str) -> "OneReplica.Part":
        return self.Part(self.parts[part])

    def batch(self, client: int, batch: object) -> tuple[Tensor, Tensor]:
        return self.images, self.labels

    def samples(self, client: int, batch: object) -> Tensor:
        return torch.tensor([3, 0, 2, 1])

    def may_read(self, name: str) -> bool:
        return self.memory is not None

    def read(self, name: str) -> Tensor:
        assert self.memory is not None
        return self.memory

    class Part:
        def __init__(self, module: torch.nn.Module) -> None:
            self.module = module

        def step(self) -> None:
            pass


def test_only_samples_with_stored_logits_are_distilled() -> None:
    memory = torch.tensor([[1.0, 2, 3], [torch.nan] * 3, [0.0, 5, 1], [2.0, 2, -2]])
    run = OneReplica(memory)
    train_device(run, 0, None, "logits/0", 2.0, 0.5)  # type: ignore[arg-type]
    actual = run.parts["device"].weight.grad
    twin = OneReplica(memory)
    logits = twin.parts["head"](twin.parts["device"](twin.images))
    taught, teachers = logits[:3], memory[[3, 0, 2]]
    divergence = functional.kl_div(
        (taught / 2).log_softmax(1), (teachers / 2).softmax(1), reduction="sum"
    )
    loss = functional.cross_entropy(logits, twin.labels) + 0.5 * 4 * divergence / 3
    (expected,) = torch.autograd.grad(loss, [twin.parts["device"].weight])
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("memory", [None, torch.full((4, 3), torch.nan)], ids=["none", "empty"])
def test_without_stored_logits_the_device_trains_on_labels_only(memory: Tensor | None) -> None:
    run = OneReplica(memory)
    train_device(run, 0, None, "logits/0", 2.0, 0.5)  # type: ignore[arg-type]
    twin = OneReplica(memory)
    logits = twin.parts["head"](twin.parts["device"](twin.images))
    loss = functional.cross_entropy(logits, twin.labels)
    (expected,) = torch.autograd.grad(loss, [twin.parts["device"].weight])
    assert torch.equal(run.parts["device"].weight.grad, expected)  # type: ignore[arg-type]


def test_alpha_weights_the_device_logits_in_the_servers_loss() -> None:
    teacher = torch.tensor([[1.0, 0, 0], [0.0, 2, 0], [0.0, 0, 3], [4.0, 0, 0]])
    gradients = {}
    for alpha in (0.0, 1.0, 2.0):
        run = OneReplica(None)
        own = train_server(run, (run.images, run.labels, teacher), 3.0, alpha, "logits")  # type: ignore[arg-type]
        assert torch.equal(own, run.parts["server"](run.images))
        gradients[alpha] = run.parts["server"].weight.grad
    step = gradients[1.0] - gradients[0.0]  # type: ignore[operator]
    torch.testing.assert_close(gradients[2.0] - gradients[1.0], step)  # type: ignore[operator]
    assert step.abs().max() > 1e-3


@pytest.mark.parametrize("weighted", ["labels", "logits"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_two_forms_of_the_servers_loss(weighted: str, alpha: float) -> None:
    teacher = torch.tensor([[1.0, 0, 0], [0.0, 2, 0], [0.0, 0, 3], [4.0, 0, 0]])
    run = OneReplica(None)
    train_server(run, (run.images, run.labels, teacher), 3.0, alpha, weighted)  # type: ignore[arg-type]
    twin = OneReplica(None)
    logits = twin.parts["server"](twin.images)
    on_labels = functional.cross_entropy(logits, twin.labels)
    p = (teacher / 3).softmax(1)
    on_logits = 9 * (p * (p.log() - (logits / 3).log_softmax(1))).sum() / 4
    on_labels, on_logits = (
        (alpha * on_labels, on_logits) if weighted == "labels" else (on_labels, alpha * on_logits)
    )
    (expected,) = torch.autograd.grad(on_labels + on_logits, [twin.parts["server"].weight])
    torch.testing.assert_close(run.parts["server"].weight.grad, expected)


def test_the_two_forms_of_the_servers_loss_agree_at_alpha_1_alone() -> None:
    def weights(alpha: float, form: str) -> str | None:
        method = f"methods=[{{fedgkt: {{alpha: {alpha}, server_alpha: {form}}}}}]"
        return only(method, "training.optimizer.lr=0.005").weights_digest

    assert weights(1.0, "labels") == weights(1.0, "logits")
    assert weights(0.5, "labels") != weights(0.5, "logits")


def twin_of_one_client(run: Inside, rounds: int) -> tuple[dict[str, Tensor], Tensor]:
    """He et al., Algorithm 1, for one client: T = 3, alpha = 1, optimizers fresh each round."""
    model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    device, server = model.to(memory_format=torch.channels_last).split(1)  # type: ignore[call-overload]
    head = auxiliary_head((6, 14, 14), 10, seed=0)
    feed, client = run.workspace.feed, run.method.world.fleet.clients[0]
    memory: Tensor | None = None
    for index in range(rounds):
        on_device = torch.optim.SGD(
            [*device.parameters(), *head.parameters()], lr=0.005, momentum=0.9
        )
        on_server = torch.optim.SGD(server.parameters(), lr=0.005, momentum=0.9)
        for batch in client.batches:
            images, labels = feed.batch(0, index, batch)
            logits = head(device(images))
            loss = functional.cross_entropy(logits, labels)
            if memory is not None:
                teacher = memory[feed.samples(0, index, batch)]
                loss = loss + distillation_loss(logits, teacher, 3.0)
            on_device.zero_grad()
            loss.backward()
            on_device.step()
        new = torch.empty(20, 10)
        for batch in client.batches:
            batch = batch._replace(epoch=1)  # the second pass is one more pass over the loader
            images, labels = feed.batch(0, index, batch)
            with torch.no_grad():
                activation = device(images)
                teacher = head(activation)
            logits = server(activation)
            loss = functional.cross_entropy(logits, labels)
            on_server.zero_grad()
            (loss + distillation_loss(logits, teacher, 3.0)).backward()
            on_server.step()
            new[feed.samples(0, index, batch)] = logits.detach()
        memory = new
    assert memory is not None
    return dict(device.state_dict()) | dict(server.state_dict()), memory


@pytest.mark.parametrize("method", ["methods=[fedgkt]", ORIGINAL], ids=["exchange", "original"])
def test_two_rounds_of_one_client_are_those_of_the_algorithm(method: str) -> None:
    run = Inside(method, *ONE_CLIENT, "training.optimizer.lr=0.005").train()
    weights, memory = twin_of_one_client(run, 2)
    own = run.states["device/0" if method == ORIGINAL else "device"]
    for name, value in (own | run.states["server"]).items():
        torch.testing.assert_close(value, weights[name], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(run.states["logits/0"], memory, rtol=1e-3, atol=1e-4)


def test_logits_are_remembered_for_every_sample_of_every_participant() -> None:
    run = Inside("methods=[fedgkt]", "training.optimizer.lr=0.005").train(rounds=1)
    for client, samples in ((0, 10), (1, 20), (2, 30)):
        memory = run.states[f"logits/{client}"]
        assert memory.shape == (samples, 10)
        assert not memory.isnan().any()
        assert len({tuple(row.tolist()) for row in memory}) == samples


@pytest.mark.parametrize("options", ["{}", "{exchange_weights: false}"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_the_second_pass_shuffles_and_augments_anew(
    options: str, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pass meets every sample once; no two passes have the order or the crops in common."""
    run = Inside(
        f"methods=[{{fedgkt: {options}}}]",
        *ONE_CLIENT,
        "data.augment={crop: true}",
        f"training.local_epochs={epochs}",
        "training.optimizer.lr=0.005",
    )
    orders: dict[int, list[int]] = {}
    pixels: dict[int, dict[int, Tensor]] = {}
    feed = run.workspace.feed
    draw = feed.batch

    def batch(client: int, index: int, wanted: Batch, size: int | None) -> tuple[Tensor, Tensor]:
        images, labels = draw(client, index, wanted, size)
        places = feed.samples(client, index, wanted).tolist()
        orders.setdefault(wanted.epoch, []).extend(places)
        pixels.setdefault(wanted.epoch, {}).update(zip(places, images, strict=True))
        return images, labels

    monkeypatch.setattr(feed, "batch", batch)
    run.train(rounds=1)
    assert [sorted(order) for order in orders.values()] == [list(range(20))] * (epochs + 1)
    assert len({tuple(order) for order in orders.values()}) == epochs + 1
    second, first = pixels[epochs], pixels[0]
    assert sum(not torch.equal(second[place], first[place]) for place in range(20)) > 10


def test_features_are_extracted_in_evaluation_mode() -> None:
    """With dropout in the device block, and a twin without it."""

    class Run(OneReplica):
        def __init__(self) -> None:
            super().__init__(None)
            linear = self.parts["device"]
            self.parts["device"] = torch.nn.Sequential(linear, torch.nn.Dropout(0.5))  # type: ignore[assignment]

    run, twin = Run(), OneReplica(None)
    activation, _, logits = features(run, 0, None)  # type: ignore[arg-type]
    expected = twin.parts["device"](twin.images)
    assert torch.equal(activation, expected)
    assert torch.equal(logits, twin.parts["head"](expected))
    assert run.parts["device"].training
    assert run.parts["head"].training


def test_without_exchange_each_client_keeps_its_own_block() -> None:
    run = Inside(ORIGINAL, "training.optimizer.lr=0.005")
    start = {name: value.clone() for name, value in run.states["device"].items()}
    run.train(rounds=1)
    blocks = [run.states[f"device/{client}"] for client in range(3)]
    for name, value in start.items():
        assert torch.equal(run.states["device"][name], value)
        assert len({block[name].sum().item() for block in blocks}) == 3
    first = {name: value.clone() for name, value in blocks[0].items()}
    run.train(rounds=2)
    assert any((run.states["device/0"][name] - first[name]).abs().max() > 0 for name in first)
    assert run.method.evaluated(run.method.open_round(9)) == [
        keys(f"device/{client}", "server") for client in range(3)
    ]


def test_a_client_goes_on_from_its_own_block() -> None:
    """What it left behind is moved by one between the rounds: the next round starts from there."""
    run = Inside(ORIGINAL, *ONE_CLIENT, "training.optimizer.lr=0.0000001")
    left: list[dict[str, Tensor]] = []

    def look(_: object) -> None:
        left.append(dict(run.states["device/0"]))
        run.workspace.states[key("device/0")] = {
            name: value + 1 for name, value in left[-1].items()
        }

    run.train(rounds=2, round_closed=look)
    for name, value in left[0].items():
        torch.testing.assert_close(left[1][name], value + 1, rtol=0, atol=0.3)


def test_the_options_reach_the_weights() -> None:
    lr = "training.optimizer.lr=0.005"
    runs = [
        only(f"methods=[{{fedgkt: {{{options}}}}}]", lr).weights_digest
        for options in ("", "temperature: 1", "alpha: 0.5", "exchange_weights: false")
    ]
    assert len(set(runs)) == 4


def test_more_server_epochs_take_as_much_more_of_the_servers_time_and_no_more_bytes() -> None:
    once, thrice = (
        only(
            f"methods=[{{fedgkt: {{exchange_weights: false, server_epochs: {epochs}}}}}]",
            "training.rounds=1",
            executor="none",
        ).rounds[0]
        for epochs in (1, 3)
    )
    assert thrice.server_jobs == 3 * once.server_jobs == 3 * 9
    assert (thrice.wire_up, thrice.wire_down) == (once.wire_up, once.wire_down)
    assert thrice.round_time_s > once.round_time_s


def test_server_epochs_need_all_features_at_once() -> None:
    for options in ("server_epochs: 2", "server_epochs: 2, exchange_weights: true"):
        with pytest.raises(ScenarioError, match="needs exchange_weights: false, where the server"):
            only(f"methods=[{{fedgkt: {{{options}}}}}]", executor="none")


def test_the_methods_own_optimizer_state_goes_before_that_of_all() -> None:
    """Its weights are those of a scenario in which all methods keep their optimizers' states."""
    kept, lr = "training.optimizer_state=kept", "training.optimizer.lr=0.005"

    def weights(options: str, *overrides: str) -> str | None:
        options = f"exchange_weights: false{options}"
        return only(f"methods=[{{fedgkt: {{{options}}}}}]", lr, *overrides).weights_digest

    assert weights(", optimizer_state: kept") == weights("", kept)
    assert weights(", optimizer_state: fresh", kept) == weights("") != weights("", kept)
