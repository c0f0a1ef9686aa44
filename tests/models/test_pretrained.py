"""Weights files: they are read as written, and errors are one sentence."""

import json
import os
import pickle
import struct

import pytest
import torch
from torch import nn

from cutlayer.models import (
    WeightsError,
    build,
    load_into,
    load_weights,
    save_weights,
    shipped,
    weights_files,
)
from cutlayer.models.weights_files import converted_types

RECIPE = {"model": "vgg5", "data": "cifar100", "epochs": "3"}


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
def test_one_file_works_for_every_cut(features, source, cut):
    target = build("vgg5", classes=10, seed=2)
    untouched = {key: value.clone() for key, value in target.split(cut).server.state_dict().items()}
    assert load_into(target.split(cut).device, features) == RECIPE
    for key, value in target.state_dict().items():
        expected = untouched[key] if key in untouched else source.state_dict()[key]
        assert torch.equal(value, expected), key


def test_weights_can_be_any_named_tensors_in_any_layout(tmp_path):
    tensor = torch.arange(6.0).reshape(2, 3).T
    save_weights(tmp_path / "w", {"a": tensor, "b": tensor}, {})
    tensors, recipe = load_weights(tmp_path / "w")
    assert torch.equal(tensors["a"], tensor)
    assert torch.equal(tensors["b"], tensor)
    assert recipe == {}


def test_a_missing_tensor_is_reported_with_its_shape(features):
    target = build("vgg5", classes=10, seed=2)
    with pytest.raises(
        WeightsError, match=r"'blocks\.3\.linear\.weight' of shape \(128, 4096\) is missing among"
    ):
        load_into(target.split(4).device, features)


def test_a_wrong_shape_is_reported_and_the_module_unchanged(features):
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


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_smaller_types_become_float32_exactly(tmp_path, stored):
    values = torch.tensor([[1.0, -0.375], [448.0, 0.0]])  # exact in all types
    save_weights(tmp_path / "w", {"weight": values.to(stored)}, RECIPE)
    (tensor,) = load_weights(tmp_path / "w")[0].values()
    assert tensor.dtype == torch.float32
    assert torch.equal(tensor, values)
    module = nn.Linear(2, 2, bias=False)
    assert load_into(module, tmp_path / "w") == RECIPE
    assert torch.equal(module.weight, values)
    names = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float8_e4m3fn: "F8_E4M3"}
    assert converted_types(tmp_path / "w") == {names[stored]: 1}


def test_larger_types_are_converted_to_those_of_the_module(tmp_path):
    third = torch.tensor([[1 / 3]], dtype=torch.float64)
    save_weights(tmp_path / "w", {"weight": third, "count": torch.tensor(3)}, {})
    assert converted_types(tmp_path / "w") == {"F64": 1}
    single, double = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False).double()
    load_into(single, tmp_path / "w")
    load_into(double, tmp_path / "w")
    assert torch.equal(single.weight, third.float())
    assert torch.equal(double.weight, third)
    save_weights(tmp_path / "w", {"weight": third * 1e300}, {})
    with pytest.raises(WeightsError, match="'weight' is not finite in float32"):
        load_into(single, tmp_path / "w")


def test_integers_are_not_converted(tmp_path):
    module = nn.BatchNorm2d(1)
    state = {**module.state_dict(), "num_batches_tracked": torch.tensor(7, dtype=torch.int32)}
    save_weights(tmp_path / "w", state, {})
    load_into(module, tmp_path / "w")
    assert module.num_batches_tracked == 7
    assert module.num_batches_tracked.dtype == torch.int64
    assert converted_types(tmp_path / "w") == {}


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (torch.int8, "'weight' holds int8 numbers, expected float32"),
        (torch.bool, "'weight' holds bool numbers, expected float32"),
        (torch.complex64, "'weight' holds complex64 numbers, expected float32"),
    ],
)
def test_wrong_kinds_of_numbers_are_refused(tmp_path, stored, message):
    save_weights(tmp_path / "w", {"weight": torch.ones(1, 1, dtype=stored)}, {})
    with pytest.raises(WeightsError, match=message):
        load_into(nn.Linear(1, 1, bias=False), tmp_path / "w")


def header(content: object, data: bytes = b"", size: int | None = None) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


FOUR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header({}, size=2**63), "header too large"),
        (header({}, size=10**6), "invalid header length"),
        (header([]), "invalid JSON in header"),
        (header({"a": FOUR}), "incomplete|not fully covered|data"),
        (header({"a": FOUR, "b": FOUR}, bytes(4)), "invalid offset"),
        (header({"a": {**FOUR, "shape": [2**62, 4]}}, bytes(4)), "overflow"),
        (header({"a": {**FOUR, "dtype": "F99"}}, bytes(4)), "F99"),
        (b"1234567", "header too small"),
        (b"", "header too small"),
        (b"\x80\x04\x95" + bytes(99), r"it looks like a file of torch\.save, .*as safetensors"),
        (b"PK\x03\x04" + b"x" * 99, r"it looks like a file of torch\.save"),
    ],
)
def test_a_damaged_header_is_refused_with_one_sentence(tmp_path, content, message):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(tmp_path / "w")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_files_over_a_limit_are_refused_with_their_size(features, monkeypatch):
    monkeypatch.setattr(weights_files, "MAX_HEADER_BYTES", 100)
    with pytest.raises(WeightsError, match=r"has a header of [0-9,]+ bytes: at most 100 are read"):
        load_weights(features)
    monkeypatch.setattr(weights_files, "MAX_BYTES", 1000)
    with pytest.raises(WeightsError, match=r"has [0-9,]+ bytes: at most 1,000 are read"):
        load_weights(features)


def test_missing_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name, message in [
        (tmp_path / "fifo", "does not exist or is not a file"),
        ("x" * 5000, "cannot be read .File name too long"),
        ("a\0b", "does not exist|cannot be read"),
    ]:
        with pytest.raises(WeightsError, match=message):
            load_weights(name)


@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "text", "truncated", "pickle"])
def test_an_unreadable_file_is_refused_with_one_sentence(features, tmp_path, damage):
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


def test_unwritable_files_and_recipes_of_other_than_strings_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(tmp_path / "nowhere" / "w", {"a": torch.zeros(1)}, {})
    with pytest.raises(WeightsError, match="'epochs' is 3"):
        save_weights(tmp_path / "w", {"a": torch.zeros(1)}, {"epochs": 3})
    assert not list(tmp_path.iterdir())


def test_shipped_files_are_found_by_name(tmp_path, monkeypatch, features):
    monkeypatch.setattr(weights_files, "SHIPPED", features.parent)
    assert shipped("features") == features
    assert shipped("nothing") is None
    assert shipped("../" + features.parent.name + "/features") is None
    monkeypatch.setattr(weights_files, "SHIPPED", tmp_path / "absent")
    assert shipped("features") is None
