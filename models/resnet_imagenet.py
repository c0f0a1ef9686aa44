"""ResNet18 and ResNet50 for large images (He et al., CVPR 2016, table 1)."""

from collections.abc import Callable, Sequence

from torch import nn

from cutlayer.models.layers import Residual, conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock

_STAGES = (64, 128, 256, 512)  # channels inside the residual blocks
_WIDENING = 4  # of a bottleneck's output

MakeBlock = Callable[[int, int, int], nn.Module]


def resnet18(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ResNet18: 11,689,512 parameters for 1000 classes, 1.81 G multiply-accumulates at 224x224."""
    return _resnet("resnet18", (2, 2, 2, 2), _basic, 1, classes, input_shape)


def resnet50(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ResNet50: 25,557,032 parameters for 1000 classes, 4.09 G multiply-accumulates at 224x224.

    As in most later work, and unlike the paper, a bottleneck's stride is in its 3x3 convolution.
    """
    return _resnet("resnet50", (3, 4, 6, 3), _bottleneck, _WIDENING, classes, input_shape)


def _resnet(
    name: str,
    repetitions: Sequence[int],
    make_block: MakeBlock,
    widening: int,
    classes: int,
    input_shape: Sequence[int],
) -> Model:
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    stem = conv_block(input_shape[0], 64, kernel=7, stride=2, bias=False, pool=pool)
    blocks: list[NamedBlock] = [("stem", stem)]
    inputs = 64
    for stage, (channels, count) in enumerate(zip(_STAGES, repetitions, strict=True)):
        for number in range(count):
            stride = 2 if stage and not number else 1
            blocks.append((f"residual{len(blocks)}", make_block(inputs, channels, stride)))
            inputs = channels * widening
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), fc_block(inputs, classes, relu=False))
    blocks.append(("fc", head))
    return Model(name, blocks, input_shape, classes, feature_blocks=len(blocks) - 1)


def _basic(inputs: int, channels: int, stride: int) -> nn.Module:
    body = nn.Sequential(
        conv_block(inputs, channels, stride=stride, bias=False),
        conv_block(channels, channels, bias=False, activation=nn.Identity()),
    )
    return Residual(body, _shortcut(inputs, channels, stride), nn.ReLU(inplace=True))


def _bottleneck(inputs: int, channels: int, stride: int) -> nn.Module:
    outputs = channels * _WIDENING
    plain = nn.Identity()
    body = nn.Sequential(
        conv_block(inputs, channels, kernel=1, bias=False),
        conv_block(channels, channels, stride=stride, bias=False),
        conv_block(channels, outputs, kernel=1, bias=False, activation=plain),
    )
    return Residual(body, _shortcut(inputs, outputs, stride), nn.ReLU(inplace=True))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if stride == 1 and inputs == outputs:
        return None
    plain = nn.Identity()
    return conv_block(inputs, outputs, kernel=1, stride=stride, bias=False, activation=plain)
