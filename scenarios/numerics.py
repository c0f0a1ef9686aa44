"""The `numerics` section: how tensors are computed, which changes the bits of a training only."""

from typing import Literal

from cutlayer.scenarios.fields import Section


class Numerics(Section):
    """The order of images and convolutions in memory, and the precision of the arithmetic.

    With `bfloat16`, each block of the model computes convolutions and matrix products in bfloat16
    (`torch.autocast`); weights, gradients of weights, optimizers, averages, losses and what crosses the
    cut are float32. With `float64`, everything is float64. Simulated times and bytes are always those of
    float32.
    """

    memory_format: Literal["channels_last", "contiguous"] = "channels_last"
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"


DEFAULT = Numerics()
