"""MobileNetV2, built of depthwise convolutions."""

from collections.abc import Sequence

from torch import nn

from cutlayer.models.layers import Residual, conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock

# Expansion, output channels, repetitions, stride (table 2 of the paper). For small images the stem and
# the second row have stride 1, so that 32x32 ends as 4x4.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

_LARGE = 96  # smallest side of an image with the paper's own strides


def mobilenetv2(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build MobileNetV2 1.0: 2,236,682 parameters for 10 classes, 3,504,872 for 1000.

    Sandler et al., CVPR 2018, without dropout. Images with a side below 96 keep their size in the stem
    and in the second row.
    """
    large = min(input_shape[1:]) >= _LARGE
    stem = conv_block(
        input_shape[0], 32, stride=1 + large, bias=False, activation=nn.ReLU6(inplace=True)
    )
    blocks: list[NamedBlock] = [("stem", stem)]
    channels = 32
    for row, (expansion, outputs, repetitions, stride) in enumerate(_STAGES):
        stride = 1 if row == 1 and not large else stride
        for repetition in range(repetitions):
            block = _bottleneck(channels, outputs, expansion, stride if repetition == 0 else 1)
            blocks.append((f"bottleneck{len(blocks)}", block))
            channels = outputs
    blocks.append(("pointwise", _pointwise(channels, 1280, pool=nn.AdaptiveAvgPool2d(1))))
    blocks.append(("fc", fc_block(1280, classes, relu=False)))
    return Model("mobilenetv2", blocks, input_shape, classes, feature_blocks=len(blocks) - 1)


def _bottleneck(inputs: int, outputs: int, expansion: int, stride: int) -> nn.Module:
    hidden = inputs * expansion
    body = nn.Sequential()
    if expansion > 1:
        body.append(_pointwise(inputs, hidden))
    depthwise = conv_block(
        hidden, hidden, stride=stride, groups=hidden, bias=False, activation=nn.ReLU6(inplace=True)
    )
    body.append(depthwise)
    body.append(_pointwise(hidden, outputs, activation=nn.Identity()))
    return Residual(body) if stride == 1 and inputs == outputs else body


def _pointwise(
    inputs: int, outputs: int, *, activation: nn.Module | None = None, pool: nn.Module | None = None
) -> nn.Sequential:
    activation = nn.ReLU6(inplace=True) if activation is None else activation
    return conv_block(inputs, outputs, kernel=1, bias=False, activation=activation, pool=pool)
