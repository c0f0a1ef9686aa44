"""LeNet: the smallest model of the catalogue, without BatchNorm."""

from collections.abc import Sequence

from torch import nn

from cutlayer.models.layers import conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock, flat_features


def lenet(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build LeNet-5 with ReLU and max pooling: 62,006 parameters for 3x32x32 and 10 classes.

    LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86(11), 1998.
    """
    blocks: list[NamedBlock] = []
    channels = input_shape[0]
    for number, outputs in enumerate((6, 16), 1):
        block = conv_block(channels, outputs, kernel=5, padding=0, norm=False, pool=nn.MaxPool2d(2))
        blocks.append((f"conv{number}", block))
        channels = outputs
    features = flat_features(blocks, input_shape)
    blocks += [
        ("fc1", fc_block(features, 120)),
        ("fc2", fc_block(120, 84)),
        ("fc3", fc_block(84, classes, relu=False)),
    ]
    return Model("lenet", blocks, input_shape, classes, feature_blocks=2)
