"""Residual networks.

ResNet9 of EcoFed and ResNet12 of its demonstration on Raspberry Pis are for small images, ResNet18 and
ResNet50 (He et al., CVPR 2016, table 1) for large ones.
"""

from collections.abc import Callable, Sequence

from torch import nn

from cutlayer.models.layers import Residual, conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock

_STAGES = (64, 128, 256, 512)  # channels inside the residual blocks of ResNet18 and ResNet50
_WIDENING = 4  # of a bottleneck's output


def resnet9(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build ResNet9: 9,395,722 parameters for 10 classes (EcoFed, arXiv 2304.05495).

    Two residual blocks halve the map: by max pooling after their two convolution blocks, and by a
    strided 1x1 convolution on the shortcut. The third ends in global average pooling. Additions have no
    activation after them.
    """
    blocks: list[NamedBlock] = [
        ("conv1", conv_block(input_shape[0], 64, pool=nn.MaxPool2d(2))),
        ("conv2", conv_block(64, 128, pool=nn.MaxPool2d(2))),
        ("residual1", _halving(128, 256)),
        ("residual2", _halving(256, 512)),
        (
            "residual3",
            Residual(
                nn.Sequential(conv_block(512, 512), conv_block(512, 512)),
                after=nn.AdaptiveAvgPool2d(1),
            ),
        ),
        ("fc", fc_block(512, classes, relu=False)),
    ]
    return Model("resnet9", blocks, input_shape, classes, feature_blocks=5)


def resnet12(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build ResNet12 without biases: 1,268,800 parameters for 10 classes.

    Two convolution blocks and three basic blocks of stride 2 (He et al., CVPR 2016), each with a
    1x1 convolution and BatchNorm on the shortcut and a ReLU after the addition. At 32x32 the last
    maps are 1x1, so a batch needs two samples.
    """
    after = nn.Sequential(nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
    blocks: list[NamedBlock] = [
        ("conv1", conv_block(input_shape[0], 64, bias=False, pool=nn.MaxPool2d(2))),
        ("conv2", conv_block(64, 64, bias=False, pool=nn.MaxPool2d(2))),
        ("residual1", _basic(64, 64, 2)),
        ("residual2", _basic(64, 128, 2)),
        ("residual3", _basic(128, 256, 2, after)),
        ("fc", fc_block(256, classes, relu=False, bias=False)),
    ]
    return Model("resnet12", blocks, input_shape, classes, feature_blocks=5)


def resnet18(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ResNet18: 11,689,512 parameters for 1000 classes, 1.81 G multiply-accumulates at 224x224."""
    return _resnet("resnet18", (2, 2, 2, 2), _basic, 1, classes, input_shape)


def resnet34(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ResNet34: 21,797,672 parameters for 1000 classes, 3.68 G multiply-accumulates at 224x224."""
    return _resnet("resnet34", (3, 4, 6, 3), _basic, 1, classes, input_shape)


def resnet50(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ResNet50: 25,557,032 parameters for 1000 classes, 4.09 G multiply-accumulates at 224x224.

    As in most later work, and unlike the paper, a bottleneck's stride is in its 3x3 convolution.
    """
    return _resnet("resnet50", (3, 4, 6, 3), _bottleneck, _WIDENING, classes, input_shape)


def _resnet(
    name: str,
    repetitions: Sequence[int],
    make_block: Callable[[int, int, int], nn.Module],
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


def _halving(inputs: int, outputs: int) -> Residual:
    # With ceil_mode a map of odd side gets the size that the strided shortcut gives it.
    pool = nn.MaxPool2d(2, ceil_mode=True)
    body = nn.Sequential(conv_block(inputs, outputs), conv_block(outputs, outputs, pool=pool))
    return Residual(body, nn.Conv2d(inputs, outputs, 1, stride=2))


def _basic(inputs: int, channels: int, stride: int, after: nn.Module | None = None) -> Residual:
    body = nn.Sequential(
        conv_block(inputs, channels, stride=stride, bias=False),
        conv_block(channels, channels, bias=False, activation=nn.Identity()),
    )
    after = nn.ReLU(inplace=True) if after is None else after
    return Residual(body, _shortcut(inputs, channels, stride), after)


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
