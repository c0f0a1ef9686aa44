"""PyTorch's default BatchNorm: running statistics are sent, averaged and used in evaluation."""

import pytest
import torch
from tiny_runs import METHODS, Inside, keys, only, results
from torch import Tensor
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.learning.aggregation import FEDAVG
from cutlayer.sim.learning.chain import Batch

STATISTICS = "model={name: 'own_models:statistics', cut: 2}"
FLAT = "model={name: 'own_models:flat_statistics', cut: 2}"
GENTLE = "training.optimizer={name: sgd, lr: 0.01, momentum: 0.5}"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", [STATISTICS, FLAT])
def test_every_method_trains_them_and_evaluates_with_them(method: str, model: str) -> None:
    run = Inside(f"methods=[{method}]", model, GENTLE)
    before = {name: value.clone() for name, value in run.states["server"].items()}
    device = {name: value.clone() for name, value in run.states["device"].items()}
    run.train()
    (*_, last) = run.result.rounds
    assert last.accuracy is not None
    own = "device/0" if "exchange" in method else "device"
    trained = run.states[own] | run.states["server"]
    for name, value in (before | device).items():
        if name.endswith(("running_mean", "running_var")):
            frozen = "ecofed" in method and name in device
            assert torch.equal(trained[name], value) == frozen, name
            assert trained[name].isfinite().all()
    for name, value in trained.items():
        assert value.dtype == (before | device)[name].dtype, name


@pytest.mark.parametrize("model", [STATISTICS, FLAT])
@pytest.mark.parametrize("cut", [1, 2])
def test_split_training_ends_with_the_weights_and_statistics_of_classic_fl(
    model: str, cut: int
) -> None:
    federated, split = results(
        "methods=[classic_fl, splitfed]", model, f"model.cut={cut}", GENTLE, "data.partition=iid"
    ).values()
    assert federated.weights_digest == split.weights_digest is not None
    assert federated.curve == split.curve == [] or [a for _, a in federated.curve] == [
        a for _, a in split.curve
    ]


def fedavg_in_plain_torch(run: Inside, rounds: int) -> dict[str, Tensor]:
    """Weights and running statistics are weighted means, counts are maxima."""
    feed = run.workspace.feed
    model = cutlayer.models.catalogue.build("own_models:statistics", classes=10, seed=0)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    for index in range(rounds):
        members = []
        for client in run.method.world.fleet.clients:
            model.load_state_dict(weights)
            model.train()
            sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
            for position, size in enumerate(client.batch_sizes):
                images, labels = feed.batch(client.index, index, Batch(0, 0, position, size))
                sgd.zero_grad()
                functional.cross_entropy(model(images), labels).backward()
                sgd.step()
            members.append({name: value.clone() for name, value in model.state_dict().items()})
        for name, value in weights.items():
            if value.is_floating_point():
                shares = zip(members, (1 / 6, 2 / 6, 3 / 6), strict=True)
                weights[name] = sum(share * member[name] for member, share in shares)  # type: ignore[assignment]
            else:
                weights[name] = members[2][name]  # the client with 30 samples has the most batches
    return weights


def test_fedavg_of_running_statistics_and_counts() -> None:
    run = Inside("methods=[splitfed]", STATISTICS, GENTLE).train()
    expected = fedavg_in_plain_torch(run, 2)
    trained = run.states["device"] | run.states["server"]
    assert trained.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(trained[name], value, rtol=1e-5, atol=1e-6)
    # Batches of 8 from shards of 10, 20 and 30 samples: at most 4 in a round, 8 in two.
    assert trained["blocks.1.1.num_batches_tracked"].item() == 8
    assert trained["blocks.2.2.calls"].item() == 8
    assert trained["blocks.2.2.trained"].item() is True
    assert trained["blocks.2.2.places"].tolist() == [0, 1, 2, 3, 4]


def test_evaluation_uses_the_running_statistics() -> None:
    """In plain torch, image by image, which batch statistics would not allow."""
    run = Inside("methods=[splitfed]", STATISTICS, GENTLE).train()
    model = cutlayer.models.catalogue.build("own_models:statistics", classes=10, seed=0)
    model.load_state_dict(run.states["device"] | run.states["server"])
    model.eval()
    right = []
    with torch.no_grad():
        for images, labels in run.workspace.feed.test_batches:
            for image, label in zip(images, labels, strict=True):
                right.append(model(image[None]).argmax().item() == label.item())
    executor = run.method.world.learning.executor
    assert executor is not None
    found = executor.evaluate([keys("device", "server")], [1]).result()
    assert found.accuracy == sum(right) / len(right)
    assert sum(found.confusion[label][label] for label in range(10)) == sum(right)
    assert sum(map(sum, found.confusion)) == len(right)
    assert len(right) == 20


def test_ecofeds_frozen_block_keeps_its_statistics() -> None:
    run = Inside("methods=[{ecofed: {init: random, bits: null}}]", STATISTICS, GENTLE)
    model = cutlayer.models.catalogue.build("own_models:statistics", classes=10, seed=0)
    start = {name: value.clone() for name, value in run.states["device"].items()}
    run.train(rounds=1)
    device = model.split(2).device.eval()
    for client in run.method.world.fleet.clients:
        for batch, (activation, labels) in zip(
            client.batches, run.states[f"buffer/{client.index}"], strict=True
        ):
            images, expected = run.workspace.feed.batch(client.index, 0, batch)
            with torch.no_grad():
                torch.testing.assert_close(activation, device(images), rtol=1e-6, atol=1e-6)
            assert torch.equal(labels, expected)
    for name, value in start.items():
        assert torch.equal(run.states["device"][name], value), name


def test_a_last_batch_of_one_sample_is_dropped_if_batchnorm_needs_two() -> None:
    run = Inside(FLAT, GENTLE, "data.partition={sizes: [9, 17, 16]}")
    assert [c.batch_sizes for c in run.method.world.fleet.clients] == [(8,), (8, 8), (8, 8)]
    run.train()
    # At most 2 batches a round, 4 in two rounds: the count of the largest member.
    assert run.states["device"]["blocks.1.0.num_batches_tracked"].item() == 4


def test_messages_of_weights_include_the_buffers() -> None:
    """Device block: 196 + 148 weights and 8 of BatchNorm; statistics 2 x 4 x 4 B, one count 8 B.

    Its tensors are 4 of the convolutions and 5 of BatchNorm, each with its framing.
    """
    run = Inside("methods=[splitfed]", STATISTICS, GENTLE)
    message = run.method.world.costs[2].weights("device")
    assert message.payload_bytes == 4 * (196 + 148 + 8) + 32 + 8
    framing = wire.STATE_FRAMING + 9 * wire.TENSOR_FRAMING
    assert message.wire_bytes == message.payload_bytes + framing
    state = run.states["device"]
    assert message.payload_bytes == sum(value.nbytes for value in state.values())
    assert len(state) == 9
    first = only("methods=[splitfed]", STATISTICS, GENTLE, "training.rounds=1", executor="none")
    (closed,) = first.rounds
    # Up, each client: the block once, and 9 batches of activations (4x8x8 floats) with labels.
    activations = 60 * (4 * 256 + 8)
    assert closed.payload_up == 3 * message.payload_bytes + activations


def test_models_without_buffers_add_no_bytes() -> None:
    run = Inside("methods=[splitfed]", "model.name=vgg5")
    assert set(run.method.world.costs[1].buffer_bytes.values()) == {0}


def test_averages_of_integers_are_their_maximum() -> None:
    total: dict[str, Tensor] = {}
    members = [
        {"n": torch.tensor([5, 7, 0]), "b": torch.tensor([True, False]), "w": torch.tensor(4.0)},
        {"n": torch.tensor([5, 2, 9]), "b": torch.tensor([False, False]), "w": torch.tensor(8.0)},
    ]
    for member, share in zip(members, (0.75, 0.25), strict=True):
        FEDAVG.add(total, member, share)
    assert total["n"].tolist() == [5, 7, 9]
    assert total["n"].dtype == torch.int64
    assert total["b"].tolist() == [True, False]
    assert total["w"].item() == 5.0


def test_the_digest_is_the_same_without_tensors() -> None:
    methods = f"methods=[{', '.join(m for m in METHODS if 'exchange' not in m)}]"
    trained, counted = (
        results(methods, STATISTICS, GENTLE, executor=executor) for executor in ("inline", "none")
    )
    for label, result in trained.items():
        assert result.learning_digest == counted[label].learning_digest is not None
        assert result.event_digest == counted[label].event_digest
