"""`cutlayer pretrain`: the saved file, its accuracy, and invalid arguments."""

from pathlib import Path

import pytest
import torch
from command_line import CommandLine

from cutlayer.models import catalogue
from cutlayer.models.errors import WeightsError
from cutlayer.models.weights_files import load_weights
from cutlayer.sim.data.datasets import describe, load
from cutlayer.sim.learning.pretrain import PretrainRecipe, pretrain

SMALL = ["lenet", "digits", "--train-samples", "100", "--batch-size", "10", "--epochs", "2"]


def test_it_saves_the_feature_extractor_with_its_recipe(cli: CommandLine) -> None:
    answer = cli("pretrain", *SMALL, "--out", "w.safetensors", "--lr", "0.005")
    assert answer.code in (0, None), answer.err
    assert "epoch 2/2: loss" in answer.out
    assert "saved: w.safetensors" in answer.out
    tensors, recipe = load_weights(cli.folder / "w.safetensors")
    model = catalogue.build("lenet", classes=10, seed=0)
    features = model.split(model.feature_blocks).device.state_dict()
    assert tensors.keys() == features.keys()
    assert all(not torch.equal(tensors[name], features[name]) for name in features)
    expected = {"model": "lenet", "epochs": "2", "batch_size": "10", "lr": "0.005", "seed": "0"}
    expected |= {"momentum": "0.9", "weight_decay": "0.0005", "augment": "True", "milestones": "()"}
    expected |= {"train_samples": "100", "test_accuracy": "none", "torch": torch.__version__}
    assert recipe.items() >= expected.items()
    assert recipe["dataset"].startswith("digits:")
    assert recipe["dataset_content"] == load(describe("digits", train_samples=100)).identity


def test_ecofed_starts_from_its_weights(cli: CommandLine) -> None:
    cli("pretrain", *SMALL, "--out", "w.safetensors", "--lr", "0.005", "--blocks", "1")
    tensors, _ = load_weights(cli.folder / "w.safetensors")
    model = catalogue.build("lenet", classes=10, seed=0)
    assert tensors.keys() == model.split(1).device.state_dict().keys()
    method = "methods=[{ecofed: {weights: w.safetensors}}]"
    assert cli.run(method, "training.rounds=1", executor="inline").code == 0
    too_deep = cli.run(method, "model.cut=2", executor="inline")
    assert too_deep.code == 2
    assert "is missing" in too_deep.err


def test_a_model_of_tokens_gets_the_vocabulary_of_the_data(cli: CommandLine) -> None:
    to = ("--epochs", "1", "--batch-size", "8", "--out", "w.safetensors")
    answer = cli("pretrain", "text-mini", "traced_data:texts", *to)
    assert answer.code in (0, None), answer.err
    saved, _ = load_weights(cli.folder / "w.safetensors")
    assert saved["blocks.0.tokens.weight"].shape == (16, 128)


def test_it_learns_and_reports_its_accuracy(tmp_path: Path) -> None:
    recipe = PretrainRecipe("vgg5", epochs=2, batch_size=10, lr=0.01, augment=False)
    data = load(describe("digits", train_samples=300, test_samples=100, test_fraction=0.2))
    epochs = []
    accuracy = pretrain(recipe, data, tmp_path / "w", lambda *line: epochs.append(line))
    assert accuracy is not None
    assert accuracy > 0.6
    assert [epoch for epoch, _, _ in epochs] == [1, 2]
    assert epochs[1][1] < epochs[0][1]


def test_the_rate_falls_to_a_tenth_at_the_milestones(tmp_path: Path) -> None:
    recipe = PretrainRecipe("lenet", epochs=4, batch_size=50, lr=0.01, milestones=(1, 3))
    rates = []
    data = load(describe("digits", train_samples=50))
    pretrain(recipe, data, tmp_path / "w", lambda *line: rates.append(line[2]))
    assert rates == pytest.approx([0.01, 0.001, 0.001, 0.0001])


def test_the_same_recipe_writes_the_same_file(tmp_path: Path) -> None:
    data = load(describe("digits", train_samples=50))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain(PretrainRecipe("lenet", epochs=1, seed=seed), data, tmp_path / name)
    (a, one), (b, other), (c, _) = (load_weights(tmp_path / name) for name in "abc")
    assert one == other
    assert a.keys() == b.keys() == c.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not any(torch.equal(a[name], c[name]) for name in a)


def test_a_diverging_training_saves_nothing(tmp_path: Path) -> None:
    data = load(describe("digits", train_samples=50))
    recipe = PretrainRecipe("lenet", epochs=3, batch_size=10, lr=1e30)
    with pytest.raises(WeightsError, match=r"diverged in epoch \d .*nothing is saved"):
        pretrain(recipe, data, tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenett", "digits", "--out", "w"], ["lenett", "did you mean 'lenet'?"]),
        (["lenet", "digitz", "--out", "w"], ["digitz", "digits"]),
        (["lenet", "cifar10", "--out", "w"], ["cifar10", "--data-dir"]),
        (["lenet", "digits", "--out", "nowhere/w"], ["nowhere", "does not exist"]),
        (["lenet", "digits", "--out", "tiny.yaml"], ["tiny.yaml exists"]),
        (["lenet", "digits", "--out", "w", "--lr", "0"], ["--lr", "greater than 0"]),
        (["lenet", "digits", "--out", "w", "--lr", "inf"], ["--lr", "finite"]),
        (["lenet", "digits", "--out", "w", "--momentum", "1.0"], ["--momentum", "less than 1"]),
        (["lenet", "digits", "--out", "w", "--weight-decay", "inf"], ["--weight-decay", "finite"]),
        (["lenet", "digits", "--out", "w", "--blocks", "9"], ["cut 9", "0", "5"]),
        (["lenet", "digits", "--out", "w", "--train-samples", "7"], ["train_samples", "got 7"]),
        (["lenet", "digits", "--out", "w", "--test-samples", "10"], ["test_samples"]),
        (["resnet12", "digits", "--out", "w", "--batch-size", "1"], ["--batch-size", "at least 2"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and "--out" in value else "",
)
def test_bad_arguments_are_refused_before_anything_is_trained(
    arguments: list[str], words: list[str], cli: CommandLine
) -> None:
    answer = cli("pretrain", *arguments)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1, answer.err
    assert all(word in answer.err for word in words), answer.err
    assert [path.name for path in cli.folder.iterdir()] == ["tiny.yaml"]
