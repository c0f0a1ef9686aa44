"""The page of operations lists the covered and the uncovered operations, and its rule works."""

import re
from collections.abc import Callable

import pytest
import torch
from doc_pages import DOCS, prose, read
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models import CostError, module_cost
from cutlayer.models.operators import COVERED

PAGE = DOCS / "reference" / "operations.md"
IMAGE, ROWS, VOLUME, TOKENS = (4, 8, 8), (5, 8), (2, 4, 4, 4), (5,)
Case = tuple[nn.Module, tuple[int, ...]]

COVERED_LAYERS: dict[str, Case] = {
    "Conv1d": (nn.Conv1d(5, 2, 3), ROWS),
    "Conv2d": (nn.Conv2d(4, 2, 3), IMAGE),
    "Conv3d": (nn.Conv3d(2, 2, 3), VOLUME),
    "ConvTranspose1d": (nn.ConvTranspose1d(5, 2, 2), ROWS),
    "ConvTranspose2d": (nn.ConvTranspose2d(4, 2, 2), IMAGE),
    "ConvTranspose3d": (nn.ConvTranspose3d(2, 2, 2), VOLUME),
    "Linear": (nn.Linear(8, 2), ROWS),
    "Bilinear": (nn.Bilinear(8, 8, 2), ROWS),
    "Embedding": (nn.Embedding(10, 4), TOKENS),
    "EmbeddingBag": (nn.EmbeddingBag(10, 4), TOKENS),
    "BatchNorm1d": (nn.BatchNorm1d(5), ROWS),
    "BatchNorm2d": (nn.BatchNorm2d(4), IMAGE),
    "BatchNorm3d": (nn.BatchNorm3d(2), VOLUME),
    "GroupNorm": (nn.GroupNorm(2, 4), IMAGE),
    "LayerNorm": (nn.LayerNorm(8), ROWS),
    "InstanceNorm1d": (nn.InstanceNorm1d(5), ROWS),
    "InstanceNorm2d": (nn.InstanceNorm2d(4), IMAGE),
    "InstanceNorm3d": (nn.InstanceNorm3d(2), VOLUME),
    "RMSNorm": (nn.RMSNorm(8), ROWS),
    "LocalResponseNorm": (nn.LocalResponseNorm(2), IMAGE),
    "MaxPool1d": (nn.MaxPool1d(2), ROWS),
    "MaxPool2d": (nn.MaxPool2d(2), IMAGE),
    "MaxPool3d": (nn.MaxPool3d(2), VOLUME),
    "AvgPool1d": (nn.AvgPool1d(2), ROWS),
    "AvgPool2d": (nn.AvgPool2d(2), IMAGE),
    "AvgPool3d": (nn.AvgPool3d(2), VOLUME),
    "LPPool2d": (nn.LPPool2d(2, 2), IMAGE),
    "FractionalMaxPool2d": (nn.FractionalMaxPool2d(2, output_size=3), IMAGE),
    "AdaptiveAvgPool1d": (nn.AdaptiveAvgPool1d(2), ROWS),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d(2), IMAGE),
    "AdaptiveAvgPool3d": (nn.AdaptiveAvgPool3d(2), VOLUME),
    "AdaptiveMaxPool1d": (nn.AdaptiveMaxPool1d(2), ROWS),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d(2), IMAGE),
    "AdaptiveMaxPool3d": (nn.AdaptiveMaxPool3d(2), VOLUME),
    "Upsample": (nn.Upsample(scale_factor=2), IMAGE),
    "PixelShuffle": (nn.PixelShuffle(2), IMAGE),
    "PixelUnshuffle": (nn.PixelUnshuffle(2), IMAGE),
    "ChannelShuffle": (nn.ChannelShuffle(2), IMAGE),
    "Unfold": (nn.Unfold(2), IMAGE),
    "Fold": (nn.Fold((4, 4), 2), (16, 9)),
    "ReLU": (nn.ReLU(), IMAGE),
    "ReLU6": (nn.ReLU6(), IMAGE),
    "LeakyReLU": (nn.LeakyReLU(), IMAGE),
    "PReLU": (nn.PReLU(), IMAGE),
    "RReLU": (nn.RReLU(), IMAGE),
    "ELU": (nn.ELU(), IMAGE),
    "CELU": (nn.CELU(), IMAGE),
    "SELU": (nn.SELU(), IMAGE),
    "GELU": (nn.GELU(), IMAGE),
    "GLU": (nn.GLU(), IMAGE),
    "SiLU": (nn.SiLU(), IMAGE),
    "Mish": (nn.Mish(), IMAGE),
    "Softplus": (nn.Softplus(), IMAGE),
    "Softsign": (nn.Softsign(), IMAGE),
    "Hardtanh": (nn.Hardtanh(), IMAGE),
    "Hardswish": (nn.Hardswish(), IMAGE),
    "Hardsigmoid": (nn.Hardsigmoid(), IMAGE),
    "Hardshrink": (nn.Hardshrink(), IMAGE),
    "Softshrink": (nn.Softshrink(), IMAGE),
    "Tanhshrink": (nn.Tanhshrink(), IMAGE),
    "Threshold": (nn.Threshold(0.1, 1.0), IMAGE),
    "Tanh": (nn.Tanh(), IMAGE),
    "Sigmoid": (nn.Sigmoid(), IMAGE),
    "LogSigmoid": (nn.LogSigmoid(), IMAGE),
    "Softmax": (nn.Softmax(-1), ROWS),
    "Softmin": (nn.Softmin(-1), ROWS),
    "Softmax2d": (nn.Softmax2d(), IMAGE),
    "LogSoftmax": (nn.LogSoftmax(-1), ROWS),
    "Dropout": (nn.Dropout(), ROWS),
    "Dropout1d": (nn.Dropout1d(), ROWS),
    "Dropout2d": (nn.Dropout2d(), IMAGE),
    "Dropout3d": (nn.Dropout3d(), VOLUME),
    "AlphaDropout": (nn.AlphaDropout(), ROWS),
    "ZeroPad2d": (nn.ZeroPad2d(1), IMAGE),
    "ConstantPad2d": (nn.ConstantPad2d(1, 0.5), IMAGE),
    "CircularPad2d": (nn.CircularPad2d(1), IMAGE),
    "ReflectionPad1d": (nn.ReflectionPad1d(1), ROWS),
    "ReflectionPad2d": (nn.ReflectionPad2d(1), IMAGE),
    "ReplicationPad2d": (nn.ReplicationPad2d(1), IMAGE),
    "ReplicationPad3d": (nn.ReplicationPad3d(1), VOLUME),
    "Flatten": (nn.Flatten(), IMAGE),
    "Identity": (nn.Identity(), IMAGE),
    "LSTM": (nn.LSTM(8, 4, batch_first=True), ROWS),
    "GRU": (nn.GRU(8, 4, batch_first=True), ROWS),
    "RNN": (nn.RNN(8, 4, batch_first=True), ROWS),
    "LSTMCell": (nn.LSTMCell(8, 4), (8,)),
    "GRUCell": (nn.GRUCell(8, 4), (8,)),
    "RNNCell": (nn.RNNCell(8, 4), (8,)),
    "TransformerEncoderLayer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ROWS),
    "TransformerDecoderLayer": (nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), ROWS),
}
TAKES_TWO = ("Bilinear", "TransformerDecoderLayer")
COVERED_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "einsum": lambda x: torch.einsum("bij,bkj->bik", x, x),
    "interpolate": lambda x: functional.interpolate(x, scale_factor=2, mode="linear"),
    "bicubic": lambda x: functional.interpolate(x[:, None], scale_factor=2, mode="bicubic"),
    "trilinear": lambda x: functional.interpolate(x[:, None, None], (4, 4, 4), mode="trilinear"),
    "one_hot": lambda x: functional.one_hot((x > 0).long(), 3),
    "cumsum": lambda x: x.cumsum(1),
    "sort": lambda x: x.sort().values,
    "topk": lambda x: x.topk(2).values,
    "gather": lambda x: x.gather(1, (x > 0).long()),
    "scatter": lambda x: x.scatter_add(1, (x > 0).long(), x),
    "index": lambda x: x[:, torch.tensor([0, 2], device=x.device)],
    "setitem": lambda x: x.clone().index_fill_(1, torch.tensor([0], device=x.device), 0.0),
    "where": lambda x: torch.where(x > 0, x, 0),
    "tril": lambda x: x.tril() + x.triu(),
    "masked_fill": lambda x: x.masked_fill(x > 0, 0.0),
    "arange": lambda x: x + torch.arange(8, device=x.device),
    "baddbmm": lambda x: torch.baddbmm(x @ x.mT, x, x.mT),
    "norm": lambda x: functional.normalize(x),
    "std": lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True),
    "max": lambda x: x.max(1).values,
    "logsumexp": lambda x: x.logsumexp(1),
    "fft": lambda x: torch.fft.irfft(torch.fft.rfft(x)),
    "cdist": lambda x: torch.cdist(x, x),
    "roll": lambda x: x.roll(1, 1).flip(1),
    "cosine": lambda x: functional.cosine_similarity(x, x + 1),
    "gumbel": lambda x: functional.gumbel_softmax(x),
    "grid_sample": lambda x: functional.grid_sample(
        x[:, None], x[:, None, :, :2], align_corners=False
    ),
    "renorm": lambda x: x.renorm(2, 1, 1.0),
}
UNCOVERED_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.linalg.inv": lambda x: torch.linalg.inv(x[:, :5, :5]),
    "torch.linalg.cholesky": lambda x: torch.linalg.cholesky(x[:, :5, :5]),
    "torch.linalg.qr": lambda x: torch.linalg.qr(x)[0],
    "torch.linalg.svd": lambda x: torch.linalg.svd(x)[0],
    "torch.linalg.matrix_exp": lambda x: torch.linalg.matrix_exp(x[:, :5, :5]),
}


class First(nn.Module):
    """The first output of a layer that may have several, for the same input once or twice."""

    def __init__(self, layer: Callable[..., object], inputs: int = 1) -> None:
        super().__init__()
        self.layer = layer
        self.inputs = inputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the first output."""
        output = self.layer(*[x] * self.inputs)
        if isinstance(output, tuple):
            output = output[0]
        assert isinstance(output, Tensor)
        return output


class Rounded(nn.Module):
    """Whole numbers, as inputs of an embedding."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a row of indices for each sample."""
        return x.long()


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
    found = re.search(r"Examples are the matrix functions (.*?): ", prose(PAGE))
    assert found
    assert re.findall(r"`([\w.]+)`", found[1]) == [*UNCOVERED_FUNCTIONS]


@pytest.mark.parametrize("name", COVERED_LAYERS)
def test_covered_layers_have_a_cost(name: str) -> None:
    layer, shape = COVERED_LAYERS[name]
    tokens = shape == TOKENS
    module = First(layer, 2 if name in TAKES_TWO else 1)
    module_cost(nn.Sequential(Rounded(), module) if tokens else module, shape, first=tokens)


@pytest.mark.parametrize("name", COVERED_FUNCTIONS)
def test_covered_functions_have_a_cost(name: str) -> None:
    module_cost(First(COVERED_FUNCTIONS[name]), ROWS, first=False)


@pytest.mark.parametrize("name", UNCOVERED_FUNCTIONS)
def test_uncovered_functions_are_errors(name: str) -> None:
    with pytest.raises(CostError, match="no cost rule for the operation '"):
        module_cost(First(UNCOVERED_FUNCTIONS[name]), ROWS, first=False)


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
