"""Small models with modules that draw random numbers or have running statistics."""

# ruff: noqa: NPY002 - these modules draw from the global generators on purpose

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cutlayer.models import Model
from cutlayer.models.vit import ClassHead, EncoderLayer, PatchEmbedding

DRAWN: list[float] = []  # the numbers drawn by `Noise`, in order


class StochasticDepth(nn.Module):
    """Skips its body for half of the samples, in training."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x + self.body(x)
        keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) < 0.5
        return x + 2 * keep * self.body(x)


class SkippedAtTimes(nn.Module):
    """Skips its body for half of the batches, also in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return x if torch.rand(1).item() < 0.5 else torch.tanh(x)


class Noise(nn.Module):
    """Adds numbers from torch's, numpy's and Python's global generators, also in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        shift = random.gauss(0, 0.1)
        channels = torch.from_numpy(np.random.standard_normal(x.shape[1])).to(x)
        if not x.is_meta:
            DRAWN.extend([shift, float(np.random.random())])
        return x + 0.1 * torch.randn_like(x) + shift + 0.1 * channels.view(1, -1, 1, 1)


def _small(
    name: str, classes: int, input_shape: Sequence[int], *middle: Callable[[], nn.Module]
) -> Model:
    channels, height, width = input_shape
    first = nn.Sequential(nn.Conv2d(channels, 4, 4, stride=4), nn.ReLU())
    last = nn.Sequential(nn.Flatten(), nn.Linear(4 * (height // 4) * (width // 4), classes))
    blocks = [("first", first), *((f"middle{n}", make()) for n, make in enumerate(middle))]
    return Model(name, [*blocks, ("last", last)], input_shape, classes, feature_blocks=len(blocks))


def dropout(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Dropout on both sides of a cut after block 2."""
    return _small("dropout", classes, input_shape, lambda: nn.Dropout(0.3), lambda: nn.Dropout(0.3))


def depth(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Stochastic depth, by sample and by batch."""

    def skipped() -> nn.Module:
        return StochasticDepth(nn.Conv2d(4, 4, 3, padding=1))

    return _small("depth", classes, input_shape, skipped, SkippedAtTimes, skipped)


def noise(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """Noise on both sides of a cut after block 2, from three generators."""
    return _small("noise", classes, input_shape, Noise, Noise)


class CountingCalls(nn.Module):
    """The identity, with an integer and a boolean buffer that change in training."""

    calls: Tensor
    trained: Tensor
    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("trained", torch.tensor(False))
        self.register_buffer("places", torch.arange(5))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
            self.trained |= True
        return x


def statistics(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """PyTorch's default BatchNorm on both sides of a cut after block 2, and a call counter."""
    return _small(
        "statistics",
        classes,
        input_shape,
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), CountingCalls()),
    )


def brings(
    classes: int = 10, input_shape: Sequence[int] = (3, 32, 32), pretrained: bool = False
) -> Model:
    """A model that brings weights: ones in its first block."""
    made = statistics(classes, input_shape)
    if pretrained:
        nn.init.ones_(next(made.parameters()))
    return made


def rows(classes: int = 2, input_shape: Sequence[int] = (2,)) -> Model:
    """Linear layers for rows of features."""
    blocks = [
        ("first", nn.Sequential(nn.Linear(*input_shape, 6), nn.ReLU())),
        ("second", nn.Sequential(nn.Linear(6, 6), nn.ReLU())),
        ("last", nn.Linear(6, classes)),
    ]
    return Model("rows", blocks, input_shape, classes, feature_blocks=1)


def flat_statistics(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """BatchNorm with one value per channel and sample, which cannot train on a single sample."""
    channels, height, width = input_shape
    return Model(
        "flat_statistics",
        [
            ("first", nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 6))),
            ("norm", nn.Sequential(nn.BatchNorm1d(6), nn.ReLU())),
            ("last", nn.Linear(6, classes)),
        ],
        input_shape,
        classes,
        feature_blocks=1,
    )


class Fading(nn.Module):
    """Scales its input by its number of calls in training, a buffer."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return x * (1 - self.calls / 100)


def everything(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """BatchNorm, dropout and a buffer that is read in training, on both sides of a cut after block 2."""

    def middle() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), Fading(), nn.ReLU(), nn.Dropout(0.3)
        )

    return _small("everything", classes, input_shape, middle, middle)


def tiny_vit(classes: int = 10, input_shape: Sequence[int] = (3, 32, 32)) -> Model:
    """A transformer of two encoder layers of width 12, on four patches and a class token."""
    blocks = [
        ("embedding", PatchEmbedding(input_shape, 12)),
        ("encoder1", EncoderLayer(12, 2)),
        ("encoder2", EncoderLayer(12, 2)),
        ("fc", ClassHead(12, classes)),
    ]
    return Model("tiny_vit", blocks, input_shape, classes, feature_blocks=3)
