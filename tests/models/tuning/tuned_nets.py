"""Small models to tune: one of blocks, and modules that are traced."""

import torch
from torch import nn
from torch.nn import functional

from cutlayer.models.model import Model
from cutlayer.models.vit import ClassHead, EncoderLayer, PatchEmbedding

SHAPE = (3, 32, 32)


def vit(classes=3, input_shape=SHAPE):
    blocks = [("embedding", PatchEmbedding(input_shape, 8))]
    blocks += [(f"encoder{number}", EncoderLayer(8, 2)) for number in (1, 2)]
    return Model("vit", [*blocks, ("fc", ClassHead(8, classes))], input_shape, classes, 3)


class Normed(nn.Module):
    """BatchNorm with running statistics, and InstanceNorm with them."""

    def __init__(self, classes=3):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.instance = nn.InstanceNorm2d(4, track_running_stats=True)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.instance(self.bn(self.conv(x))).mean((2, 3)))


class Attends(nn.Module):
    """Torch's own attention, and its encoder layer."""

    def __init__(self, classes=3):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        return self.fc(self.layer(x)[:, 0])


class Shares(nn.Module):
    """Two layers with one weight."""

    def __init__(self, classes=3):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.second(torch.tanh(self.first(x))))


class Unused(nn.Module):
    """A layer that the forward pass does not call."""

    def __init__(self, classes=3):
        super().__init__()
        self.read, self.fc = nn.Linear(4, 4), nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(functional.linear(x, self.read.weight))


class Counts(nn.Module):
    """Replaces a buffer in training."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0.0))

    def forward(self, x):
        if self.training:
            self.calls = self.calls + 1
        return x


def counting(classes=3, input_shape=SHAPE):
    head = nn.Linear(input_shape[-1], classes)
    return Model("counting", [("first", Counts()), ("fc", head)], input_shape, classes, 1)
