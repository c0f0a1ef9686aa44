"""Clients of different cuts: every block is folded over the members that trained it.

The slow twin keeps whole models as flat dictionaries. Client 1 has the deepest cut, so that it and the
others train different blocks where devices train none (EcoFed), and different heads (local loss).
"""

from collections import defaultdict
from collections.abc import Sequence

import pytest
import torch
from test_parity import in_double
from tiny_runs import Inside, only, results, tiny
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import cutlayer.models.catalogue
from cutlayer.models import auxiliary_head
from cutlayer.models.model import Model
from cutlayer.sim.learning.mixed_cuts import MixedCuts
from cutlayer.sim.learning.state_key import DEVICE, FROZEN, HEAD, SERVER, StateKey

Weights = dict[str, Tensor]

CUTS = (1, 3, 2)
VGG5 = ("model.name=vgg5", "training.rounds=2")
MIXED = (*VGG5, "model.cut={raspberry-pi-4b-0: 1, raspberry-pi-4b-1: 3, default: 2}")
METHODS = ("splitfed", "local_loss", "fedgkt", "{ecofed: {init: random}}")


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("training.optimizer_state=kept", "training.averaging=equal"),
        ("training.optimizer={name: adam, lr: 0.01}", "training.clients_per_round=2"),
    ],
)
@pytest.mark.parametrize("aggregation", ["fedavg", "{fedyogi: {lr: 0.05}}"])
def test_splitfed_with_mixed_cuts_gives_the_weights_of_classic_fl(
    settings: Sequence[str], aggregation: str
) -> None:
    """A cut changes no mathematics: bit for bit."""
    classic, mixed = (
        only(f"methods=[{{{method}: {{aggregation: {aggregation}}}}}]", *of_cuts, *settings)
        for method, of_cuts in (("classic_fl", VGG5), ("splitfed", MIXED))
    )
    assert mixed.weights_digest == classic.weights_digest
    assert [r.accuracy for r in mixed.rounds] == [r.accuracy for r in classic.rounds]
    assert mixed.learning_digest != classic.learning_digest


def model_of(run: Inside) -> Model:
    """The model with the initial weights of a run, which has not begun."""
    model = cutlayer.models.catalogue.build("vgg5", classes=10, seed=0).double()
    states = [run.states[f"model.{block}"] for block in range(len(model))]
    model.load_state_dict({name: value for state in states for name, value in state.items()})
    return model


def sgd(*modules: nn.Module) -> torch.optim.SGD:
    parameters = [weight for module in modules for weight in module.parameters()]
    return torch.optim.SGD(parameters, lr=0.02, momentum=0.9, weight_decay=0.01)


def step(loss: Tensor, optimizer: torch.optim.SGD) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def mean(members: Sequence[tuple[float, Weights]]) -> Weights:
    total = sum(samples for samples, _ in members)
    return {
        name: sum(samples / total * weights[name] for samples, weights in members)  # type: ignore[misc]
        for name in members[0][1]
    }


def batches_of(run: Inside, client: int, index: int) -> list[tuple[Tensor, Tensor]]:
    feed = run.workspace.feed
    batches = run.method.world.fleet.clients[client].batches
    return [(x.double(), y) for x, y in (feed.batch(client, index, batch) for batch in batches)]


def twin(run: Inside, *, local_loss: bool) -> tuple[Weights, dict[int, Weights]]:
    """Local loss, or EcoFed without quantiser and replay; returns all blocks, and the heads by cut."""
    initial = model_of(run)
    current = {name: value.clone() for name, value in initial.state_dict().items()}
    heads: dict[int, Weights] = {}
    if local_loss:
        heads = {cut: {**run.states[f"head@{cut}"]} for cut in CUTS}
    fleet = run.method.world.fleet
    for index in range(4):
        trained: defaultdict[str, list[tuple[float, Weights]]] = defaultdict(list)
        of_heads: defaultdict[int, list[tuple[float, Weights]]] = defaultdict(list)
        for client in fleet.sample(index):
            cut, samples = CUTS[client], fleet.clients[client].samples
            model = cutlayer.models.catalogue.build("vgg5", classes=10, seed=0).double()
            model.load_state_dict(current if local_loss else initial.state_dict())
            near = nn.Sequential(*model.blocks[:cut])
            if not local_loss:
                model.load_state_dict({**current})
                near = nn.Sequential(*initial.blocks[:cut]).eval()
            far = nn.Sequential(*model.blocks[cut:])
            on_server, on_device = sgd(far), None
            if local_loss:
                head = auxiliary_head(initial.activation_shape(cut), 10, seed=0).double()
                head.load_state_dict(heads[cut])
                on_device = sgd(near, head)
            for images, labels in batches_of(run, client, index):
                activation = near(images)
                if on_device is not None:
                    step(cross_entropy(head(activation), labels), on_device)
                step(cross_entropy(far(activation.detach()), labels), on_server)
            for name, value in model.state_dict().items():
                if local_loss or int(name.split(".")[1]) >= cut:
                    trained[name].append((samples, {name: value.clone()}))
            if local_loss:
                of_heads[cut].append((samples, dict(head.state_dict())))
        for members in trained.values():
            current |= mean(members)
        heads |= {cut: mean(members) for cut, members in of_heads.items()}
    return current, heads


@pytest.mark.parametrize(
    ("method", "local_loss"),
    [("local_loss", True), ("{ecofed: {init: random, bits: null, period: 1}}", False)],
)
def test_blocks_of_different_depth_are_those_of_the_slow_twin(
    method: str, local_loss: bool
) -> None:
    run = in_double(
        method, False, False, "vgg5", "{default: 2, raspberry-pi-4b-0: 1, raspberry-pi-4b-1: 3}"
    )
    weights, heads = twin(run, local_loss=local_loss)
    before = model_of(run).state_dict()
    run.train()
    trained = {k: v for block in range(5) for k, v in run.states[f"model.{block}"].items()}
    assert trained.keys() == weights.keys()
    for name, value in trained.items():
        torch.testing.assert_close(value, weights[name], rtol=0, atol=1e-12)
        assert torch.equal(value, before[name]) == (not local_loss and name.startswith("blocks.0."))
    for cut, head in heads.items():
        for name, value in run.states[f"head@{cut}"].items():
            torch.testing.assert_close(value, head[name], rtol=0, atol=1e-12)


def test_ecofed_is_evaluated_with_the_model_of_every_cut() -> None:
    """Devices keep the initial blocks; the accuracy is the mean over the clients."""
    run = Inside(*MIXED, "methods=[{ecofed: {init: random}}]")
    initial = {f"model.{block}": run.states[f"model.{block}"] for block in range(5)}
    run.train()
    assert all(
        torch.equal(value, initial[f"model.{block}"][name])
        for block in range(3)
        for name, value in run.states[f"frozen/model.{block}"].items()
    )
    accuracies = []
    for cut in CUTS:
        model = cutlayer.models.catalogue.build("vgg5", classes=10, seed=0)
        kept = [initial[f"model.{b}"] if b < cut else run.states[f"model.{b}"] for b in range(5)]
        model.load_state_dict({name: value for state in kept for name, value in state.items()})
        model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        right = total = 0
        for images, labels in run.workspace.feed.test_batches:
            right += int((model(images).argmax(dim=1) == labels).sum())
            total += len(labels)
        accuracies.append(right / total)
    assert len(set(accuracies)) > 1
    assert run.result.rounds[-1].accuracy == pytest.approx(sum(accuracies) / 3)


@pytest.mark.parametrize("method", METHODS)
def test_digests_are_those_of_a_run_without_tensors(method: str) -> None:
    trained, counted = (
        only(*MIXED, f"methods=[{method}]", executor=executor) for executor in ("inline", "none")
    )
    assert trained.event_digest == counted.event_digest
    assert trained.learning_digest == counted.learning_digest
    assert trained.learning_digest is not None


@pytest.mark.parametrize("method", METHODS)
def test_other_cuts_are_another_training_and_equal_ones_the_same(method: str) -> None:
    def digests(cut: str, *overrides: str) -> tuple[str | None, str | None]:
        result = only(*VGG5, f"model.cut={cut}", f"methods=[{method}]", *overrides, executor="none")
        return result.learning_digest, result.event_digest

    one = digests("{raspberry-pi-4b-0: 1, default: 2}")
    same = digests("{raspberry-pi-4b-0: 1, raspberry-pi-4b-1: 2, raspberry-pi-4b-2: 2}")
    assert one == same
    others = [digests(cut)[0] for cut in ("1", "2", "{raspberry-pi-4b-1: 1, default: 2}")]
    assert len({one[0], *others}) == 4
    slow = digests("{raspberry-pi-4b-0: 1, default: 2}", "scale.links=0.1")
    assert (slow[0], slow[1] != one[1]) == (one[0], True)


def test_a_single_cut_by_names_is_the_training_of_the_plain_cut() -> None:
    plain, named = (
        results(*VGG5, f"model.cut={cut}", "methods=[splitfed, {ecofed: {init: random}}]")
        for cut in ("2", "{default: 2}")
    )
    for label in plain:
        assert plain[label].learning_digest == named[label].learning_digest
        assert plain[label].weights_digest == named[label].weights_digest


def test_partial_weights_end_at_the_largest_cut() -> None:
    run = Inside(*MIXED, "methods=[{ecofed: {init: partial}}]")
    random = Inside(*MIXED, "methods=[{ecofed: {init: random}}]")
    for block in range(5):
        one, other = (r.states[f"model.{block}"] for r in (run, random))
        assert all(torch.equal(one[name], other[name]) for name in one) == (block >= 3)


def test_parts_stand_for_the_blocks_of_a_cut() -> None:
    mixed = MixedCuts(blocks=3, cuts=(1, 2), freezes_device=False)
    block = [StateKey("model", block=number) for number in range(3)]
    assert mixed.expanded((DEVICE, HEAD, SERVER), 1) == [
        block[0],
        StateKey("head", cut=1),
        *block[1:],
    ]
    assert mixed.expanded((SERVER,), 3) == []
    buffer = StateKey("buffer", 7)
    assert mixed.expanded((buffer,), 2) == [buffer]
    frozen = MixedCuts(blocks=3, cuts=(1, 2), freezes_device=True)
    held = [key.of_kind(FROZEN) for key in block]
    assert frozen.expanded((DEVICE, SERVER), 2) == [*held[:2], block[2]]
    models = [(held[0], *block[1:]), (*held[:2], block[2])]
    assert frozen.models([(DEVICE, SERVER)], {2: 1, 1: 4}) == (models, [4, 1])


def test_the_tiny_scenario_has_the_clients_of_this_file() -> None:
    assert tiny().scenario.client_count == len(CUTS)
