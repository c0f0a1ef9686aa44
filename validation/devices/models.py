"""The small networks of github.com/yeeiia/Hardware-Course-Project, 053a6df, by their descriptions."""

from collections.abc import Sequence

from torch import nn

from cutlayer.models import Model
from cutlayer.models.layers import conv_block, fc_block


def tinycnn(classes: int = 10, input_shape: Sequence[int] = (1, 28, 28)) -> Model:
    """Build two convolutions with BatchNorm and pooling, and two linear layers: 105,962 parameters."""
    blocks = [
        ("conv1", conv_block(input_shape[0], 16, pool=nn.MaxPool2d(2))),
        ("conv2", conv_block(16, 32, pool=nn.MaxPool2d(2))),
        ("fc1", fc_block(32 * (input_shape[1] // 4) * (input_shape[2] // 4), 64)),
        ("fc2", fc_block(64, classes, relu=False)),
    ]
    return Model("tinycnn", blocks, input_shape, classes, feature_blocks=2)


def dscnn(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build a convolution and three depthwise-separable blocks: 22,450 parameters (22,426 published)."""
    blocks = [("conv1", conv_block(input_shape[0], 24))]
    pools = (nn.MaxPool2d(2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1))
    inputs = 24
    for number, (outputs, pool) in enumerate(zip((48, 96, 128), pools, strict=True), 1):
        separable = nn.Sequential(
            conv_block(inputs, inputs, groups=inputs, bias=False),
            conv_block(inputs, outputs, kernel=1, bias=False, pool=pool),
        )
        blocks.append((f"separable{number}", separable))
        inputs = outputs
    blocks.append(("fc", fc_block(inputs, classes, relu=False)))
    return Model("dscnn", blocks, input_shape, classes, feature_blocks=4)
