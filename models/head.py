"""The auxiliary head with which local-loss methods train a device block."""

from collections.abc import Sequence
from functools import partial
from math import prod

from torch import nn

from cutlayer.models.initial import initialised
from cutlayer.models.layers import fc_block
from cutlayer.models.streams import HEAD


def auxiliary_head(
    activation_shape: Sequence[int], classes: int, *, seed: int | None = None, device: str = "cpu"
) -> nn.Module:
    """One linear layer on the flattened activation (8192 values to classes for VGG11 at cut 2).

    As in EcoFed's local-loss baseline. The weights are drawn from `seed`, in a stream of their own,
    so that they have nothing in common with those of a model of the same seed; without a seed, from
    torch's current generator. Shapes are per sample.
    """
    make = partial(fc_block, prod(activation_shape), classes, relu=False)
    if seed is None:
        return make().to(device)
    return initialised(make, seed=seed, device=device, stream=HEAD)
