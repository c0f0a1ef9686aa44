"""VGG-style models: plain convolution blocks, then fully connected layers."""

from collections.abc import Sequence

from torch import nn

from cutlayer.models.layers import conv_block, fc_block
from cutlayer.models.model import Model, NamedBlock, flat_features


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
    channels = input_shape[0]
    blocks: list[NamedBlock] = []
    for number, (outputs, pooled) in enumerate(plan, 1):
        outputs = max(1, round(outputs * width))
        pool = nn.MaxPool2d(2) if pooled else None
        blocks.append((f"conv{number}", conv_block(channels, outputs, pool=pool)))
        channels = outputs
    features = flat_features(blocks, input_shape)
    for number, units in enumerate(hidden, 1):
        units = max(1, round(units * width))
        blocks.append((f"fc{number}", fc_block(features, units)))
        features = units
    blocks.append((f"fc{len(hidden) + 1}", fc_block(features, classes, relu=False)))
    return Model(name, blocks, input_shape, classes, feature_blocks=len(plan))
