"""Plain modules in training: skip connections across the cut, in every executor."""

import sys
from pathlib import Path

import pytest
import torch
from tiny_runs import Inside, results
from torch import Tensor

NETS = Path(__file__).parents[2] / "models" / "traced"
RESNET = "model={name: 'traced_nets:ResNet', cut: layer1.0.bn1}"
GENTLE = "training.optimizer={name: sgd, lr: 0.01, momentum: 0.5}"


@pytest.fixture(autouse=True)
def nets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(NETS)
    monkeypatch.setattr(sys, "path", list(sys.path))


def trained(net: str, cut: str, *more: str) -> list[dict[str, Tensor]]:
    """The shared weights that classic FL and SplitFed end with."""
    data = f"traced_data:{'texts' if net == 'GPT' else 'images'}"
    changes = (
        f"data={{dataset: '{data}', partition: {{sizes: [12, 12, 8]}}}}",
        f"model={{name: 'traced_nets:{net}', cut: {cut}}}",
        "training.batch_size=4",
        *more,
    )
    federated, split = (
        Inside(f"methods=[{method}]", GENTLE, *changes).train().states
        for method in ("classic_fl", "splitfed")
    )
    return [federated["device"], split["device"] | split["server"]]


@pytest.mark.parametrize(
    ("net", "cut"),
    [
        ("ResNet", "layer1.0.bn1"),
        ("UNet", "middle.0"),
        ("UNet", "dec2.0"),
        ("GPT", "layers.0.attention"),
        ("ViT", "encoder.layers.0"),
        ("MobileNet", "features.1.conv.3"),
        ("LSTM", "first"),
    ],
)
def test_splitfed_ends_with_the_weights_of_classic_fl(net: str, cut: str) -> None:
    """Bit by bit, within residual blocks and attention, across skips, and between recurrent layers."""
    federated, split = trained(net, cut)
    assert federated.keys() == split.keys()
    for name, value in federated.items():
        assert torch.equal(split[name], value), name


@pytest.mark.parametrize(("memory_format", "error"), [("contiguous", 0), ("channels_last", 1e-6)])
def test_a_gradient_that_is_sent_has_the_memory_format_of_the_activation(
    memory_format: str, error: float
) -> None:
    """That of a global average pool is contiguous, so that in channels_last sums have another order."""
    federated, split = trained("MobileNet", "features", f"numerics.memory_format={memory_format}")
    for name, value in federated.items():
        torch.testing.assert_close(split[name], value, rtol=0, atol=error)


def test_what_crosses_is_sent_and_returned() -> None:
    """At `layer1.0.bn1` the block's input and the output of `bn1` cross: 2 x 4 maps of 32 x 32."""
    run = Inside(RESNET)
    costs = run.method.world.costs[4]
    assert costs.activation_shape == (2 * 4 * 32 * 32,)
    assert run.plan.model.name == "traced_nets:ResNet@layer1.0.bn1"


def test_worker_processes_train_the_same_bits() -> None:
    overrides = ("methods=[splitfed]", RESNET, GENTLE, "training.rounds=1")
    (reference,) = results(*overrides).values()
    (found,) = results(*overrides, executor="processes").values()
    assert found.weights_digest == reference.weights_digest is not None
    assert found.curve == reference.curve


def test_replayed_and_quantised_activations_of_several_tensors() -> None:
    found = results("methods=[{ecofed: {init: random, bits: 8}}, local_loss]", RESNET, GENTLE)
    assert all(result.rounds[-1].accuracy is not None for result in found.values())
