"""Networks of the rows that are not in the catalogue, by their descriptions.

tinycnn and dscnn are those of github.com/yeeiia/Hardware-Course-Project, 053a6df; bert_base is from
Devlin et al., NAACL 2019, vit_base from Dosovitskiy et al., ICLR 2021.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from cutlayer.models import Model
from cutlayer.models.layers import conv_block, fc_block
from cutlayer.models.vit import ClassHead, EncoderLayer, PatchEmbedding


def tinycnn(classes: int = 10, input_shape: Sequence[int] = (1, 28, 28)) -> Model:
    """Build two convolutions with BatchNorm and pooling, and two linear layers: 105,962 parameters."""
    blocks = [
        ("conv1", conv_block(input_shape[0], 16, pool=nn.MaxPool2d(2))),
        ("conv2", conv_block(16, 32, pool=nn.MaxPool2d(2))),
        ("fc1", fc_block(32 * (input_shape[1] // 4) * (input_shape[2] // 4), 64)),
        ("fc2", fc_block(64, classes, relu=False)),
    ]
    return Model("tinycnn", blocks, input_shape, classes, feature_blocks=2)


def dscnn(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Build a convolution and three depthwise-separable blocks: 22,450 parameters (22,426 published)."""
    blocks = [("conv1", conv_block(input_shape[0], 24))]
    pools = (nn.MaxPool2d(2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1))
    inputs = 24
    for number, (outputs, pool) in enumerate(zip((48, 96, 128), pools, strict=True), 1):
        separable = nn.Sequential(
            conv_block(inputs, inputs, groups=inputs, bias=False),
            conv_block(inputs, outputs, kernel=1, bias=False, pool=pool),
        )
        blocks.append((f"separable{number}", separable))
        inputs = outputs
    blocks.append(("fc", fc_block(inputs, classes, relu=False)))
    return Model("dscnn", blocks, input_shape, classes, feature_blocks=4)


def bert_base(classes: int = 2, input_shape: Sequence[int] = (128, 768)) -> Model:
    """Build the encoder of BERT-base on embedded tokens, and its pooler: 86 million parameters.

    The norms are before the layers instead of behind them, which costs the same.
    """
    width = input_shape[1]
    blocks = [(f"encoder{number}", EncoderLayer(width, 12)) for number in range(1, 13)]
    blocks.append(("pooler", nn.Sequential(FirstToken(), nn.Linear(width, width), nn.Tanh())))
    blocks.append(("fc", fc_block(width, classes, relu=False)))
    return Model("bert-base", blocks, input_shape, classes, feature_blocks=13)


def vit_base(classes: int = 1000, input_shape: Sequence[int] = (3, 224, 224)) -> Model:
    """Build ViT-Base with patches of 16x16: 86,567,656 parameters for 1000 classes at 224x224."""
    width, heads = 768, 12
    blocks = [
        ("embedding", PatchEmbedding(input_shape, width)),
        *((f"encoder{number}", EncoderLayer(width, heads)) for number in range(1, 13)),
        ("fc", ClassHead(width, classes)),
    ]
    return Model("vit-base", blocks, input_shape, classes, feature_blocks=13)


class FirstToken(nn.Module):
    """Takes the first token."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the first token, (batch, width)."""
        return x[:, 0]
