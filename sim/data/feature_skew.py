"""Feature skew: the inputs of each client differ from those of others by noise, rotation or contrast.

Each client has levels of its own, drawn from a stream of (seed, client), so that they do not depend on
the number of clients. The training samples are changed once, before the run; test samples are not.
Noise that differs between clients is the feature skew of Li et al., ICDE 2022, section 4, where levels
grow evenly from client to client and noise is drawn anew for every batch.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.partition import Held
from cutlayer.streams import generator

if TYPE_CHECKING:
    from cutlayer.sim.data.datasets import Dataset

BLOCK: Final = 1024  # samples that are changed at a time, to bound the extra memory
IMAGES: Final = 4  # dimensions of a batch of images
Floats = NDArray[np.float32]


class Levels(NamedTuple):
    """What is done to a client's inputs.

    `noise` is a standard deviation, for images as a share of the range of pixels, for rows and windows
    in standard deviations of each feature. `angle` is in degrees, counter-clockwise. Differences from
    the mean of an image are multiplied by `contrast`.
    """

    noise: float
    angle: float
    contrast: float


@dataclass(frozen=True)
class FeatureSkew:
    """The largest levels: noise up to `noise`, angles to both sides, contrasts from 1 - c to 1 + c."""

    noise: float = 0.0
    rotation: float = 0.0
    contrast: float = 0.0

    def levels(self, seed: int, client: int) -> Levels:
        """Return the levels of a client, each uniform in its range."""
        noise, angle, contrast = generator(seed, "feature skew", client).random(3)
        return Levels(
            float(self.noise * noise),
            float(self.rotation * (2 * angle - 1)),
            float(1 + self.contrast * (2 * contrast - 1)),
        )

    def apply(self, dataset: "Dataset", held: Held, seed: int) -> "Dataset":
        """Return the data set with the clients' training inputs changed, in the same type.

        Every sample belongs to at most one client. Values of images stay within their range.
        """
        import torch

        images = dataset.train_images
        grey = images.dim() == 4 and images.stride(1) == 0  # channels that share memory stay equal
        inputs = (images[:, :1] if grey else images).numpy().copy()
        std = np.asarray(1.0 if dataset.info.is_image else dataset.info.std, np.float32)
        std = std.reshape(-1, *(1,) * (inputs.ndim - 2))  # for each feature, or column of a window
        ends = np.cumsum([0, *held.sizes])
        order = held.order(dataset.train_classes.numpy())
        for client, (start, end) in enumerate(pairwise(ends)):
            levels = self.levels(seed, client)
            random = generator(seed, "feature noise", client)
            for first in range(int(start), int(end), BLOCK):
                rows = order[first : min(first + BLOCK, int(end))]
                inputs[rows] = _changed(inputs[rows], levels, random, std)
        changed = torch.from_numpy(inputs).expand(images.shape)
        return replace(dataset, train_images=changed)


def _changed(
    inputs: NDArray[Any], levels: Levels, random: np.random.Generator, std: Any
) -> NDArray[Any]:
    """Return inputs with noise, after rotation and contrast, in their type."""
    of_bytes = inputs.dtype == np.uint8
    values = inputs.astype(np.float32)
    if of_bytes:
        values /= 255
    if levels.angle:
        values = rotated(values, levels.angle)
    if levels.contrast != 1:
        mean = values.mean(axis=tuple(range(1, values.ndim)), keepdims=True)
        values = mean + np.float32(levels.contrast) * (values - mean)
    if levels.noise:
        values += np.float32(levels.noise) * std * random.standard_normal(values.shape, np.float32)
    if values.ndim == IMAGES:
        values = values.clip(0, 1)
    return np.rint(values * 255).astype(np.uint8) if of_bytes else values


def rotated(images: Floats, degrees: float) -> Floats:
    """Return images [n, channels, height, width] turned about their centre, with bilinear interpolation.

    Pixels from beyond the border are 0.
    """
    n, channels, height, width = images.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    # Where each pixel comes from; y points down.
    from_y = (cos * y + sin * x + (height - 1) / 2).reshape(-1)
    from_x = (cos * x - sin * y + (width - 1) / 2).reshape(-1)
    top, left = np.floor(from_y), np.floor(from_x)
    flat = images.reshape(n, channels, height * width)
    turned = np.zeros_like(flat)
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            weight = (1 - np.abs(from_y - row)) * (1 - np.abs(from_x - column))
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            source = np.where(inside, row * width + column, 0).astype(np.int64)
            turned += flat[:, :, source] * np.where(inside, weight, 0).astype(np.float32)
    return turned.reshape(images.shape)
