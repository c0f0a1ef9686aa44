"""MobileNetV2 and MobileNetV3-small, built of depthwise convolutions."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from cutlayer.models.layers import Residual, conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock

# Expansion, output channels, repetitions, stride (table 2 of the paper). For small images the stem and
# the second row have stride 1, so that 32x32 ends as 4x4.
_V2_ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_LARGE = 96  # smallest side of an image with the paper's own strides

# Kernel, expanded channels, output channels, squeeze-and-excite, activation, stride.
_RELU, _SWISH = partial(nn.ReLU, inplace=True), nn.Hardswish
_V3_ROWS = (
    (3, 16, 16, True, _RELU, 2),
    (3, 72, 24, False, _RELU, 2),
    (3, 88, 24, False, _RELU, 1),
    (5, 96, 40, True, _SWISH, 2),
    (5, 240, 40, True, _SWISH, 1),
    (5, 240, 40, True, _SWISH, 1),
    (5, 120, 48, True, _SWISH, 1),
    (5, 144, 48, True, _SWISH, 1),
    (5, 288, 96, True, _SWISH, 2),
    (5, 576, 96, True, _SWISH, 1),
    (5, 576, 96, True, _SWISH, 1),
)

_conv = partial(conv_block, bias=False)


def mobilenetv2(
    classes: int = 10, input_shape: Sequence[int] = (3, 32, 32), width: float = 1.0
) -> Model:
    """Build MobileNetV2: 2,236,682 parameters for 10 classes, 3,504,872 for 1000.

    Sandler et al., CVPR 2018, without dropout. Images with a side below 96 keep their size in the stem
    and in the second row. `width` multiplies all channels but the last 1,280, rounded to multiples of 8.
    """
    large = min(input_shape[1:]) >= _LARGE
    relu6 = partial(nn.ReLU6, inplace=True)
    inputs = _scaled(32, width)
    blocks: list[NamedBlock] = [
        ("stem", _conv(input_shape[0], inputs, stride=1 + large, activation=relu6()))
    ]
    for row, (expansion, outputs, repetitions, stride) in enumerate(_V2_ROWS):
        outputs = _scaled(outputs, width)
        for repetition in range(repetitions):
            step = 1 if repetition or (row == 1 and not large) else stride
            block = _bottleneck(inputs, 3, inputs * expansion, outputs, False, relu6, step)
            blocks.append((f"bottleneck{len(blocks)}", block))
            inputs = outputs
    pool = nn.AdaptiveAvgPool2d(1)
    blocks.append(("pointwise", _conv(inputs, 1280, kernel=1, activation=relu6(), pool=pool)))
    blocks.append(("fc", fc_block(1280, classes, relu=False)))
    name = "mobilenetv2" if width == 1 else f"mobilenetv2-{100 * width:03.0f}"
    return Model(name, blocks, input_shape, classes, feature_blocks=len(blocks) - 1)


def mobilenetv2_050(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build MobileNetV2 with half the channels: 1,968,680 parameters for 1000 classes."""
    return mobilenetv2(classes, input_shape, width=0.5)


def _scaled(channels: int, width: float) -> int:
    """Return `channels` times `width` as the nearest multiple of 8 that is at least 90 % of it."""
    scaled = max(8, int(channels * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * width else scaled


def mobilenetv3_small(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build MobileNetV3-small 1.0 for large images, without dropout.

    2,542,856 parameters for 1000 classes, 56 M multiply-accumulates (Howard et al., ICCV 2019, table 2).
    """
    stem = _conv(input_shape[0], 16, stride=2, activation=_SWISH())
    blocks: list[NamedBlock] = [("stem", stem)]
    inputs = 16
    for row in _V3_ROWS:
        blocks.append((f"bottleneck{len(blocks)}", _bottleneck(inputs, *row)))
        inputs = row[2]
    last = _conv(inputs, 576, kernel=1, activation=_SWISH(), pool=nn.AdaptiveAvgPool2d(1))
    hidden = nn.Sequential(fc_block(576, 1024, relu=False), _SWISH())
    blocks += [("pointwise", last), ("fc1", hidden)]
    blocks.append(("fc2", fc_block(1024, classes, relu=False)))
    return Model("mobilenetv3-small", blocks, input_shape, classes, feature_blocks=len(blocks) - 2)


class SqueezeExcite(nn.Module):
    """Scales each channel by a weight that two pointwise convolutions compute from the channel means."""

    draws = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(8, (channels // 4 + 4) // 8 * 8)  # a quarter, to the nearest multiple of 8
        if squeezed < 0.9 * (channels // 4):
            squeezed += 8
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled activation, in the shape of `x`."""
        scaled: Tensor = self.weigh(x) * x
        return scaled


def _bottleneck(
    inputs: int,
    kernel: int,
    hidden: int,
    outputs: int,
    excite: bool,
    activation: Callable[[], nn.Module],
    stride: int,
) -> nn.Module:
    body = nn.Sequential()
    if hidden != inputs:
        body.append(_conv(inputs, hidden, kernel=1, activation=activation()))
    depthwise = partial(_conv, kernel=kernel, stride=stride, groups=hidden)
    body.append(depthwise(hidden, hidden, activation=activation()))
    if excite:
        body.append(SqueezeExcite(hidden))
    body.append(_conv(hidden, outputs, kernel=1, activation=nn.Identity()))
    return Residual(body) if stride == 1 and inputs == outputs else body
