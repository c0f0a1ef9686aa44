"""Pre-trained initial weights: the same blocks for every method, part of the digest."""

from pathlib import Path

import pytest
import torch
from tiny_runs import Inside, only, tiny

from cutlayer import ScenarioError
from cutlayer.models.pretrained import save_weights
from cutlayer.models.weights_files import load_weights, shipped
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.learning.replica import State
from cutlayer.sim.methods.registry import METHODS

VGG5 = ("model={name: vgg5, cut: 2}",)


def started(method: str, init: str, *overrides: str) -> State:
    """The initial weights of the whole model, for any cut of the method."""
    run = Inside(*VGG5, f"methods=[{{{method}: {{init: {init}}}}}]", *overrides)
    device, server = run.states.get("device", {}), run.states.get("server", {})
    return {**device, **server}


@pytest.fixture(scope="module")
def pretrained() -> State:
    path = shipped("vgg5")
    assert path is not None
    return load_weights(path)[0]


@pytest.mark.parametrize("method", METHODS)
def test_partial_loads_the_blocks_before_the_scenarios_cut_and_no_others(
    method: str, pretrained: State
) -> None:
    drawn, loaded = started(method, "random"), started(method, "partial")
    assert drawn.keys() == loaded.keys()
    for name in drawn:
        if name.startswith(("blocks.0.", "blocks.1.")):
            assert torch.equal(loaded[name], pretrained[name]), name
        else:
            assert torch.equal(loaded[name], drawn[name]), name


@pytest.mark.parametrize("method", METHODS)
def test_holistic_loads_all_convolutional_blocks(method: str, pretrained: State) -> None:
    loaded = started(method, "holistic")
    assert all(torch.equal(loaded[name], value) for name, value in pretrained.items())


def test_the_baselines_train_the_block_that_ecofed_freezes() -> None:
    for method, trained in (("splitfed", True), ("classic_fl", True), ("ecofed", False)):
        run = Inside(*VGG5, f"methods=[{{{method}: {{init: partial}}}}]")
        before = {name: value.clone() for name, value in run.states["device"].items()}
        after = run.train(rounds=1).states["device"]
        assert any(not torch.equal(after[name], before[name]) for name in before) == trained


def test_classic_fl_and_splitfed_still_train_the_same_weights() -> None:
    trained = []
    for method in ("classic_fl", "splitfed"):
        run = Inside(*VGG5, f"methods=[{{{method}: {{init: partial}}}}]").train(rounds=2)
        trained.append({**run.states["device"], **run.states["server"]})
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


@pytest.mark.parametrize("method", METHODS)
def test_the_initial_weights_are_part_of_the_digest(method: str) -> None:
    digests = {
        only(*VGG5, f"methods=[{{{method}: {{init: {init}}}}}]", executor="none").learning_digest
        for init in ("random", "partial", "holistic")
    }
    assert len(digests) == 3


@pytest.mark.parametrize("method", ["classic_fl", "splitfed", "centralised"])
def test_the_cut_of_partial_is_part_of_the_digest(method: str) -> None:
    entry = f"methods=[{{{method}: {{init: partial}}}}]"
    digests = {
        only(*VGG5, f"model.cut={cut}", entry, executor="none").learning_digest for cut in (1, 2)
    }
    assert len(digests) == 2


def test_the_digest_depends_on_the_files_content_and_not_on_its_path(
    tmp_path: Path, pretrained: State
) -> None:
    same, other = tmp_path / "same.safetensors", tmp_path / "other.safetensors"
    save_weights(same, pretrained, {})
    save_weights(other, {name: value + 1 for name, value in pretrained.items()}, {})

    def digest(weights: str) -> str | None:
        entry = f"methods=[{{classic_fl: {{init: partial{weights}}}}}]"
        return only(*VGG5, entry, executor="none").learning_digest

    assert digest(f", weights: {same}") == digest("") != digest(f", weights: {other}")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{splitfed: {weights: vgg5}}", "has no effect with init: random"),
        ("{splitfed: {init: pretrained}}", "must be random, partial or holistic"),
        ("{local_loss: {init: partial, weights: nowhere}}", "neither a file nor shipped"),
    ],
)
def test_files_that_do_not_fit_are_refused(entry: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        plan_checked(tiny(*VGG5, f"methods=[{entry}]"), trains=True)


def test_partial_needs_blocks_before_the_cut() -> None:
    entry = "methods=[{splitfed: {init: partial}}]"
    with pytest.raises(ScenarioError, match="cut 0 leaves none"):
        plan_checked(tiny(*VGG5, "model.cut=0", entry), trains=False)
