"""The probes, the models that a profile is fitted on; none of them is in the catalogue.

Together they have dense, wide, pointwise, depthwise and strided convolutions with few and many channels
on maps of size 32 to 2, with and without normalisation and pooling, and linear layers that are limited
by arithmetic or by the traffic of their weights.
"""

from collections.abc import Callable
from typing import Final

from torch import nn

from cutlayer.models.layers import Residual, conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock, flat_features

INPUT_SHAPE: Final = (3, 32, 32)
CLASSES: Final = 10
BATCHES: Final = (8, 24, 64, 128)

# Kinds with their outputs: dense 3x3, plain (3x3 without norm), strided 3x3, pointwise, depthwise,
# residual pair of 3x3; "pool" is a 2x2 maximum, "fc" a linear layer.
_PLANS: Final = {
    "deep": (
        "dense 32, dense 64, pool, dense 128, dense 128, pool, dense 256, dense 256, pool, "
        "dense 512, dense 512, pool, dense 512, fc 1024, fc 10"
    ),
    "plain": (
        "plain 48, plain 64, plain 96, pool, plain 128, plain 192, pool, plain 384, plain 320, "
        "pool, plain 512, pool, plain 512, fc 2048, fc 512, fc 10"
    ),
    "thin": (
        "dense 16, dense 16, dense 32, pool, dense 32, dense 48, pool, dense 64, dense 96, "
        "pool, dense 128, pool, dense 128, fc 256, fc 10"
    ),
    "residual": (
        "dense 48, pool, residual 48, strided 96, residual 96, residual 96, strided 192, "
        "residual 192, strided 384, residual 384, fc 10"
    ),
    "separable": (
        "dense 24, depthwise, pointwise 96, depthwise, pointwise 24, pool, pointwise 144, "
        "depthwise, pointwise 32, pointwise 192, depthwise, pool, pointwise 64, pointwise 384, "
        "depthwise, pointwise 96, pool, pointwise 576, depthwise, pointwise 160, pool, "
        "depthwise, pointwise 960, depthwise, pointwise 320, fc 10"
    ),
    "bottleneck": (
        "pointwise 64, pointwise 128, pool, pointwise 256, dense 192, pool, pointwise 512, "
        "dense 256, pool, pointwise 1024, dense 384, pool, pointwise 2048, fc 10"
    ),
    "linear": "pool, fc 512, fc 4096, fc 3072, fc 128, fc 10",
}

PROBES: Final = tuple(_PLANS)


def probe(name: str) -> Model:
    """Return the probe `name`, with weights from torch's global generator."""
    blocks: list[NamedBlock] = []
    channels = INPUT_SHAPE[0]
    plan = _PLANS[name].split(", ")
    for number, layer in enumerate(plan):
        kind, _, count = layer.partition(" ")
        outputs = int(count or 0)
        if kind == "fc":
            features = flat_features(blocks, INPUT_SHAPE) if blocks else channels
            last = number == len(plan) - 1
            blocks.append((f"{number}-fc", fc_block(features, outputs, relu=not last)))
            continue
        blocks.append((f"{number}-{kind}", _KINDS[kind](channels, outputs)))
        channels = outputs or channels
    return Model(name, blocks, INPUT_SHAPE, CLASSES, feature_blocks=0)


def _residual(inputs: int, outputs: int) -> nn.Module:
    last = conv_block(outputs, outputs, bias=False, activation=nn.Identity())
    body = nn.Sequential(conv_block(inputs, outputs, bias=False), last)
    return Residual(body, after=nn.ReLU(inplace=True))


_KINDS: Final[dict[str, Callable[[int, int], nn.Module]]] = {
    "dense": conv_block,
    "plain": lambda inputs, outputs: conv_block(inputs, outputs, norm=False),
    "strided": lambda inputs, outputs: conv_block(inputs, outputs, stride=2, bias=False),
    "pointwise": lambda inputs, outputs: conv_block(
        inputs, outputs, kernel=1, padding=0, bias=False, activation=nn.ReLU6(inplace=True)
    ),
    "depthwise": lambda inputs, _: conv_block(
        inputs, inputs, groups=inputs, bias=False, activation=nn.ReLU6(inplace=True)
    ),
    "residual": _residual,
    "pool": lambda *_: nn.MaxPool2d(2),
}
