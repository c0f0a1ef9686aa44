"""The auxiliary head with which local-loss methods train a device block."""

from collections.abc import Sequence
from functools import partial
from math import prod

from torch import nn

from models.initial import initialised
from models.layers import fc_block


def auxiliary_head(
    activation_shape: Sequence[int], classes: int, *, seed: int | None = None, device: str = "cpu"
) -> nn.Module:
    """One linear layer on the flattened activation (8192 values to classes for VGG11 at cut 2).

    As in EcoFed's local-loss baseline. The weights are drawn from `seed`; without one, from torch's
    current generator. Shapes are per sample.
    """
    make = partial(fc_block, prod(activation_shape), classes, relu=False)
    return make().to(device) if seed is None else initialised(make, seed=seed, device=device)
