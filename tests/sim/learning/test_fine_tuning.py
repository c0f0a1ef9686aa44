"""Fine-tuning: only what is trained is in states, folded and stepped; the rest never changes."""

from typing import Any

import pytest
import torch
from tiny_runs import Inside, only, results
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models import build
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.state_key import DEVICE
from cutlayer.sim.methods.registry import METHODS

LORA = (
    "model={name: 'own_models:tiny_vit', cut: 2, trainable: ['fc.*'],"
    " lora: {rank: 2, alpha: 6, targets: ['*.qkv']}}"
)
EVERY = ", ".join("{ecofed: {init: random}}" if name == "ecofed" else name for name in METHODS)
State = dict[str, Tensor]


def trained_names(first: int, last: int) -> set[str]:
    names = {
        f"blocks.{block}.attention.qkv.{factor}"
        for block in {1, 2} & {*range(first, last)}
        for factor in ("lora_a", "lora_b")
    }
    head = {
        f"blocks.3.{name}" for name in ("norm.weight", "norm.bias", "linear.weight", "linear.bias")
    }
    return names | (head if last == 4 else set())


class Twin:
    """LoRA in plain torch: a forward hook on each adapted layer of the plain model."""

    def __init__(self, start: State) -> None:
        self.model = build("own_models:tiny_vit", classes=10, seed=0)
        self.base = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.trained = {name: nn.Parameter(value.clone()) for name, value in start.items()}
        for block in (1, 2):
            prefix = f"blocks.{block}.attention.qkv."
            a, b = self.trained[f"{prefix}lora_a"], self.trained[f"{prefix}lora_b"]
            self.model.get_submodule(prefix.strip(".")).register_forward_hook(self.adding(a, b))

    @staticmethod
    def adding(a: Tensor, b: Tensor) -> Any:
        return lambda _, inputs, output: output + 6 / 2 * inputs[0] @ a.T @ b.T

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        head = {name: value for name, value in self.trained.items() if name.startswith("blocks.3.")}
        return functional.cross_entropy(
            torch.func.functional_call(self.model, head, (images,)), labels
        )

    def load(self, state: State) -> None:
        with torch.no_grad():
            for name, value in state.items():
                self.trained[name].copy_(value)

    def state(self) -> State:
        return {name: value.detach().clone() for name, value in self.trained.items()}


def fedavg_in_plain_torch(run: Inside, start: State, rounds: int) -> State:
    twin, shared, feed = Twin(start), start, run.workspace.feed
    for index in range(rounds):
        members = []
        for client in run.method.world.fleet.clients:
            twin.load(shared)
            sgd = torch.optim.SGD(twin.trained.values(), lr=0.05, momentum=0.9)
            for position, size in enumerate(client.batch_sizes):
                images, labels = feed.batch(client.index, index, Batch(0, 0, position, size))
                sgd.zero_grad()
                twin.loss(images, labels).backward()
                sgd.step()
            members.append(twin.state())
        shared = {
            name: sum((m[name] * w for m, w in zip(members, (1 / 6, 2 / 6, 3 / 6), strict=True)),
                      torch.zeros(()))
            for name in start
        }  # fmt: skip
    for name, value in twin.model.state_dict().items():
        assert name.startswith("blocks.3.") or torch.equal(value, twin.base[name])
    return shared


@pytest.mark.parametrize("method", ["classic_fl", "splitfed"])
def test_weights_are_those_of_lora_in_plain_torch(method: str) -> None:
    run = Inside(f"methods=[{method}]", LORA)
    before = run.states["device"] | run.states["server"]
    assert before.keys() == trained_names(0, 4)
    base = build("own_models:tiny_vit", classes=10, seed=0).state_dict()
    frozen = {name: value.clone() for name, value in run.workspace.frozen.items()}
    assert frozen.keys() == base.keys() - before.keys()
    for name, value in frozen.items():
        assert torch.equal(value, base[name]), name
    run.train()
    after = run.states["device"] | run.states["server"]
    for name, value in fedavg_in_plain_torch(run, before, rounds=2).items():
        torch.testing.assert_close(after[name], value, rtol=1e-4, atol=1e-6)
        assert not torch.equal(value, before[name]), name
    for module in run.workspace._modules.values():
        for name, value in module.state_dict().items():
            assert name in before or torch.equal(value, frozen[name]), name


def test_splitfed_ends_with_the_weights_of_classic_fl() -> None:
    federated, split = results(
        "methods=[classic_fl, splitfed]", LORA, "data.partition=iid"
    ).values()
    assert federated.weights_digest == split.weights_digest is not None
    assert [r.accuracy for r in federated.rounds] == [r.accuracy for r in split.rounds]


def test_gradients_and_optimizers_are_of_what_is_trained() -> None:
    run = Inside(
        "methods=[splitfed]", LORA, "training.optimizer_state=kept", "training.rounds=1"
    ).train()
    for part, names in (("device", trained_names(0, 2)), ("server", trained_names(2, 4))):
        assert run.states[part].keys() == names
        for client in range(3):
            assert len(run.states[f"optimiser/{part}/{client}"]["state"]) == len(names)
        module = run.workspace.module(part, run.states[part])
        assert {n for n, p in module.named_parameters() if p.requires_grad} == names


def test_modules_share_the_frozen_tensors() -> None:
    workspace = Inside("methods=[smofi]", LORA).train(rounds=1).workspace
    modules = [*workspace._spare["device", None]]
    modules.append(workspace.module("device", workspace.states[DEVICE]))
    assert len(modules) == 4  # of three interleaved chains, and of evaluation
    for name in modules[0].state_dict().keys() & workspace.frozen.keys():
        assert len({module.state_dict()[name].data_ptr() for module in modules}) == 1, name


def test_every_method_trains_adapters() -> None:
    few = "training.rounds=1", "data.partition={sizes: [8, 8, 12]}"
    trained = results(f"methods=[{EVERY}]", LORA, *few)
    untrained = results(f"methods=[{EVERY}]", LORA, *few, executor="none")
    for label, result in trained.items():
        assert result.rounds[0].accuracy is not None, label
        assert result.event_digest == untrained[label].event_digest, label
        assert result.learning_digest == untrained[label].learning_digest, label


def test_lanes_train_the_same_weights() -> None:
    """That tasks in other processes train the same bits is tested with all other executions."""
    methods = "methods=[splitfed, {ecofed: {init: random}}]"
    inline, stacked = (results(methods, LORA, executor=name) for name in ("inline", "stacked"))
    for label, result in inline.items():
        losses = [[r.test_loss for r in of.rounds] for of in (result, stacked[label])]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_frozen_tensors_are_rounded_once_to_their_type() -> None:
    half = LORA.replace("trainable", "frozen_type: bfloat16, trainable")
    run = Inside("methods=[classic_fl]", half).train(rounds=1)
    base = build("own_models:tiny_vit", classes=10, seed=0).state_dict()
    for name, value in run.workspace.frozen.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, base[name].bfloat16().float()), name
    plain = only("methods=[classic_fl]", LORA, executor="none")
    assert (
        plain.learning_digest != only("methods=[classic_fl]", half, executor="none").learning_digest
    )


def test_codecs_of_weights_leave_frozen_tensors_alone() -> None:
    run = Inside(
        "methods=[splitfed]", LORA, "codec={weights_up: {int: {bits: 4}}, weights_down: bf16}"
    )
    run.train(rounds=1)
    for module in run.workspace._modules.values():
        for name, value in module.state_dict().items():
            assert name not in run.workspace.frozen or torch.equal(
                value, run.workspace.frozen[name]
            )


BATCH_NORM = "model={name: 'own_models:statistics', cut: 2, frozen: ['first.*', 'middle0.*']}"


def test_frozen_statistics_are_used_and_stay() -> None:
    """The device block is that of a model in evaluation mode; the server trains its own."""
    run = Inside("methods=[splitfed]", BATCH_NORM, "training.optimizer={name: sgd, lr: 0.01}")
    assert run.states["device"] == {}
    start = run.states["server"]
    run.train()
    device = run.workspace.module("device", {})
    base = build("own_models:statistics", classes=10, seed=0).split(2).device.state_dict()
    for name, value in device.state_dict().items():
        assert torch.equal(value, base[name]), name
    trained = run.states["server"]
    assert not torch.equal(trained["blocks.2.1.running_mean"], start["blocks.2.1.running_mean"])
