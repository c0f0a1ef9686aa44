"""Random crops and horizontal flips, from a stream of (seed, client, round, epoch, batch).

As usual for CIFAR (He et al., CVPR 2016, section 4.2): pad with black by 4 pixels, take a window of
the original size at random, mirror half of the images. Works on pixels, before normalisation.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cutlayer.streams import generator

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Augmentation:
    """What is done to the images of a training batch; with both off, nothing."""

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
        """Return augmented images, uint8 or float as given, of shape [n, channels, height, width].

        Crops and flips have streams of their own: one does not change when the other is off.
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
        places = rows[:, :, np.newaxis] * images.shape[3] + columns[:, np.newaxis, :]
        pixels = torch.from_numpy(places.reshape(n, 1, height * width)).expand(-1, channels, -1)
        return images.flatten(2).gather(2, pixels).view(n, channels, height, width)
