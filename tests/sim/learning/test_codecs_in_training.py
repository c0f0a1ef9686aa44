"""Codecs in a training: what the receiver has, gradients of what was sent, and what both ends keep."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_runs import Inside, results
from torch import Tensor
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.errors import UserError
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.codecs.codec_operations import adjust, transmit, transmit_shared

CODEC = "codec={up: %s, down: %s}"
METHODS = (
    "methods=[splitfed, splitfed_v2, local_loss, fedgkt, {ecofed: {init: random, bits: null}}, gas,"
    " split_learning]"
)
Weights = dict[str, Tensor]


class Dictionary:
    """Values of samples by client and position, as both ends keep them."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, int], Tensor] = {}

    def of(self, client: int, samples: Tensor, like: Tensor) -> Tensor:
        zero = torch.zeros_like(like[0])
        return torch.stack([self.values.get((client, int(s)), zero) for s in samples])

    def keep(self, client: int, samples: Tensor, values: Tensor) -> None:
        for sample, value in zip(samples, values, strict=True):
            self.values[client, int(sample)] = value.clone()


Transmit = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]


def rounded(x: Tensor, bits: int) -> Tensor:
    levels = 2 ** (bits - 1) - 1
    scale = x.abs().max() / levels
    return (x / scale).round() * scale


def aq_sgd(bits: int) -> Transmit:
    kept, seen = Dictionary(), set[int]()

    def transmit(client: int, samples: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        before = kept.of(client, samples, x)
        known = (client, int(samples[0])) in kept.values
        decoded = before + rounded(x - before, bits) if known else x
        kept.keep(client, samples, decoded)
        seen.add(client)
        return decoded, torch.ones_like(x)

    return transmit


def largest(x: Tensor, k: int) -> Tensor:
    order = x.flatten(1).abs().sort(dim=1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(x.flatten(1)).scatter(1, order, 1.0).reshape(x.shape)


def top_k(share: float) -> Transmit:
    def transmit(client: int, samples: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        mask = largest(x, int(share * x[0].numel()))
        return (x * mask).half().float(), mask

    return transmit


def top_k_with_feedback(share: float) -> Transmit:
    left = Dictionary()

    def transmit(client: int, samples: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        wanted = x + left.of(client, samples, x)
        mask = largest(wanted, int(share * x[0].numel()))
        decoded = (wanted * mask).half().float()
        left.keep(client, samples, wanted - decoded)
        return decoded, mask

    return transmit


def half(client: int, samples: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return x.half().float(), torch.ones_like(x)


def splitfed(run: Inside, up: Transmit, down: Transmit) -> tuple[Weights, Weights]:
    """SplitFed in plain torch, with codecs; only batches and initial weights are the run's own."""
    recipe, feed = run.workspace.recipe, run.workspace.feed
    model = cutlayer.models.catalogue.build(recipe.model, classes=10, seed=recipe.seed)
    split = model.to(memory_format=torch.channels_last).split(1)  # type: ignore[call-overload]
    blocks = split.device, split.server
    shared = tuple({n: w.clone() for n, w in block.state_dict().items()} for block in blocks)
    clients = run.method.world.fleet.clients
    total = sum(client.samples for client in clients)
    for index in range(run.plan.scenario.training.rounds):
        means = tuple({n: torch.zeros_like(w) for n, w in weights.items()} for weights in shared)
        for client in clients:
            for block, weights in zip(blocks, shared, strict=True):
                block.load_state_dict(weights)
            optimizers = [torch.optim.SGD(b.parameters(), lr=0.05, momentum=0.9) for b in blocks]
            for position, size in enumerate(client.batch_sizes):
                batch = Batch(position, 0, position, size)
                images, labels = feed.batch(client.index, index, batch)
                samples = feed.samples(client.index, index, batch)
                activation = blocks[0](images)
                received, mask = up(client.index, samples, activation.detach())
                received.requires_grad_()
                functional.cross_entropy(blocks[1](received), labels).backward()
                assert received.grad is not None
                gradient, _ = down(client.index, samples, received.grad)
                activation.backward(gradient * mask)
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            for block, mean in zip(blocks, means, strict=True):
                for name, weight in block.state_dict().items():
                    mean[name] += weight * client.samples / total
        shared = means
    return shared  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("written", "up", "down"),
    [
        (("{aq_sgd: {bits: 4}}", "fp16"), lambda: aq_sgd(4), lambda: half),
        (("{top_k: {share: 0.25}}", "kept"), lambda: top_k(0.25), lambda: half),
        (
            ("identity", "{top_k: {share: 0.25, feedback: true}}"),
            lambda: lambda _, __, x: (x, torch.ones_like(x)),
            lambda: top_k_with_feedback(0.25),
        ),
        (
            ("{top_k: {share: 0.25}}", "{top_k: {share: 0.5}}"),
            lambda: top_k(0.25),
            lambda: top_k(0.5),
        ),
    ],
    ids=["residuals", "masked gradients", "error feedback", "places of both directions"],
)
def test_splitfed_with_codecs_is_that_in_plain_torch(
    written: tuple[str, str], up: Callable[[], Transmit], down: Callable[[], Transmit]
) -> None:
    run = Inside(CODEC % written).train()
    device, server = splitfed(run, up(), down())
    for name, expected in (("device", device), ("server", server)):
        for key, weight in run.states[name].items():
            assert torch.allclose(weight, expected[key], atol=1e-5), (name, key)


def test_lossless_codecs_change_no_bit() -> None:
    plain = results(METHODS)
    coded = results(METHODS, CODEC % ("identity", "identity"))
    for label, result in plain.items():
        other = coded[label]
        assert other.weights_digest == result.weights_digest, label
        assert other.learning_digest == result.learning_digest
        assert other.event_digest == result.event_digest


def test_codecs_change_learning_digests_of_methods_that_use_them() -> None:
    methods = "methods=[classic_fl, local_loss, splitfed]"
    plain = results(methods, executor="none")
    down = results(methods, CODEC % ("identity", "bf16"), executor="none")
    up = results(methods, CODEC % ("{int: {bits: 8}}", "identity"), executor="none")
    same = {
        name: [other[name].learning_digest == plain[name].learning_digest for other in (down, up)]
        for name in plain
    }
    assert same == {
        "classic_fl": [True, True],
        "local_loss": [True, False],
        "splitfed": [False, False],
    }
    eight = results(methods, CODEC % ("{int: {bits: 4}}", "identity"), executor="none")
    assert eight["splitfed"].learning_digest != up["splitfed"].learning_digest


def test_ecofed_with_the_codec_int_learns_as_with_its_own_quantiser() -> None:
    """Its buffer then holds values of 32 bits instead of packed ones; what is learned is the same."""
    own = results("methods=[{ecofed: {init: random, bits: 6, period: 2}}]")
    codec = results(
        "methods=[{ecofed: {init: random, bits: null, period: 2}}]",
        CODEC % ("{int: {bits: 6}}", "identity"),
    )
    assert codec["ecofed"].weights_digest == own["ecofed"].weights_digest
    upload, replay = zip(own["ecofed"].rounds, codec["ecofed"].rounds, strict=True)
    assert upload[0].wire_up == upload[1].wire_up
    assert upload[0].round_time_s == pytest.approx(upload[1].round_time_s)
    assert replay[0].round_time_s > replay[1].round_time_s  # nothing is dequantised any more


def test_caches_are_states_of_each_client() -> None:
    run = Inside(CODEC % ("{aq_sgd: {bits: 4}}", "bf16"))
    run.train(rounds=1)
    caches = {name: value for name, value in run.states.items() if name.startswith("codec/")}
    assert {name: tuple(value.shape) for name, value in caches.items()} == {
        f"codec/up/{client}": (samples, 6 * 14 * 14) for client, samples in enumerate((10, 20, 30))
    }
    # Batches of 8, and at least 1: every sample has been sent once.
    assert not any(value.isnan().any() for value in caches.values())
    executor = run.method.world.learning.executor
    assert executor is not None
    assert run.workspace.states.kept == len(run.states), "only current versions are kept"


def test_the_first_epoch_is_sent_in_full() -> None:
    """Messages of residuals are small from the second epoch on, in a round or after it."""
    plain, coded = (
        results("training.local_epochs=2", "training.rounds=2", *more, executor="none")["splitfed"]
        for more in ((), (CODEC % ("{aq_sgd: {bits: 4}}", "identity"),))
    )
    values = 60 * 6 * 14 * 14
    saved = [
        one.payload_up - other.payload_up
        for one, other in zip(plain.rounds, coded.rounds, strict=True)
    ]
    assert saved == [values * (32 - 4) / 8, 2 * values * (32 - 4) / 8]


def test_a_correction_adds_the_error_to_the_gradient() -> None:
    """FedLite's rule: the weighed error of the quantisation, over the batch."""
    coder = {"subvectors": 2, "groups": 1, "centroids": 2, "iterations": 3, "correction": 0.5}
    values = torch.tensor([[0.0, 1.0], [4.0, 5.0], [2.0, 7.0]])
    device = SimpleNamespace(pending={3: values})
    run: Any = SimpleNamespace(replicas={"device": device}, kept={})
    spec = {"name": "product_quantisation", **coder}
    received = transmit(run, "up", spec, None, 0, Batch(3, 0, 3, 3), False, values)
    gradient = torch.ones(3, 2)
    assert not torch.equal(received, values)
    right = gradient + 0.5 / 3 * (values - received)
    assert torch.allclose(adjust(run, Batch(3, 0, 3, 3), gradient), right)  # type: ignore[arg-type]
    assert run.kept == {"codec": {}}, "it is used once"


def test_pipar_learns_as_splitfed_with_codecs() -> None:
    codec = CODEC % ("{aq_sgd: {bits: 4}}", "{top_k: {share: 0.2, feedback: true}}")
    splitfed, pipar = results("methods=[splitfed, {pipar: {micro_batches: 3}}]", codec).values()
    assert splitfed.weights_digest == pipar.weights_digest is not None


def test_multicast_gradients_of_one_client_are_those_of_splitfed() -> None:
    one = (
        "topology.star.clients.0.count=1",
        "data.partition={sizes: [30]}",
        "data.train_samples=30",
    )
    codec = CODEC % ("{top_k: {share: 0.5}}", "{int: {bits: 6}}")
    plain, shared = results("methods=[splitfed, sfl_ga]", codec, *one).values()
    assert plain.weights_digest == shared.weights_digest is not None


def test_receivers_of_a_multicast_have_the_same_rows() -> None:
    values = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    same = values[0, :4]
    gradients = [torch.cat([same, values[1]]), torch.cat([same, values[2]]), same[:3]]
    spec = {"name": "int", "bits": 4, "per": "tensor"}
    run: Any = None
    received = transmit_shared(run, spec, 4, *gradients)
    alone = transmit_shared(run, spec, 0, same)
    for own, sent in zip(received, gradients, strict=True):
        assert own.shape == sent.shape
        assert torch.equal(own[:4], alone[: len(own)])
    for own, sent in zip(received[:2], values[1:], strict=True):
        assert torch.equal(own[4:], transmit_shared(run, spec, 0, sent))


def test_diverged_values_end_in_one_message() -> None:
    with pytest.raises(UserError, match="training has diverged"):
        results(
            CODEC % ("{int: {bits: 8}}", "identity"), "training.optimizer={name: sgd, lr: 1.0e30}"
        )
