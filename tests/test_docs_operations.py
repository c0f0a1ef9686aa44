"""The page of operations lists the covered and the uncovered operations, and its rule works."""

import re

import pytest
import torch
from doc_pages import DOCS, prose, read
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models import CostError, module_cost
from cutlayer.models.operators import COVERED

PAGE = DOCS / "reference" / "operations.md"
IMAGE, ROWS = (4, 8, 8), (5, 8)

COVERED_LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "Conv1d": (nn.Conv1d(5, 2, 3), ROWS),
    "Conv2d": (nn.Conv2d(4, 2, 3), IMAGE),
    "Conv3d": (nn.Conv3d(2, 2, 3), (2, 4, 4, 4)),
    "ConvTranspose2d": (nn.ConvTranspose2d(4, 2, 2), IMAGE),
    "Linear": (nn.Linear(8, 2), ROWS),
    "BatchNorm1d": (nn.BatchNorm1d(5), ROWS),
    "BatchNorm2d": (nn.BatchNorm2d(4), IMAGE),
    "GroupNorm": (nn.GroupNorm(2, 4), IMAGE),
    "LayerNorm": (nn.LayerNorm(8), ROWS),
    "InstanceNorm2d": (nn.InstanceNorm2d(4), IMAGE),
    "RMSNorm": (nn.RMSNorm(8), ROWS),
    "MaxPool1d": (nn.MaxPool1d(2), ROWS),
    "MaxPool2d": (nn.MaxPool2d(2), IMAGE),
    "AvgPool2d": (nn.AvgPool2d(2), IMAGE),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d(2), IMAGE),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d(2), IMAGE),
    "ReLU": (nn.ReLU(), IMAGE),
    "ReLU6": (nn.ReLU6(), IMAGE),
    "LeakyReLU": (nn.LeakyReLU(), IMAGE),
    "ELU": (nn.ELU(), IMAGE),
    "GELU": (nn.GELU(), IMAGE),
    "SiLU": (nn.SiLU(), IMAGE),
    "Mish": (nn.Mish(), IMAGE),
    "Softplus": (nn.Softplus(), IMAGE),
    "Hardswish": (nn.Hardswish(), IMAGE),
    "Hardsigmoid": (nn.Hardsigmoid(), IMAGE),
    "Tanh": (nn.Tanh(), IMAGE),
    "Sigmoid": (nn.Sigmoid(), IMAGE),
    "Softmax": (nn.Softmax(-1), ROWS),
    "LogSoftmax": (nn.LogSoftmax(-1), ROWS),
    "Dropout": (nn.Dropout(), ROWS),
    "Dropout2d": (nn.Dropout2d(), IMAGE),
    "ZeroPad2d": (nn.ZeroPad2d(1), IMAGE),
    "Flatten": (nn.Flatten(), IMAGE),
    "Identity": (nn.Identity(), IMAGE),
    "TransformerEncoderLayer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ROWS),
}
UNCOVERED_LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "Upsample": (nn.Upsample(scale_factor=2), IMAGE),
    "PixelShuffle": (nn.PixelShuffle(2), IMAGE),
    "PReLU": (nn.PReLU(), IMAGE),
    "MaxPool3d": (nn.MaxPool3d(2), (2, 4, 4, 4)),
    "ReflectionPad2d": (nn.ReflectionPad2d(1), IMAGE),
    "LSTM": (nn.LSTM(8, 4), ROWS),
}


class First(nn.Module):
    """The first output of a layer that may have several."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the first output."""
        output = self.layer(x)
        return output if isinstance(output, Tensor) else output[0]


def listed(before: str) -> list[str]:
    """Return the layers that the page lists after these words."""
    found = re.search(rf"{before}:? (.*?)\. ", prose(PAGE))
    assert found
    return re.findall(r"`(\w+)`", found[1])


def test_all_operations_with_a_rule_are_listed() -> None:
    cells = [row[1] for table in read(PAGE).tables for row in table.rows]
    names = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    rules = {name for names_of_kind in COVERED.values() for name in names_of_kind}
    assert rules - names == set()
    tagged = ["add", "mul", "relu", "gelu", "sigmoid", "where"]
    views = ["view", "transpose", "select", "zeros", "arange"]
    assert names - rules == {*tagged, *views}
    for name in tagged:
        overloads = getattr(torch.ops.aten, name)
        assert any(torch.Tag.pointwise in getattr(overloads, o).tags for o in overloads.overloads())


def test_layers_are_listed_as_what_they_are() -> None:
    assert listed("that consist of covered operations") == [*COVERED_LAYERS]
    assert listed("Layers that do not") == [*UNCOVERED_LAYERS]


@pytest.mark.parametrize("name", COVERED_LAYERS)
def test_covered_layers_have_a_cost(name: str) -> None:
    layer, shape = COVERED_LAYERS[name]
    module_cost(First(layer), shape, first=False)


@pytest.mark.parametrize("name", UNCOVERED_LAYERS)
def test_uncovered_layers_are_errors(name: str) -> None:
    layer, shape = UNCOVERED_LAYERS[name]
    with pytest.raises(CostError, match="no cost rule for the operation '"):
        module_cost(First(layer), shape, first=False)


class Attention(nn.Module):
    """Self-attention, written as matrix products or fused."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        """Mix the rows."""
        if self.fused:
            return functional.scaled_dot_product_attention(x, x, x)
        return torch.softmax(x @ x.transpose(-1, -2), -1) @ x


def test_attention_is_covered_written_out_and_fused() -> None:
    products = 2 * (2 * 5 * 5 * 8)
    assert module_cost(Attention(fused=False), ROWS, first=False).forward_flops == products + 5 * 5
    layers = module_cost(Attention(fused=True), ROWS, first=False).layers
    linear = [layer for layer in layers if layer.op_class == "linear"]
    assert sum(layer.forward_flops for layer in linear) == products
    assert sum(layer.backward_flops for layer in linear) in (2 * products, 5 * products // 2)


@pytest.mark.parametrize("weights", [True, False])
def test_multihead_attention_is_covered_with_and_without_its_weights(weights: bool) -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            mixed: Tensor = self.heads(x, x, x, need_weights=weights)[0]
            return mixed

    # Projections of queries, keys, values and output, and two products of scores.
    products = 2 * 5 * 8 * (3 * 8 + 8) + 2 * (2 * 5 * 5 * 8)
    layers = module_cost(Heads(), ROWS, first=False).layers
    assert sum(one.forward_flops for one in layers if one.op_class == "linear") == products
