"""MobileNetV3-small for large images (Howard et al., ICCV 2019, table 2)."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from cutlayer.models.layers import Residual, conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock

# Kernel, expanded channels, output channels, squeeze-and-excite, hard swish, stride.
_ROWS = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
_STEM, _LAST, _HIDDEN = 16, 576, 1024


def mobilenetv3_small(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build MobileNetV3-small 1.0, without dropout.

    2,542,856 parameters for 1000 classes, 56 M multiply-accumulates.
    """
    stem = conv_block(input_shape[0], _STEM, stride=2, bias=False, activation=nn.Hardswish())
    blocks: list[NamedBlock] = [("stem", stem)]
    inputs = _STEM
    for row in _ROWS:
        blocks.append((f"bottleneck{len(blocks)}", _bottleneck(inputs, *row)))
        inputs = row[2]
    pool, swish = nn.AdaptiveAvgPool2d(1), nn.Hardswish()
    last = conv_block(inputs, _LAST, kernel=1, bias=False, activation=swish, pool=pool)
    hidden = nn.Sequential(fc_block(_LAST, _HIDDEN, relu=False), nn.Hardswish())
    blocks += [("pointwise", last), ("fc1", hidden)]
    blocks.append(("fc2", fc_block(_HIDDEN, classes, relu=False)))
    return Model("mobilenetv3-small", blocks, input_shape, classes, feature_blocks=len(blocks) - 2)


class SqueezeExcite(nn.Module):
    """Scales each channel by a weight that two pointwise convolutions compute from the channel means."""

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
    inputs: int, kernel: int, hidden: int, outputs: int, excite: bool, swish: bool, stride: int
) -> nn.Module:
    body = nn.Sequential()
    activation = nn.Hardswish if swish else partial(nn.ReLU, inplace=True)
    make = partial(conv_block, bias=False)
    if hidden != inputs:
        body.append(make(inputs, hidden, kernel=1, activation=activation()))
    depthwise = partial(make, kernel=kernel, stride=stride, groups=hidden)
    body.append(depthwise(hidden, hidden, activation=activation()))
    if excite:
        body.append(SqueezeExcite(hidden))
    body.append(make(hidden, outputs, kernel=1, activation=nn.Identity()))
    return Residual(body) if stride == 1 and inputs == outputs else body
