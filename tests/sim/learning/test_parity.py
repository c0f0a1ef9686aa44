"""Every method against its slow twin (`twins.py`), in double precision: equal to 1e-12.

The study has unequal shards with smaller last batches, two of three clients in a round, two local
epochs, crops, momentum and weight decay; optimizer states are fresh or kept, averages weighted or equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import pytest
import torch
from tiny_runs import Inside
from torch import Tensor, nn
from twin_study import Batch, Study, Weights
from twins import TWINS

import cutlayer.models.catalogue
from cutlayer.models import auxiliary_head
from cutlayer.scenarios.numerics import Numerics
from cutlayer.sim.data.batches import batch_sizes
from cutlayer.sim.learning import chain
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.methods.registry import METHODS

ROUNDS, EPOCHS, BATCH_SIZE = 4, 2, 8
SHARDS = (10, 12, 18)
OVERRIDES = (
    f"data.partition={{sizes: {list(SHARDS)}}}",
    f"training.rounds={ROUNDS}",
    f"training.local_epochs={EPOCHS}",
    f"training.batch_size={BATCH_SIZE}",
    "training.clients_per_round=2",
    "training.optimizer={name: sgd, lr: 0.02, momentum: 0.9, weight_decay: 0.01}",
    "data.augment={crop: true, flip: true}",
)


def in_double(method: str, kept: bool, equal: bool, model: str, cut: str = "2") -> Inside:
    run = Inside(
        f"methods=[{method}]",
        f"model={{name: '{model}', cut: {cut}}}",
        f"training.optimizer_state={'kept' if kept else 'fresh'}",
        f"training.averaging={'equal' if equal else 'samples'}",
        *OVERRIDES,
    )
    executor = run.method.world.learning.executor
    before = run.workspace
    executor.workspace = Workspace(  # type: ignore[union-attr]
        before.recipe, before.feed, before.states, Numerics(dtype="float64")
    )
    return run


def study_of(run: Inside, kept: bool, equal: bool) -> Study:
    """The twin's study of a run that has not started."""
    feed, world, states = run.workspace.feed, run.method.world, run.states
    recipe = run.workspace.recipe

    def batches(client: int, index: int, epoch: int) -> list[Batch]:
        sizes = batch_sizes(feed.shard_size(client), BATCH_SIZE, recipe.min_batch)
        batches_of_epoch = []
        for position, size in enumerate(sizes):
            batch = chain.Batch(position, epoch, position, size)
            images, labels = feed.batch(client, index, batch)
            batches_of_epoch.append((feed.samples(client, index, batch), images.double(), labels))
        return batches_of_epoch

    def sample(index: int, among: Sequence[int]) -> Sequence[int]:
        return world.fleet.sample(index, among)

    split = cutlayer.models.catalogue.build(recipe.model, classes=10, seed=0).double().split(2)
    start = {name: value for part in ("device", "server") for name, value in states[part].items()}
    split.device.load_state_dict({name: start[name] for name in split.device.state_dict()})
    split.server.load_state_dict({name: start[name] for name in split.server.state_dict()})
    head: nn.Module | None = None
    if "head" in states:
        shape = world.costs[world.fleet.cuts[0]].activation_shape
        head = auxiliary_head(shape, 10, seed=0).double()
        head.load_state_dict(states["head"])
    return Study(
        device=split.device,
        server=split.server,
        head=head,
        rounds=ROUNDS,
        epochs=EPOCHS,
        lr=0.02,
        momentum=0.9,
        weight_decay=0.01,
        kept=kept,
        equal=equal,
        sizes=SHARDS,
        batches=batches,
        sample=sample,
    )


def flat(weights: Weights) -> Weights:
    """Weights by their names in the whole model, for any cut."""
    return {
        name[name.index("blocks") :] if "blocks" in name else name: v for name, v in weights.items()
    }


@lru_cache(maxsize=1)
def learned(method: str, kept: bool, equal: bool, model: str) -> dict[str, Any]:
    """The states after the training, for all tests of one run."""
    return in_double(method, kept, equal, model).train().states


def compared(
    method: str,
    kept: bool,
    equal: bool,
    model: str = "own_models:statistics",
    changed: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, tuple[Tensor, Tensor]]:
    """Every tensor of a run, paired with that of its twin in a changed study."""
    run = in_double(method, kept, equal, model)
    study = replace(study_of(run, kept, equal), **changed)
    twin, options = TWINS[method]
    start = {name: value for state in run.states.values() for name, value in state.items()}
    expected = twin(study, **options)
    states = learned(method, kept, equal, model)
    name = method.strip("{").partition(":")[0]
    if name in ("classic_fl", "fedprox", "centralised"):  # one of the blocks is the whole model
        expected = {"model": flat(expected["device"]) | flat(expected["server"])}
        states = {"model": states["device"] | states["server"]}
    pairs = {}
    for part, weights in expected.items():
        assert weights.keys() == states[part].keys()
        pairs |= {f"{part}:{name}": (states[part][name], value) for name, value in weights.items()}
    moved = [
        (value - start[name]).abs().max()
        for name, value in expected[part].items()
        if value.is_floating_point()
    ]
    assert max(moved) > 1e-3
    return pairs


def assert_equal(pairs: dict[str, tuple[Tensor, Tensor]]) -> None:
    for name, (actual, expected) in pairs.items():
        assert actual.dtype == expected.dtype, name
        torch.testing.assert_close(
            actual, expected, rtol=1e-12, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("method", TWINS)
@pytest.mark.parametrize(
    ("kept", "equal"), [(False, True), (True, False)], ids=["fresh-equal", "kept-weighted"]
)
def test_every_method_equals_its_twin(method: str, kept: bool, equal: bool) -> None:
    assert_equal(compared(method, kept, equal))


@pytest.mark.parametrize(
    ("kept", "equal"), [(False, False), (True, True)], ids=["fresh-weighted", "kept-equal"]
)
def test_the_other_combinations_of_optimizer_state_and_average(kept: bool, equal: bool) -> None:
    assert_equal(compared("splitfed", kept, equal))


@pytest.mark.parametrize("method", ["splitfed", "{ecofed: {init: random, bits: 8}}"])
def test_a_shipped_model_with_batch_norm_without_running_statistics(method: str) -> None:
    assert_equal(compared(method, kept=False, equal=False, model="vgg5"))


OTHER_STUDIES: dict[str, dict[str, Any]] = {
    "equal": {"equal": False},
    "kept": {"kept": True},
    "momentum": {"momentum": 0.89},
    "decay": {"weight_decay": 0.0},
    "sizes": {"equal": False, "sizes": (11, 12, 18)},
}


@pytest.mark.parametrize("changed", OTHER_STUDIES.values(), ids=OTHER_STUDIES)
def test_a_twin_of_a_different_study_differs(changed: dict[str, Any]) -> None:
    """The comparison can fail: changing one setting of the study gives a large difference."""
    pairs = compared("splitfed", kept=False, equal=True, changed=changed)
    weight, expected = pairs["server:blocks.3.1.weight"]
    assert (weight - expected).abs().max() > 1e-7


def test_every_method_has_a_twin() -> None:
    plain = {name.strip("{").partition(":")[0] for name in TWINS}
    asynchronous = {name for name, known in METHODS.items() if known.asynchronous}
    in_order_of_arrival = {
        *asynchronous,
        "splitfed_v2",
        "cse_fsl",
        "fsl_sage",
    }  # have twins in files of their own
    assert plain == set(METHODS) - in_order_of_arrival
