"""Encoded weights: what both ends have, the bytes of the messages, and the time of encoding."""

import pytest
import torch
from tiny_runs import Inside, only, results
from torch import Tensor
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.errors import UserError
from cutlayer.sim.endpoints.payload import SCALE_FRAMING
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.methods.registry import METHODS

BOTH = "codec={weights_up: {int: {bits: 8}}, weights_down: fp16}"
CLASSIC = "methods=[classic_fl]"
ROUNDS = 2
CLIENTS = 3
UP, DOWN = 10e6, 25e6  # bit/s of the scenario's 4g links
Weights = dict[str, Tensor]


def in_8_bits(x: Tensor) -> Tensor:
    scale = x.abs().max() / 127
    return (x / scale).round() * scale


def classic_fl(run: Inside, mu: float = 0.0) -> Weights:
    """FedAvg or FedProx in plain torch; the weights go down in half precision and up in 8 bits."""
    recipe, feed = run.workspace.recipe, run.workspace.feed
    model = cutlayer.models.catalogue.build(recipe.model, classes=10, seed=recipe.seed)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shared = {name: weight.clone() for name, weight in model.state_dict().items()}
    clients = run.method.world.fleet.clients
    total = sum(client.samples for client in clients)
    for index in range(ROUNDS):
        mean = {name: torch.zeros_like(weight) for name, weight in shared.items()}
        for client in clients:
            received = {name: weight.half().float() for name, weight in shared.items()}
            model.load_state_dict(received)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
            for position, size in enumerate(client.batch_sizes):
                images, labels = feed.batch(client.index, index, Batch(position, 0, position, size))
                optimizer.zero_grad()
                functional.cross_entropy(model(images), labels).backward()
                for name, weight in model.named_parameters():
                    assert weight.grad is not None
                    weight.grad += mu * (weight.detach() - received[name])
                optimizer.step()
            for name, weight in model.state_dict().items():
                mean[name] += in_8_bits(weight) * client.samples / total
        shared = mean
    return shared


@pytest.mark.parametrize(
    ("method", "mu"),
    [("classic_fl", 0.0), ("{fedprox: {mu: 1.0}}", 1.0)],
    ids=["fedavg", "fedprox"],
)
def test_a_training_is_that_in_plain_torch(method: str, mu: float) -> None:
    run = Inside(BOTH, f"methods=[{method}]").train()
    for name, expected in classic_fl(run, mu).items():
        assert torch.allclose(run.states["device"][name], expected, atol=1e-5), name


def sizes() -> list[int]:
    model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    return [parameter.numel() for parameter in model.parameters()]


def test_a_parameter_has_its_bits_and_a_tensor_a_scale() -> None:
    plain, coded = only(CLASSIC, executor="none"), only(CLASSIC, BOTH, executor="none")
    for before, after in zip(plain.rounds, coded.rounds, strict=True):
        assert before.payload_up - after.payload_up == CLIENTS * sum(sizes()) * (4 - 1)
        assert before.payload_down - after.payload_down == CLIENTS * sum(sizes()) * (4 - 2)
        scales = CLIENTS * len(sizes()) * SCALE_FRAMING
        assert after.wire_up - after.payload_up - scales == before.wire_up - before.payload_up
        assert after.wire_down - after.payload_down == before.wire_down - before.payload_down


def test_each_end_encodes_and_decodes_once() -> None:
    """A round is longer by this work, and shorter by the bytes that are not sent."""
    one = ("topology.star.clients.0.count=1", "data.partition={sizes: [60]}", CLASSIC)
    plain, coded = (only(*one, *more, executor="none").rounds[0] for more in ((), (BOTH,)))
    run = Inside(*one, BOTH)
    world = run.method.world
    client, node = world.fleet.clients[0], world.server_node
    cut = world.fleet.cuts[0]
    codings = [
        world.codecs.coding_of_weights(direction, sum(sizes()), len(sizes()))
        for direction in ("weights_down", "weights_up")
    ]
    device, server = client.works[cut], node.works[cut]
    works = [
        *(server.encoding(codings[0]), device.decoding(codings[0])),
        *(device.encoding(codings[1]), server.decoding(codings[1])),
    ]
    seconds = sum(work.seconds for work in works)
    assert all(work.seconds > 0 for work in works)
    fewer = (plain.wire_up - coded.wire_up) / UP + (plain.wire_down - coded.wire_down) / DOWN
    assert coded.round_time_s - plain.round_time_s == pytest.approx(seconds - 8 * fewer)


@pytest.mark.parametrize("method", ["splitfed", "local_loss", "{ecofed: {init: random}}"])
def test_identity_changes_nothing(method: str) -> None:
    both = "codec={weights_up: identity, weights_down: identity}"
    plain, coded = only(f"methods=[{method}]"), only(f"methods=[{method}]", both)
    assert plain.learning_digest == coded.learning_digest
    assert plain.weights_digest == coded.weights_digest
    assert plain.event_digest == coded.event_digest


def test_every_method_that_sends_weights_uses_them() -> None:
    """Digests and bytes change in the directions in which a method sends weights.

    EcoFed sends none by default: devices have their block already.
    """
    methods = "methods=[{}]".format(
        ", ".join("{ecofed: {init: random}}" if name == "ecofed" else name for name in METHODS)
    )
    plain = results(methods, executor="none")
    for direction, sent in (("weights_up", "wire_up"), ("weights_down", "wire_down")):
        coded = results(methods, f"codec={{{direction}: bf16}}", executor="none")
        for label, before in plain.items():
            uses = direction in METHODS[before.method].sends and label != "ecofed"
            after = coded[label]
            assert (after.learning_digest != before.learning_digest) == uses, label
            saved = sum(getattr(r, sent) for r in before.rounds) - sum(
                getattr(r, sent) for r in after.rounds
            )
            assert (saved > 0) == uses, label


def test_a_codec_of_weights_that_ecofed_does_not_send_is_refused() -> None:
    with pytest.raises(UserError, match="no method of this scenario sends weights to clients"):
        only("methods=[{ecofed: {init: random}}]", "codec={weights_down: fp16}", executor="none")


def test_a_frozen_block_is_sent_as_its_receiver_uses_it() -> None:
    """EcoFed from a downloaded block in half precision is EcoFed from a rounded block."""
    method = (
        "methods=[{ecofed: {init: random, period: 1, bits: null, download_device_block: true}}]"
    )
    run = Inside(method, "codec={weights_down: fp16}", "training.rounds=1")
    device = {name: value.clone() for name, value in run.states["device"].items()}
    run.train()
    rounded = Inside(method, "training.rounds=1")
    key = next(key for key in rounded.workspace.states if key.text == "device")
    rounded.workspace.states[key] = {n: w.half().float() for n, w in device.items()}
    rounded.train()
    for name, weight in rounded.states["server"].items():
        assert torch.equal(run.states["server"][name], weight), name


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{weights_up: {int: {bits: 8, per: channel}}}", "weights_up: must be per: tensor"),
        ("{weights_up: {top_k: {share: 0.1}}}", "weights_up"),
    ],
)
def test_codecs_that_do_not_fit_are_refused(written: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        results(f"codec={written}", executor="none")


def test_a_codec_without_effect_is_refused() -> None:
    with pytest.raises(UserError, match="has no effect: no method of this scenario sends trained"):
        results("methods=[centralised]", "codec={weights_up: fp16}", executor="none")
