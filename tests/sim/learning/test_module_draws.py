"""Random numbers of modules depend on no process, order, other client or cut."""

# ruff: noqa: NPY002 - the tests are about the global generators

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import own_models
import pytest
import torch
from tiny_runs import Inside, keys, only, results
from torch import Tensor, nn

from cutlayer.models import module_cost
from cutlayer.models.draws import borrowed_generators, seed_generators, seed_of
from cutlayer.models.weights_files import load_weights
from cutlayer.sim.data.datasets import describe, load
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.pending import ChainReport, Completed
from cutlayer.sim.learning.pretrain import PretrainRecipe, pretrain
from cutlayer.sim.learning.workspace import Streams

MODELS = ("dropout", "depth", "noise")
ALL = (
    "methods=[classic_fl, splitfed, local_loss, fedgkt, "
    "{fedgkt: {exchange_weights: false}, label: original}, {ecofed: {init: random}}, "
    "split_learning, centralised]"
)
SOME = "methods=[fedgkt, {ecofed: {init: random}}]"
GENTLE = "training.optimizer={name: sgd, lr: 0.01, momentum: 0.5}"


def drawing(model: str) -> tuple[str, ...]:
    return (f"model={{name: 'own_models:{model}', cut: 2}}", GENTLE)


def learnt(*overrides: str) -> dict[str, tuple[str | None, str | None, float | None]]:
    """Digests and the last accuracy of every method."""
    return {
        label: (result.learning_digest, result.weights_digest, result.rounds[-1].accuracy)
        for label, result in results(*overrides).items()
    }


def disturb(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    np.random.standard_normal()  # numpy stores the second number of a pair
    random.seed(seed)
    random.gauss(0, 1)


def outside() -> tuple[object, ...]:
    """The state of the three global generators."""
    state = np.random.get_state(legacy=False)
    assert isinstance(state, dict)
    bits = state["state"]
    return (
        torch.get_rng_state().tolist(),
        random.getstate(),
        bits["key"].tolist(),
        bits["pos"],
        state["has_gauss"],
        state["gauss"],
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_callers_generators_have_no_effect_and_are_unchanged(model: str) -> None:
    with borrowed_generators():
        disturb(1)
        first = learnt(ALL, *drawing(model))
        disturb(2)
        before = outside()
        assert learnt(ALL, *drawing(model)) == first
        assert outside() == before
    assert all(None not in digests for digests in first.values())
    assert (
        len({weights for _, weights, _ in first.values()}) >= len(first) - 1
    )  # all but those that only differ in the cut


PROGRAM = f"""
import sys
import torch
torch.set_num_threads(1)
from test_module_draws import SOME, drawing, learnt
print({{name: learnt(SOME, *drawing(name)) for name in {MODELS}}})
"""


def test_another_process_draws_the_same() -> None:
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here, *here.parents[:3])))
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert process.stdout.strip() == str({name: learnt(SOME, *drawing(name)) for name in MODELS})


def trained(run: Inside, *, backwards: bool) -> dict[int, dict[str, Tensor]]:
    """Each client's device block after a round whose chains run in the given order."""
    executor = run.method.world.learning.executor
    members: dict[int, dict[str, Tensor]] = {}

    def execute(chains: list[Chain], *_: object) -> Completed[list[ChainReport]]:
        for chain in reversed(chains) if backwards else chains:
            at_work = ChainRun(chain, run.workspace)
            at_work.execute()
            members[chain.client] = at_work.replica("device").state()
        return Completed([])

    executor.run = execute  # type: ignore[union-attr, method-assign, assignment]
    run.train(rounds=1)
    return members


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_the_clients_has_no_effect(model: str) -> None:
    forwards, backwards = (
        trained(Inside(*drawing(model)), backwards=order) for order in (False, True)
    )
    assert list(forwards) == list(backwards)[::-1] == [0, 1, 2]
    for client, weights in forwards.items():
        for name, value in weights.items():
            assert torch.equal(value, backwards[client][name]), (client, name)


def drawn(*sizes: int, rounds: int = 1) -> list[float]:
    own_models.DRAWN.clear()
    Inside(
        *drawing("noise"),
        f"topology.star.clients.0.count={len(sizes)}",
        f"data.partition={{sizes: {list(sizes)}}}",
    ).train(rounds)
    return list(own_models.DRAWN)


def test_draws_are_distinct_and_independent_of_other_clients() -> None:
    """Two numbers in each of two blocks: 2 batches of client 0, 3 of client 1 and 4 of client 2."""
    two, three = drawn(10, 20), drawn(10, 20, 30)
    two, three = two[: 4 * 5], three[: 4 * 9]
    assert three[: 4 * 5] == two
    assert len(set(three)) == 4 * 9
    assert not set(drawn(10, 20, rounds=2)[4 * 5 : 8 * 5]) & set(two)


@pytest.mark.parametrize("model", MODELS)
def test_a_cut_model_draws_the_numbers_of_the_uncut_one(model: str) -> None:
    federated, split = results("methods=[classic_fl, splitfed]", *drawing(model)).values()
    assert federated.weights_digest == split.weights_digest is not None


@pytest.mark.parametrize("method", ["local_loss", "fedgkt"])
def test_the_speed_of_an_endpoint_has_no_effect(method: str) -> None:
    """If the device does not wait for the server, the order of their work depends on the link."""
    runs = [
        only(f"methods=[{method}]", *drawing("dropout"), f"topology.star.clients.0.link={link}")
        for link in (
            "{up: 10 kbit/s, down: 1 Gbit/s, delay: 0 s}",
            "{up: 10 Gbit/s, down: 10 Gbit/s, delay: 0 s}",
        )
    ]
    assert runs[0].event_digest != runs[1].event_digest
    assert runs[0].weights_digest == runs[1].weights_digest is not None


def test_dropout_drops_its_share_and_is_off_in_evaluation() -> None:
    run = Inside(*drawing("dropout"), "training.rounds=1").train()
    block = run.workspace.module("server", run.states["server"]).train()
    with run.workspace.drawing(Streams(0, "test")):
        kept = block.get_submodule("blocks.2")(torch.ones(64, 4, 8, 8))
    assert (kept == 0).double().mean().item() == pytest.approx(0.3, abs=0.03)
    executor = run.method.world.learning.executor
    assert executor is not None
    first = executor.evaluate([keys("device", "server")], [1]).result()
    assert not block.training
    assert first == executor.evaluate([keys("device", "server")], [1]).result()


def test_the_cost_of_a_random_model_is_always_the_same() -> None:
    costs, depths = set(), set()
    with borrowed_generators():
        for seed in range(8):
            disturb(seed)
            before = outside()
            depths.add(torch.rand(1).item() < 0.5)
            disturb(seed)
            costs.add(module_cost(own_models.SkippedAtTimes(), (4, 8, 8), first=False))
            assert outside() == before
    assert len(depths) == 2
    assert len(costs) == 1


def test_noise_is_counted_once_for_each_value() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    cost = module_cost(Noisy(), (4, 8, 8), first=False)
    assert (cost.forward_flops, cost.backward_flops) == (2 * 256, 256)


def test_pretraining_draws_only_from_its_seed(tmp_path: Path) -> None:
    data = load(describe("digits", train_samples=60, test_samples=20, test_fraction=0.2))
    files = []
    with borrowed_generators():
        for number, seed in enumerate((0, 0, 1)):
            disturb(number)
            before = outside()
            recipe = PretrainRecipe(
                "own_models:noise", epochs=2, batch_size=10, lr=0.01, seed=seed, blocks=2
            )
            pretrain(recipe, data, tmp_path / str(number))
            assert outside() == before
            tensors, _ = load_weights(tmp_path / str(number))
            files.append({name: value.tolist() for name, value in tensors.items()})
    assert files[0] == files[1] != files[2]


def test_streams_depend_on_every_part_of_their_name() -> None:
    names = [(0, "module", 1, 2), (1, "module", 1, 2), (0, "other", 1, 2), (0, "module", 2, 1)]
    names += [(0, "module", 12), (0, "module", 1, 2, "block", 0)]  # type: ignore[list-item]
    numbers = [seed_of(*name) for name in names]
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 2**63 for number in numbers)


@borrowed_generators()
def draw_and_fail() -> None:
    disturb(2)
    raise KeyError


def test_borrowed_generators_are_restored_after_errors_and_when_nested() -> None:
    with borrowed_generators():
        disturb(5)
        before = outside()
        with borrowed_generators():
            seed_generators(1)
            first = (torch.rand(1).item(), np.random.random(), random.random())
            seed_generators(1)
            with pytest.raises(KeyError):
                draw_and_fail()
            assert (torch.rand(1).item(), np.random.random(), random.random()) == first
        assert outside() == before
