"""Plain models: convolution blocks, then fully connected layers, without shortcuts."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from cutlayer.models.layers import conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock, flat_features


def lenet(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build LeNet-5 with ReLU and max pooling: 62,006 parameters for 3x32x32 and 10 classes.

    LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86(11), 1998. It has no BatchNorm.
    """
    convolutions = [
        conv_block(inputs, outputs, kernel=5, padding=0, norm=False, pool=nn.MaxPool2d(2))
        for inputs, outputs in ((input_shape[0], 6), (6, 16))
    ]
    return _plain("lenet", convolutions, (120, 84), classes, input_shape)


def alexnet(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build AlexNet with 3x3 convolutions and BatchNorm: 23,274,570 parameters for 10 classes.

    Krizhevsky, Sutskever and Hinton, NIPS 2012, adapted to 32x32 images as in EcoFed (arXiv 2304.05495).
    """
    last_pool = nn.Sequential(OrderedDict(max=nn.MaxPool2d(2), average=nn.AdaptiveAvgPool2d(2)))
    convolutions = [
        conv_block(input_shape[0], 64, stride=2, pool=nn.MaxPool2d(2)),
        conv_block(64, 192, pool=nn.MaxPool2d(2)),
        conv_block(192, 384),
        conv_block(384, 256),
        conv_block(256, 256, pool=last_pool),
    ]
    return _plain("alexnet", convolutions, (4096, 4096), classes, input_shape)


def vgg11(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32), width: float = 1.0) -> Model:
    """Build VGG11 for small images with BatchNorm: 34,440,970 parameters for 10 classes.

    Simonyan and Zisserman, ICLR 2015, configuration A, without the last pooling, as trained in EcoFed
    (arXiv 2304.05495). At 32x32 the feature vector has 2048 values.
    `width` multiplies all channels and hidden units.
    """
    plan = [(64, True), (128, True), (256, False), (256, True)]
    plan += [(512, False), (512, True), (512, False), (512, False)]
    return _vgg("vgg11", plan, (4096, 4096), classes, input_shape, width)


def vgg5(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32), width: float = 1.0) -> Model:
    """Build VGG5 with BatchNorm: 582,346 parameters, 8,488,192 multiply-accumulates forward.

    The model of FedAdapt (arXiv 2107.04271) and FedFly (arXiv 2111.01516).
    `width` multiplies all channels and hidden units.
    """
    plan = [(32, True), (64, True), (64, False)]
    return _vgg("vgg5", plan, (128,), classes, input_shape, width)


def vgg19(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build VGG19 without BatchNorm: 139,611,210 parameters for 10 classes.

    Simonyan and Zisserman, ICLR 2015, configuration E, as trained on CIFAR in the public code of MP-SL
    (github.com/jtirana98/MultiHop-Federeated-Split-Learning). Pooling pads by 1, so the maps are 32, 17,
    9, 5 and 3 wide; the last one is resized to 7x7 before the linear layers.
    """
    channels = input_shape[0]
    blocks: list[NamedBlock] = []
    for outputs, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for position in range(count):
            pool = nn.MaxPool2d(2, padding=1) if position == count - 1 else None
            name = f"conv{len(blocks) + 1}"
            blocks.append((name, conv_block(channels, outputs, norm=False, pool=pool)))
            channels = outputs
    spread = nn.Sequential(nn.AdaptiveAvgPool2d(7), fc_block(channels * 7 * 7, 4096))
    blocks += [("fc1", spread), ("fc2", fc_block(4096, 4096))]
    blocks.append(("fc3", fc_block(4096, classes, relu=False)))
    return Model("vgg19", blocks, input_shape, classes, feature_blocks=16)


def _vgg(
    name: str,
    plan: Sequence[tuple[int, bool]],
    hidden: Sequence[int],
    classes: int,
    input_shape: Sequence[int],
    width: float,
) -> Model:
    """Build a model from the channels of its convolutions, and whether pooling follows each."""
    channels = [input_shape[0], *(max(1, round(outputs * width)) for outputs, _ in plan)]
    convolutions = [
        conv_block(channels[i], channels[i + 1], pool=nn.MaxPool2d(2) if pooled else None)
        for i, (_, pooled) in enumerate(plan)
    ]
    units = [max(1, round(count * width)) for count in hidden]
    return _plain(name, convolutions, units, classes, input_shape)


def _plain(
    name: str,
    convolutions: Sequence[nn.Module],
    hidden: Sequence[int],
    classes: int,
    input_shape: Sequence[int],
) -> Model:
    blocks: list[NamedBlock] = [(f"conv{i}", block) for i, block in enumerate(convolutions, 1)]
    features = flat_features(blocks, input_shape)
    for number, units in enumerate((*hidden, classes), 1):
        blocks.append((f"fc{number}", fc_block(features, units, relu=number <= len(hidden))))
        features = units
    return Model(name, blocks, input_shape, classes, feature_blocks=len(convolutions))
