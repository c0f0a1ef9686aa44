"""The fields of a scenario that say what is trained: messages at their places, `show model`, files."""

import json
from pathlib import Path

import pytest
import torch
from command_line import CommandLine, assert_refused

from cutlayer import Scenario, load_model
from cutlayer.models import Lora, ModelSpec, Tuning, build, save_weights

LORA = "model.lora={rank: 2, alpha: 4, targets: [fc1.linear]}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.trainable=[fc3.*]",
            "model.trainable: 'fc3.*' matches no tensor of the model; did you mean 'fc",
        ),
        (
            "model.lora={rank: 2, alpha: 4, targets: [conv1.conv]}",
            "model.lora.targets: 'conv1.conv' matches conv1.conv, of type Conv2d: adapters are for "
            'linear layers; known are fc1.linear, fc2.linear (got ["conv1.conv"])',
        ),
        ("model.frozen=['*']", 'model.frozen: leaves no parameter to train (got ["*"])'),
    ],
)
@pytest.mark.parametrize("command", [("check",), ("show", "model")], ids=" ".join)
def test_a_pattern_that_does_not_fit_is_refused_at_its_field(
    cli: CommandLine, command: tuple[str, ...], override: str, message: str
) -> None:
    assert_refused(cli(*command, "quickstart", "--set", override), message)


def test_show_model_of_a_scenario_lists_what_it_trains(cli: CommandLine) -> None:
    shown = " ".join(cli("show", "model", "quickstart", "--set", LORA).out.split())
    adapter = 2 * (4096 + 128)
    assert f"vgg5: {582_346 + adapter:,} parameters for 10 classes, 5 blocks" in shown
    assert f"Trained are {adapter:,} of {582_346 + adapter:,} parameters" in shown
    assert f"fc1 {524_416 + adapter:,} {adapter:,} 2 {4 * adapter:,} {4 * 524_416:,}" in shown
    assert "fc2 1,290 0 0 0 5,160" in shown
    plain = cli("show", "model", "quickstart", "--tensors").out
    assert "Trained are" not in plain
    assert "fc1.linear.weight 128x4096 yes yes fc1.linear.bias 128 yes" in " ".join(plain.split())
    tensors = " ".join(cli("show", "model", "quickstart", "--tensors", "--set", LORA).out.split())
    assert "fc1.linear.bias 128 no fc1.linear.lora_a 2x4096 yes" in tensors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quickstart", "--classes", "3"], "--classes: quickstart is a scenario, whose data set"),
        (["vgg5", "--set", "model.cut=2"], "--set: vgg5 is a model; only a scenario has fields"),
    ],
)
def test_show_model_refuses(cli: CommandLine, arguments: list[str], message: str) -> None:
    assert_refused(cli("show", "model", *arguments), message)


def test_a_scenario_made_in_python_has_the_same_tuning() -> None:
    made = Scenario(
        name="tuned",
        data={"dataset": "digits", "test_fraction": 0.2},
        model={
            "name": "vgg5",
            "cut": 1,
            "trainable": ("fc2.*",),
            "lora": {"rank": 2, "alpha": 4, "targets": ["fc1.linear"]},
            "frozen_type": "bfloat16",
        },
        training={"rounds": 1, "batch_size": 10, "optimizer": {"name": "sgd", "lr": 0.1}},
        topology={
            "star": {
                "server": {"device": "server-8-core", "slots": 1},
                "clients": [{"device": "raspberry-pi-4b", "link": "4g"}],
            }
        },
        methods=["splitfed"],
    )
    expected = Tuning(("fc2.*",), (), Lora(2, 4.0, ("fc1.linear",)), "bfloat16")
    assert made.scenario.model.tuning == expected


def test_a_saved_model_is_loaded_with_its_adapters(tmp_path: Path) -> None:
    tuning = Tuning(lora=Lora(2, 4.0, ("fc1.linear",)))
    model = build(ModelSpec("lenet", 10, (1, 28, 28), tuning=tuning), seed=1).eval()
    with torch.no_grad():
        model.get_parameter("blocks.2.linear.lora_b").add_(0.1)
    plain = {"trainable": [], "frozen": [], "frozen_type": "float32"}
    lora = {"rank": 2, "alpha": 4.0, "targets": ["fc1.linear"], "dropout": 0.0}
    about = {
        "model": "lenet",
        "classes": "10",
        "input_shape": "[1, 28, 28]",
        "recipe": json.dumps({"seed": 1, "tuning": plain | {"lora": lora}}),
    }
    save_weights(tmp_path / "saved.safetensors", model, about)
    x = torch.randn(3, 1, 28, 28)
    assert torch.equal(load_model(tmp_path / "saved.safetensors")(x), model(x))
    merged = load_model(tmp_path / "saved.safetensors", merge=True)
    torch.testing.assert_close(merged(x), model(x))
    plain_model = build("lenet", classes=10, input_shape=(1, 28, 28), seed=2)
    plain_model.load_state_dict(merged.state_dict())
    assert torch.equal(plain_model.eval()(x), merged(x))
    assert repr(plain_model) == repr(merged)
    assert all(parameter.requires_grad for parameter in merged.parameters())
