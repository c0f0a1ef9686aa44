"""Residual networks: ResNet9 of EcoFed and ResNet12 of its demonstration on Raspberry Pis."""

from collections.abc import Sequence

from torch import nn

from cutlayer.models.layers import Residual, conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock


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
    blocks: list[NamedBlock] = [
        ("conv1", conv_block(input_shape[0], 64, bias=False, pool=nn.MaxPool2d(2))),
        ("conv2", conv_block(64, 64, bias=False, pool=nn.MaxPool2d(2))),
        ("residual1", _basic(64, 64, nn.ReLU(inplace=True))),
        ("residual2", _basic(64, 128, nn.ReLU(inplace=True))),
        (
            "residual3",
            _basic(128, 256, nn.Sequential(nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))),
        ),
        ("fc", fc_block(256, classes, relu=False, bias=False)),
    ]
    return Model("resnet12", blocks, input_shape, classes, feature_blocks=5)


def _halving(inputs: int, outputs: int) -> Residual:
    # With ceil_mode a map of odd side gets the size that the strided shortcut gives it.
    pool = nn.MaxPool2d(2, ceil_mode=True)
    body = nn.Sequential(conv_block(inputs, outputs), conv_block(outputs, outputs, pool=pool))
    return Residual(body, nn.Conv2d(inputs, outputs, 1, stride=2))


def _basic(inputs: int, outputs: int, after: nn.Module) -> Residual:
    plain = nn.Identity()
    body = nn.Sequential(
        conv_block(inputs, outputs, stride=2, bias=False),
        conv_block(outputs, outputs, bias=False, activation=plain),
    )
    shortcut = conv_block(inputs, outputs, kernel=1, stride=2, bias=False, activation=plain)
    return Residual(body, shortcut, after)
