"""Cuts by the name of a block or submodule, in scenarios, for clients and for controllers."""

import sys
from pathlib import Path

import pytest
from command_line import CommandLine, assert_refused, summary
from tiny_runs import tiny

from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.commands.progress import RunProgress
from cutlayer.sim.methods.registry import METHODS

NETS = Path(__file__).parents[2] / "models" / "traced"
MINE = """\
name: mine
data: {dataset: digits, test_fraction: 0.2, partition: iid, train_samples: 60}
model: {name: "nets:ResNet", cut: layer1}
training: {rounds: 2, batch_size: 10, optimizer: {name: sgd, lr: 0.05}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]
methods: [splitfed]
"""


@pytest.fixture(autouse=True)
def nets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(NETS)
    monkeypatch.setattr(sys, "path", list(sys.path))


def planned(*overrides: str) -> Plan:
    return plan_checked(tiny(*overrides), trains=False)[0]


def refusal(*overrides: str) -> str:
    with pytest.raises(ScenarioError) as refused:
        planned(*overrides)
    (line,) = str(refused.value).splitlines()
    return line


def test_a_name_is_the_cut_after_a_block_of_a_catalogue_model() -> None:
    by_name, by_number = (
        planned("model={name: vgg5, cut: conv2}"),
        planned("model={name: vgg5, cut: 2}"),
    )
    assert by_name.client_cuts == by_number.client_cuts == (2, 2, 2)
    splitfed = METHODS["splitfed"]
    recipes = [
        plan.recipe(splitfed, "splitfed", splitfed.Options()) for plan in (by_name, by_number)
    ]
    assert recipes[0].digest() == recipes[1].digest()


def test_clients_and_controllers_have_cuts_by_name() -> None:
    plan = planned(
        "model={name: 'traced_nets:ResNet', cut: {default: relu, raspberry-pi-4b-2: layer1.0.bn2}}",
        "control={best: {cuts: [conv1, layer2]}}",
    )
    assert plan.model.name == "traced_nets:ResNet@layer1.0.bn2"
    assert plan.client_cuts == [3, 3, 4]
    assert plan.controller is not None
    assert plan.controller[1].cuts == (1, 7)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.cut=conv9"],
            "model.cut: is not a cut: lenet has no block or submodule 'conv9'; did",
        ),
        (
            ["model={name: 'traced_nets:ResNet', cut: layer1.2}"],
            "model.cut: is not a cut: traced_nets:ResNet has no block or submodule 'layer1.2'; did you",
        ),
        (
            [
                "model={name: 'traced_nets:ResNet', cut: {default: 2, raspberry-pi-4b: layer1.0.bn2}}"
            ],
            "model.cut.default: counts blocks, and layer1.0.bn2 is within one: give all cuts by name",
        ),
        (
            ["model={name: 'traced_nets:ResNet', cut: 2}", "control={best: {cuts: [1, nowhere]}}"],
            "control: is not a cut: traced_nets:ResNet has no block or submodule 'nowhere'",
        ),
        (
            ["model={name: 'traced_nets:TwoInputs', cut: 1}"],
            "model.name: model 'traced_nets:TwoInputs':",
        ),
        (["model.cut=6"], "model.cut: must be 0 (all on the server) to 5"),
    ],
)
def test_a_cut_that_does_not_exist(overrides: list[str], message: str) -> None:
    assert message in refusal(*overrides)


MASKED = (
    "data={dataset: {declared: {input_shape: [12], vocabulary: 16, classes: 10, "
    "train_samples: 60}}}",
    "model={name: 'traced_nets:Masked', cut: layers.1}",
)
CHANGED = "rounding would change the whole numbers that cross beside activations"


def test_whole_numbers_that_cross_are_not_rounded() -> None:
    """The last token of each text crosses, whose number a few bits do not hold."""
    assert len(planned(*MASKED).model.whole_numbers) > 1
    ecofed = refusal(*MASKED, "methods=[{ecofed: {init: random, bits: 8}}]")
    assert f"methods.0.ecofed.bits: needs bits: null: {CHANGED} at this cut (got 8)" in ecofed
    codec = refusal(*MASKED, "methods=[splitfed]", "codec={up: {int: {bits: 8}}}")
    assert f"codec.up.int: {CHANGED}, at cut " in codec
    planned(*MASKED, "methods=[{ecofed: {init: random, bits: null}}, splitfed]")
    assert not planned("model={name: 'traced_nets:UNet', cut: 2}").model.whole_numbers


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_module_in_a_users_folder_from_check_to_resume(cli: CommandLine) -> None:
    text = (NETS / "traced_nets.py").read_text(encoding="utf-8")
    (cli.folder / "nets.py").write_text(text, encoding="utf-8")
    (cli.folder / "mine.yaml").write_text(MINE, encoding="utf-8")
    checked = cli("check", "mine.yaml")
    assert checked.code == 0, checked.err
    assert "nets:ResNet cut after block 5 (layer1) of 8" in checked.out
    assert cli("run", "mine.yaml", "--executor", "none").code == 0
    run = ("run", "mine.yaml", "--executor", "inline", "--checkpoint-every", 1)
    assert cli(*run, "--out", "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunProgress, "round_closed", interrupted)
        assert cli(*run, "--out", "stopped").code == 130
    assert summary(cli.folder / "stopped")["status"] == "stopped"
    assert cli("resume", "stopped").code == 0
    whole, resumed = (summary(cli.folder / folder) for folder in ("whole", "stopped"))
    assert resumed["methods"] == whole["methods"]
    assert_refused(
        cli("check", "mine.yaml", "--set", "model.cut=layer9"),
        "model.cut",
        "has no block or submodule 'layer9'; did you mean 'layer2'",
    )


def test_show_model_lists_cuts_and_says_why_others_are_none(cli: CommandLine) -> None:
    (cli.folder / "nets.py").write_text(
        (NETS / "traced_nets.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    said = cli("show", "model", "nets:Tied", "--classes", "3", "--input-shape", "4")
    assert said.code == 0, said.err
    assert "39 parameters for 3 classes, 2 blocks" in said.out.replace("\n", " ")
    assert (
        "It cannot be cut after first, middle: first.weight is trained before and after it."
        in said.out
    )
    unet = cli("show", "nets:UNet", "--input-shape", "3x16x16").out
    assert "2 tensors" in unet
    assert "3 tensors" in unet
    assert "0 (the input) 3x32x32 12.29" in " ".join(cli("show", "model", "vgg5").out.split())


def test_show_model_of_tokens(cli: CommandLine) -> None:
    """48 values of each token at every cut: the first of them is recommended, though tokens are less."""
    said = " ".join(cli("show", "model", "gpt-nano", "--vocabulary", "65").out.split())
    parameters = 3 * (12 * 48**2 + 13 * 48) + 2 * 65 * 48 + 128 * 48 + 2 * 48
    assert f"gpt-nano: {parameters:,} parameters for a vocabulary of 65, 5 blocks" in said
    assert "0 (the input) 128 1.024" in said
    assert "1* embedding 128x48 24.58" in said
    assert "2 decoder1 128x48 24.58" in said
    said = " ".join(cli("show", "model", "text-mini", "--classes", "3").out.split())
    assert "parameters for 3 classes and a vocabulary of 10,003" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["model", "gpt2", "--input-shape", "3x32x32"],
            "'gpt2' takes tokens: an input shape must be one length such as (128,), got (3, 32, 32)",
        ),
        (["model", "nowhere:net"], "model 'nowhere:net' cannot be loaded"),
        (["model", "vgg5", "--input-shape", "3,a"], "--input-shape: must be sizes such as 3x32x32"),
        (["vgg5", "--classes", "3"], "--classes is for `show model NAME`"),
        (["model", "vgg"], "unknown model 'vgg'; did you mean"),
    ],
)
def test_show_model_refuses(cli: CommandLine, arguments: list[str], message: str) -> None:
    assert_refused(cli("show", *arguments), message)
