"""Scenarios with a model of a package: names, weights that it brings, and training in processes."""

import json
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec as ImportSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from command_line import CommandLine
from torch import nn

from cutlayer.models import build, load_weights
from cutlayer.models.errors import ModelError
from cutlayer.models.packages import names
from cutlayer.models.packages.images import factory
from cutlayer.models.spec import ModelSpec

TEXTS = """\
name: texts
data:
  dataset: {csv: {train: texts.csv, label: topic, text: text, tokenizer: bytes, length: 10}}
  test_fraction: 0.25
  partition: iid
model:
  name: "transformers:tiny"
  cut: bert.encoder.layer.0
  lora: {rank: 2, alpha: 4, targets: ["*.query"]}
  trainable: ["classifier.*"]
training:
  rounds: 1
  batch_size: 8
  optimizer: {name: adam, lr: 0.01}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]
methods: [splitfed]
"""


def summary(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))["methods"]["splitfed"]


def test_weights_reach_every_process_and_only_adapters_change(cli: CommandLine) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is an extra")
    config = transformers.BertConfig(
        vocab_size=258,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    torch.manual_seed(7)
    saved = transformers.BertModel(config)
    saved.save_pretrained(cli.folder / "tiny")
    rows = [f"{topic},{topic} {number}" for number in range(16) for topic in ("sea", "sky")]
    (cli.folder / "texts.csv").write_text("\n".join(["topic,text", *rows]), encoding="utf-8")
    (cli.folder / "texts.yaml").write_text(TEXTS, encoding="utf-8")
    found = []
    for executor in ("inline", "processes"):
        answer = cli("run", "texts.yaml", "--executor", executor, "--out", executor, "--save-model")
        assert answer.code == 0, answer.err
        found.append(summary(cli.folder / executor))
    one, other = found
    assert one["learning_digest"] == other["learning_digest"] is not None
    assert one["weights_digest"] == other["weights_digest"] is not None
    (final,) = (cli.folder / "processes" / "models").glob("*.final.safetensors")
    tensors, _ = load_weights(final)
    trained = {key.split(".", 2)[2]: value for key, value in tensors.items()}
    for name, value in saved.state_dict().items():
        assert torch.equal(trained[f"bert.{name}"], value), name
    assert any(name.endswith("lora_b") and value.any() for name, value in trained.items())
    changes = ("--set", "model.pretrained=false", "--executor", "none", "--out", "drawn")
    drawn = cli("run", "texts.yaml", *changes)
    assert drawn.code == 0, drawn.err
    assert summary(cli.folder / "drawn")["learning_digest"] != one["learning_digest"]
    shown = cli("show", "transformers:tiny", "--classes", "2", "--input-shape", "10")
    assert shown.code == 0, shown.err
    assert "bert.encoder.layer.0" in shown.out.replace("\n", "")


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for timm and torchvision: a classifier whose weights are ones."""

    def net(classes: int, channels: int = 3, weights: bool = False) -> nn.Module:
        made = nn.Sequential(nn.Conv2d(channels, 2, 3), nn.Flatten(), nn.Linear(72, classes))
        if weights:
            for parameter in made.parameters():
                nn.init.ones_(parameter)
        return made

    def create_model(
        name: str, *, pretrained: bool, num_classes: int, in_chans: int, **more: Any
    ) -> nn.Module:
        assert name == "net"
        if more:
            raise TypeError("img_size")
        return net(num_classes, in_chans, pretrained)

    timm, torchvision = ModuleType("timm"), ModuleType("torchvision")
    models = ModuleType("torchvision.models")
    vars(timm).update(
        create_model=create_model, is_model=lambda name: name == "net", list_models=lambda: ["net"]
    )
    weights = ModuleType("weights")
    vars(weights)["DEFAULT"] = weights
    vars(weights)["get_state_dict"] = lambda progress: net(7, weights=True).state_dict()
    vars(models).update(
        list_models=lambda module: ["net"],
        get_model=lambda name, weights, num_classes: net(num_classes),
        get_model_weights=lambda name: weights,
    )
    for module in (timm, torchvision, models):
        module.__spec__ = ImportSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    factory.cache_clear()


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_image_classifiers_by_name(package: str) -> None:
    """Weights only if asked for, and never those of the head."""
    spec = ModelSpec(f"{package}:net", 7, (3, 8, 8))
    drawn, loaded = (build(replace(spec, pretrained=p), seed=1) for p in (None, True))
    assert drawn.block_names == ("0", "1", "2")
    ones = {
        name: [bool((value == 1).all()) for value in block.parameters()]
        for name, block in zip(loaded.block_names, loaded.blocks, strict=True)
    }
    assert ones == {"0": [True, True], "1": [], "2": [False, False]}
    for key, value in drawn.state_dict().items():
        assert not (value == 1).all(), key
    with pytest.raises(ModelError, match=rf"unknown model '{package}:nett'; did you mean 'net'"):
        build(replace(spec, name=f"{package}:nett"), seed=1)


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_a_package_that_is_not_installed(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda name: None)
    expected = rf"model '{package}:net' needs {package}: pip install 'cutlayer\[{package}\]'"
    with pytest.raises(ModelError, match=expected):
        build(ModelSpec(f"{package}:net", 7), seed=0)


def test_a_model_that_brings_no_weights() -> None:
    with pytest.raises(ModelError, match="model 'vgg5' brings no weights: remove pretrained"):
        build(ModelSpec("vgg5", 10, pretrained=True), seed=0)
