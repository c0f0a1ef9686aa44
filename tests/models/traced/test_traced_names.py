"""Where a plain module can be cut, and a message for each module that cannot be a model."""

import pytest
import torch
import traced_nets

from cutlayer.models import CutError, ModelError, UnknownModelError, build
from cutlayer.models.outline import outline, outline_cut_at
from cutlayer.models.spec import ModelSpec


def outlined(name, shape=(4,), classes=3):
    return outline(ModelSpec(f"traced_nets:{name}", classes, shape))


def test_blocks_end_after_children_with_containers_opened():
    found = outlined("ResNet", (3, 16, 16), 10)
    names = ["conv1", "bn1", "relu", "layer1.0", "layer1.1", "layer2.0", "avgpool", "fc"]
    assert [block.name for block in found.blocks] == names
    assert found.cut_number("layer1") == found.cut_number("layer1.1") == found.cut_number(5) == 5
    assert "layer1.0.conv1" in found.inner
    assert found.feature_blocks == 7


def test_a_name_within_a_block_ends_one_there():
    shape = (3, 16, 16)
    found = outline_cut_at(
        ModelSpec("traced_nets:ResNet", 10, shape), cuts=["layer1.0.conv1", 0, "relu"]
    )
    assert found.name == "traced_nets:ResNet@layer1.0.conv1"
    assert found.cut_number("layer1.0.conv1") == 4
    assert len(found) == 9
    model = build(found.name, classes=10, input_shape=shape, seed=0)
    assert model.activation_shape(4) == found.activation_shape(4) == (2 * 4 * 16 * 16,)


def test_factories_with_fewer_parameters_and_sequences():
    model = build("traced_nets:sequence", classes=3, input_shape=(3, 2, 2), seed=1)
    assert model.block_names == ("0", "1", "2", "3")
    assert model.split(2).device(torch.zeros(2, 3, 2, 2)).shape == (2, 5)


def test_weights_are_those_of_the_seed():
    one, other = (
        build("traced_nets:LSTM", classes=10, input_shape=(3, 16, 16), seed=s) for s in (1, 2)
    )
    assert not torch.equal(next(one.parameters()), next(other.parameters()))
    torch.manual_seed(1)
    assert torch.equal(next(one.parameters()), next(traced_nets.LSTM().parameters()))


def test_parameters_on_both_sides_forbid_a_cut():
    found = outlined("Tied")
    assert [block.name for block in found.blocks] == ["last", "head"]
    with pytest.raises(
        CutError,
        match=r"^traced_nets:Tied cannot be cut after 'middle': first.weight is trained before and",
    ):
        found.cut_number("middle")


def test_frozen_parameters_may_be_on_both_sides():
    model = build("traced_nets:Frozen", classes=3, input_shape=(4,), seed=0)
    assert model.block_names == ("first", "middle", "last", "head")
    device, server = model.split(1)
    assert torch.equal(server.state_dict()["blocks.2.last.weight"], device[0][0].first.weight)


def test_what_proxies_cannot_record_torch_export_does():
    model = build("traced_nets:ChecksTypes", classes=3, input_shape=(3, 10, 10), seed=0)
    assert model.block_names == ("conv", "norm", "drop", "inner", "fc")
    assert model.inner == ()
    kinds = {type(layer).__name__ for block in model.blocks for layer in block.modules()}
    assert {"BatchNorm2d", "Dropout", "Conv2d", "Linear"} <= kinds
    assert "inner.inner" in model.submodules


def test_a_submodule_that_cannot_be_traced_is_left_whole():
    found = outlined("DecidesInside")
    assert [block.name for block in found.blocks] == ["first", "decides", "last"]
    with pytest.raises(
        CutError, match=r"part of 'decides', which cannot be traced: .*traced_nets.py:"
    ):
        found.cut_number("decides.inner")


@pytest.mark.parametrize(
    ("name", "cut", "message"),
    [
        (
            "ResNet",
            "layer1.O",
            "has no block or submodule 'layer1.O'; did you mean 'layer1",
        ),
        ("ViT", "encoder.layers", "cannot be cut after 'encoder.layers': it never runs"),
        ("ViT", "encoder.layers.0.norm1", "it is a part of 'encoder.layers.0', a layer of torch"),
        ("ResNet", 9, "cut 9 of model 'traced_nets:ResNet' is out of range"),
    ],
)
def test_a_cut_that_the_model_does_not_have(name, cut, message):
    with pytest.raises(CutError, match=message):
        outlined(name, (3, 16, 16), 10).cut_number(cut)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("number", UnknownModelError, "returned a int, expected a torch.nn.Module"),
        ("shared", UnknownModelError, "is Linear, expected a class or function that makes a model"),
        ("Pair", ModelError, "returns a tuple, expected one tensor of class scores"),
        ("TwoInputs", ModelError, "has one input, and its forward pass needs 2: image, mask"),
        ("sequence", ModelError, r"does not accept .* \(4,\) \(.* in submodule 1: Linear\("),
        ("Decides", ModelError, r"its Python code depends on the values .*traced_nets.py:\d+$"),
        ("Loops", ModelError, r"'loop' \(Loop\): its Python code depends .*traced_nets.py:\d+$"),
        ("SelectsByValue", ModelError, r"the size of a tensor depends on .*traced_nets.py:\d+$"),
    ],
)
def test_a_module_that_is_not_a_model(name, error, message):
    with pytest.raises(error, match=message):
        build(f"traced_nets:{name}", classes=3, input_shape=(4,), seed=0)


def test_a_wrong_number_of_outputs():
    with pytest.raises(ModelError, match=r"each of 5 classes, .* it gives \(2, 3\)"):
        build("traced_nets:sequence", classes=5, input_shape=(12,), seed=0)
