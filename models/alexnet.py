"""AlexNet for small images."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from cutlayer.models.layers import conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock, flat_features


def alexnet(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build AlexNet with 3x3 convolutions and BatchNorm: 23,274,570 parameters for 10 classes.

    Krizhevsky, Sutskever and Hinton, NIPS 2012, adapted to 32x32 images as in EcoFed (arXiv 2304.05495).
    """
    halve = nn.MaxPool2d
    last_pool = nn.Sequential(OrderedDict(max=halve(2), average=nn.AdaptiveAvgPool2d(2)))
    blocks: list[NamedBlock] = [
        ("conv1", conv_block(input_shape[0], 64, stride=2, pool=halve(2))),
        ("conv2", conv_block(64, 192, pool=halve(2))),
        ("conv3", conv_block(192, 384)),
        ("conv4", conv_block(384, 256)),
        ("conv5", conv_block(256, 256, pool=last_pool)),
    ]
    features = flat_features(blocks, input_shape)
    blocks += [
        ("fc1", fc_block(features, 4096)),
        ("fc2", fc_block(4096, 4096)),
        ("fc3", fc_block(4096, classes, relu=False)),
    ]
    return Model("alexnet", blocks, input_shape, classes, feature_blocks=5)
