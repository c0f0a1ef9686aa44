"""Random crops and horizontal flips, from a stream of (seed, client, round, epoch, batch).

The usual augmentation for CIFAR (He et al., CVPR 2016, section 4.2): pad by 4 black pixels, crop to the
original size at random, mirror half of the images. It is applied to pixels, before normalisation.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cutlayer.streams import generator

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Augmentation:
    """Random crops and flips of the images of a training batch, if they are on."""

    crop: bool
    flip: bool
    padding: int = 4

    def apply(
        self,
        images: "torch.Tensor",
        *,
        seed: int,
        client: int,
        round_index: int,
        epoch: int,
        batch: int,
    ) -> "torch.Tensor":
        """Return augmented images [n, channels, height, width], in the same type.

        Crops and flips have separate streams, so switching one off does not change the other.
        """
        import torch
        from torch.nn.functional import pad

        if not (self.crop or self.flip):
            return images
        key = (client, round_index, epoch, batch)
        n, channels, height, width = images.shape
        rows = np.broadcast_to(np.arange(height), (n, height))
        columns = np.broadcast_to(np.arange(width), (n, width))
        if self.flip:
            mirrored = generator(seed, "flip", *key).random(n) < 0.5
            columns = np.where(mirrored[:, np.newaxis], columns[:, ::-1], columns)
        if self.crop:
            moves = generator(seed, "crop", *key).integers(0, 2 * self.padding + 1, (n, 2))
            rows, columns = rows + moves[:, :1], columns + moves[:, 1:]
            images = pad(images, (self.padding,) * 4)
        pixel_indices = rows[:, :, np.newaxis] * images.shape[3] + columns[:, np.newaxis, :]
        pixels = torch.from_numpy(pixel_indices.reshape(n, 1, height * width)).expand(
            -1, channels, -1
        )
        return images.flatten(2).gather(2, pixels).view(n, channels, height, width)
