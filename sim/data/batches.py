"""Batches of a shard: their sizes (without data), the order of their samples, and normalisation.

A last batch with fewer than `min_batch` samples, for which BatchNorm is undefined, is dropped in
training and joined to the previous batch in evaluation, where every sample counts.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DatasetInfo
from cutlayer.streams import generator

if TYPE_CHECKING:
    import torch


def batch_sizes(shard_size: int, batch_size: int, min_batch: int = 1) -> tuple[int, ...]:
    """Return the sizes of one epoch's training batches; none if the shard has fewer than min_batch."""
    if not 1 <= min_batch <= batch_size:
        raise ValueError(f"batch_size must be at least {max(min_batch, 1)}, got {batch_size}")
    full, rest = divmod(shard_size, batch_size)
    return (batch_size,) * full + ((rest,) if rest >= min_batch else ())


def batch_indices(
    shard_size: int,
    batch_size: int,
    *,
    seed: int,
    client: int,
    round_index: int,
    epoch: int,
    min_batch: int = 1,
) -> list[NDArray[np.int64]]:
    """Return the shuffled training batches of a local epoch, as positions in the client's shard."""
    sizes = batch_sizes(shard_size, batch_size, min_batch)
    order = generator(seed, "batch order", client, round_index, epoch).permutation(shard_size)
    return np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1]) if sizes else []


def evaluation_batches(samples: int, batch_size: int, min_batch: int = 1) -> list[slice]:
    """Return batches that cover all samples in order."""
    if samples < min_batch:
        raise ValueError(f"evaluation needs at least {min_batch} samples, got {samples}")
    sizes = batch_sizes(samples, batch_size, min_batch)
    ends = np.cumsum(sizes).tolist()
    ends[-1] = samples
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


class Normalisation:
    """Maps samples to float32: subtracts the data set's mean, divides by its standard deviation.

    Tokens stay as they are.
    """

    def __init__(self, info: DatasetInfo) -> None:
        import torch

        self._tokens = info.input_type == "token"
        if self._tokens:
            return
        per_channel = (-1, *(1,) * (len(info.input_shape) - 1))
        mean, std = torch.tensor(info.mean), torch.tensor(info.std).view(per_channel)
        if not info.standardise:
            mean, std = torch.zeros_like(mean), torch.ones_like(std)
        self._offset = mean.view(per_channel) / std
        self._factor = 1 / (1.0 * std)
        self._byte_factor = 1 / (255.0 * std) if info.is_image else self._factor
        self._exact = (torch.float32, torch.uint8)

    def __call__(self, images: "torch.Tensor") -> "torch.Tensor":
        """Return model inputs for images [n, channels, height, width] or rows [n, features].

        Images are uint8 or floating point in 0..1. Rows may have any numbers; they are not scaled as
        pixels are.
        """
        if self._tokens:
            return images
        factor = self._factor if images.is_floating_point() else self._byte_factor
        if images.dtype not in self._exact:
            images = images.to(self._exact[0])
        return images.mul(factor).sub_(self._offset)
