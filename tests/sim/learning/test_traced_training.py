"""Plain modules in training: skip connections across the cut, in every executor."""

import sys
from pathlib import Path

import pytest
from tiny_runs import Inside, results

NETS = Path(__file__).parents[2] / "models" / "traced"
RESNET = "model={name: 'traced_nets:ResNet', cut: layer1.0.bn1}"
IID = "data.partition=iid"
GENTLE = "training.optimizer={name: sgd, lr: 0.01, momentum: 0.5}"


@pytest.fixture(autouse=True)
def nets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(NETS)
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_splitfed_ends_with_the_weights_of_classic_fl_within_a_residual_block() -> None:
    federated, split = results("methods=[classic_fl, splitfed]", RESNET, GENTLE, IID).values()
    assert federated.weights_digest == split.weights_digest is not None
    assert federated.wire_bytes != split.wire_bytes


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
