"""Weights on disk: what is written is read, and a bad file gets one sentence."""

import pickle

import pytest
import torch
from torch import nn

from models import WeightsError, build, load_into, load_weights, pretrained, save_weights, shipped

RECIPE = {"network": "vgg5", "data": "cifar100", "epochs": "3"}


@pytest.fixture
def source():
    return build("vgg5", classes=100, seed=1)


@pytest.fixture
def features(tmp_path, source):
    path = tmp_path / "features.safetensors"
    save_weights(path, source.split(source.feature_blocks).device, RECIPE)
    return path


def test_round_trip_with_the_recipe(features, source):
    tensors, recipe = load_weights(features)
    expected = source.split(3).device.state_dict()
    assert recipe == RECIPE
    assert set(tensors) == set(expected)
    assert all(torch.equal(tensors[key], expected[key]) for key in expected)
    assert [path.name for path in features.parent.iterdir()] == ["features.safetensors"]


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_one_file_serves_every_cut(features, source, cut):
    target = build("vgg5", classes=10, seed=2)
    untouched = {key: value.clone() for key, value in target.split(cut).server.state_dict().items()}
    assert load_into(target.split(cut).device, features) == RECIPE
    for key, value in target.state_dict().items():
        expected = untouched[key] if key in untouched else source.state_dict()[key]
        assert torch.equal(value, expected), key


def test_the_weights_may_be_any_tensors_by_name_in_any_layout(tmp_path):
    tensor = torch.arange(6.0).reshape(2, 3).T
    save_weights(tmp_path / "w", {"a": tensor, "b": tensor}, {})
    tensors, recipe = load_weights(tmp_path / "w")
    assert torch.equal(tensors["a"], tensor)
    assert torch.equal(tensors["b"], tensor)
    assert recipe == {}


def test_a_missing_tensor_is_named_with_its_shape(features):
    target = build("vgg5", classes=10, seed=2)
    with pytest.raises(
        WeightsError, match=r"'blocks\.3\.linear\.weight' of shape \(128, 4096\) is missing among"
    ):
        load_into(target.split(4).device, features)


def test_a_wrong_shape_is_named_and_the_module_is_left_as_it_was(features):
    target = build("vgg11", classes=10, seed=2)
    device = target.split(2).device
    before = {key: value.clone() for key, value in device.state_dict().items()}
    with pytest.raises(
        WeightsError,
        match=r"'blocks\.0\.conv\.weight' has shape \(32, 3, 3, 3\), expected \(64, 3, 3, 3\)",
    ):
        load_into(device, features)
    assert all(torch.equal(value, before[key]) for key, value in device.state_dict().items())


def test_weights_that_are_not_finite_are_refused(tmp_path):
    save_weights(tmp_path / "w", {"weight": torch.tensor([[1.0, float("nan")]])}, {})
    with pytest.raises(WeightsError, match="'weight' is not finite"):
        load_into(nn.Linear(2, 1, bias=False), tmp_path / "w")


@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "text", "truncated", "pickle"])
def test_an_unreadable_file_gets_one_sentence(features, tmp_path, damage):
    path = tmp_path / "bad.safetensors"
    if damage == "folder":
        path.mkdir()
    elif damage == "truncated":
        path.write_bytes(features.read_bytes()[:-100])
    elif damage == "pickle":
        path.write_bytes(pickle.dumps({"weight": 1}))
    elif damage != "missing":
        path.write_bytes(b"" if damage == "empty" else b"these are no weights" * 20)
    expected = "does not exist" if damage in ("missing", "folder") else "cannot be read as safeten"
    with pytest.raises(WeightsError, match=expected) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_and_a_recipe_that_is_no_text(tmp_path):
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(tmp_path / "nowhere" / "w", {"a": torch.zeros(1)}, {})
    with pytest.raises(WeightsError, match="'epochs' is 3"):
        save_weights(tmp_path / "w", {"a": torch.zeros(1)}, {"epochs": 3})
    assert not list(tmp_path.iterdir())


def test_shipped_files_are_found_by_name(tmp_path, monkeypatch, features):
    monkeypatch.setattr(pretrained, "SHIPPED", features.parent)
    assert shipped("features") == features
    assert shipped("nothing") is None
    assert shipped("../" + features.parent.name + "/features") is None
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "absent")
    assert shipped("features") is None
