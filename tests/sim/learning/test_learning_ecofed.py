"""EcoFed on tensors: the frozen block, the quantiser and the replay buffer."""

from pathlib import Path

import pytest
import torch
from tiny_runs import Inside, key, keys, only, tiny
from torch import Tensor, nn
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer import ScenarioError, load_scenario
from cutlayer.models.pretrained import save_weights
from cutlayer.models.quantise import Quantised, dequantise, quantise
from cutlayer.models.weights_files import load_weights, shipped
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.initial import initial_weights
from cutlayer.sim.methods.registry import options_of

RANDOM = "methods=[{ecofed: {init: random}}]"


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def blocks() -> tuple[nn.Module, nn.Module]:
    model = cutlayer.models.catalogue.build("lenet", classes=10, seed=0)
    device, server = model.to(memory_format=torch.channels_last).split(1)  # type: ignore[call-overload]
    return device, server


def test_the_device_block_never_changes_and_the_server_block_does() -> None:
    run = Inside(RANDOM, "training.rounds=3")
    device, server = copied(run.states["device"]), copied(run.states["server"])
    run.train()
    assert equal(run.states["device"], device)
    assert not any(torch.equal(run.states["server"][name], server[name]) for name in server)


def test_a_buffer_holds_the_quantised_activations_of_every_batch_in_order() -> None:
    run = Inside(RANDOM).train(rounds=1)
    device, _ = blocks()
    for client in run.method.world.fleet.clients:
        buffer = run.states[f"buffer/{client.index}"]
        assert [len(labels) for _, labels in buffer] == list(client.batch_sizes)
        for batch, (entry, labels) in zip(client.batches, buffer, strict=True):
            images, expected_labels = run.workspace.feed.batch(client.index, 0, batch)
            assert isinstance(entry, Quantised)
            assert entry.bits == 8
            with torch.no_grad():
                activation = device(images)
            assert torch.equal(dequantise(entry), dequantise(quantise(activation, 8)))
            assert torch.equal(labels, expected_labels)
            error = (dequantise(entry) - activation).abs().max()
            assert 0 < error <= entry.scale * 0.5001


def test_without_bits_the_buffer_holds_the_activations_themselves() -> None:
    run = Inside("methods=[{ecofed: {init: random, bits: null}}]").train(rounds=1)
    device, _ = blocks()
    client = run.method.world.fleet.clients[0]
    for batch, (entry, _) in zip(client.batches, run.states["buffer/0"], strict=True):
        with torch.no_grad():
            assert torch.equal(entry, device(run.workspace.feed.batch(0, 0, batch)[0]))


def server_in_plain_torch(start: dict[str, Tensor], run: Inside) -> dict[str, Tensor]:
    """A round of training on the contents of the buffers, and the mean of the resulting weights."""
    mean = {name: torch.zeros_like(value) for name, value in start.items()}
    for client, samples in ((0, 10), (1, 20), (2, 30)):
        _, server = blocks()
        server.load_state_dict(start)
        sgd = torch.optim.SGD(server.parameters(), lr=0.05, momentum=0.9)
        for entry, labels in run.states[f"buffer/{client}"]:
            sgd.zero_grad()
            functional.cross_entropy(server(dequantise(entry)), labels).backward()
            sgd.step()
        for name, value in server.state_dict().items():
            mean[name] += value * (samples / 60)
    return mean


def test_upload_and_replay_rounds_train_on_the_buffered_values() -> None:
    run = Inside(RANDOM)
    seen: list[dict[str, Tensor]] = [copied(run.states["server"])]
    buffers: list[list[int]] = []

    def look(_: object) -> None:
        seen.append(copied(run.states["server"]))
        buffers.append([id(entry) for entry, _ in run.states["buffer/1"]])
        expected = server_in_plain_torch(seen[-2], run)
        for name, value in expected.items():
            torch.testing.assert_close(seen[-1][name], value, rtol=1e-5, atol=1e-6)

    run.train(rounds=4, round_closed=look)
    assert [closed.round_type for closed in run.result.rounds] == [
        "upload",
        "replay",
        "upload",
        "replay",
    ]
    assert buffers[0] == buffers[1]
    assert buffers[2] == buffers[3]
    assert not set(buffers[0]) & set(buffers[2])


def test_activations_are_uploaded_once_a_period() -> None:
    for period, kinds in ((1, "uuuu"), (2, "urur"), (3, "urru"), (9, "urrr")):
        run = only(
            f"methods=[{{ecofed: {{init: random, period: {period}}}}}]",
            "training.rounds=4",
            executor="none",
        )
        assert "".join(closed.round_type[0] for closed in run.rounds) == kinds


def test_a_client_without_a_buffer_sits_out_replay_rounds_or_uploads() -> None:
    drawn = "training.clients_per_round=1"
    sitting = Inside(RANDOM, drawn).train(rounds=8)
    owners = {int(name.split("/")[1]) for name in sitting.states if name.startswith("buffer/")}
    uploaders = [sitting.method.world.fleet.sample(index)[0] for index in range(0, 8, 2)]
    assert owners == set(uploaders)
    rest = "methods=[{ecofed: {init: random, period: 100, upload_when_unbuffered: true}}]"
    uploading = Inside(rest, drawn).train(rounds=8)
    everybody = {uploading.method.world.fleet.sample(index)[0] for index in range(8)}
    assert len(everybody) > 1
    assert {name for name in uploading.states if name.startswith("buffer/")} == {
        f"buffer/{client}" for client in everybody
    }
    assert sum(closed.wire_up > 10_000 for closed in uploading.result.rounds) == len(everybody)


def test_the_number_of_bits_changes_the_servers_weights() -> None:
    weights = {
        bits: only(f"methods=[{{ecofed: {{init: random, bits: {bits}}}}}]").weights_digest
        for bits in ("null", 8, 4, 16)
    }
    assert len(set(weights.values())) == 4


def test_options_of_time_and_bytes_do_not_change_the_weights() -> None:
    plain = only(RANDOM)
    for switch in ("download_device_block: true", "control_messages: false"):
        other = only(f"methods=[{{ecofed: {{init: random, {switch}}}}}]")
        assert other.weights_digest == plain.weights_digest
        assert other.learning_digest == plain.learning_digest
        assert other.wire_bytes != plain.wire_bytes


def started(init: str, cut: int, weights: Path | str | None = None) -> dict[str, Tensor]:
    """The initial weights of VGG5 under EcoFed."""
    given = "" if weights is None else f", weights: {weights}"
    loaded = tiny(
        "model.name=vgg5", f"model.cut={cut}", f"methods=[{{ecofed: {{init: {init}{given}}}}}]"
    )
    (plan,) = plan_checked(loaded, trains=True)
    method, options = options_of(loaded.scenario.methods[0])
    recipe = plan.recipe(method, "ecofed", options)
    states, frozen = initial_weights(recipe, method, options, cut=cut)
    assert not frozen
    assert set(states) == {*keys("device", "server")}
    return states[key("device")] | states[key("server")]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_init_options_load_the_documented_blocks(cut: int) -> None:
    drawn = cutlayer.models.catalogue.build("vgg5", classes=10, seed=0)
    path = shipped("vgg5")
    assert path is not None
    pretrained, _ = load_weights(path)
    features = set(drawn.split(drawn.feature_blocks).device.state_dict())
    assert pretrained.keys() == features
    for init, loaded in (
        ("random", set()),
        ("partial", set(drawn.split(cut).device.state_dict())),
        ("holistic", features),
    ):
        for name, value in started(init, cut).items():
            source = pretrained if name in loaded else drawn.state_dict()
            assert torch.equal(value, source[name]), (init, name)


def test_init_loads_the_file_given_as_weights(tmp_path: Path) -> None:
    path = shipped("vgg5")
    assert path is not None
    twos = {name: torch.full_like(value, 2) for name, value in load_weights(path)[0].items()}
    save_weights(tmp_path / "twos.safetensors", twos, {})
    states = started("partial", 1, tmp_path / "twos.safetensors")
    drawn = cutlayer.models.catalogue.build("vgg5", classes=10, seed=0)
    inside = set(drawn.split(1).device.state_dict())
    assert all((states[name] == 2).all() for name in inside)
    assert not any((states[name] == 2).all() for name in states.keys() - inside)


def test_the_shipped_block_stays_unchanged() -> None:
    run = Inside("model.name=vgg5", "methods=[ecofed]").train(rounds=1)
    pretrained, _ = load_weights(shipped("vgg5"))  # type: ignore[arg-type]
    for name, value in run.states["device"].items():
        assert torch.equal(value, pretrained[name])


def test_weights_that_random_initialisation_would_ignore_are_refused():
    with pytest.raises(ScenarioError, match="weights: has no effect with init: random"):
        load_scenario("quickstart", ["methods=[{ecofed: {init: random, weights: vgg5}}]"])
