"""The pieces that the models are made of: convolution blocks, fully connected blocks, residuals.

A block keeps its pooling, and a fully connected block flattens its own input, so that the
activation at every cut has the shape that the next block wants.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from math import prod

from torch import Tensor, nn

from cutlayer.models.catalogue import HEAD
from cutlayer.models.draws import initialised


def conv_block(
    inputs: int,
    outputs: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    padding: int = 1,
    groups: int = 1,
    bias: bool = True,
    norm: bool = True,
    activation: nn.Module | None = None,
    pool: nn.Module | None = None,
) -> nn.Sequential:
    """Convolution, BatchNorm without running statistics, activation (default ReLU), pooling.

    `activation=nn.Identity()` leaves the activation out.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["conv"] = nn.Conv2d(
        inputs, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=bias
    )
    if norm:
        parts["norm"] = nn.BatchNorm2d(outputs, track_running_stats=False)
    if not isinstance(activation, nn.Identity):
        parts["activation"] = nn.ReLU(inplace=True) if activation is None else activation
    if pool is not None:
        parts["pool"] = pool
    return nn.Sequential(parts)


def fc_block(inputs: int, outputs: int, *, relu: bool = True, bias: bool = True) -> nn.Sequential:
    """Flatten, fully connected layer, and ReLU unless it is the last layer."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["flatten"] = nn.Flatten()
    parts["linear"] = nn.Linear(inputs, outputs, bias=bias)
    if relu:
        parts["activation"] = nn.ReLU(inplace=True)
    return nn.Sequential(parts)


class Residual(nn.Module):
    """`after(body(x) + shortcut(x))`; the shortcut is the identity unless one is given."""

    def __init__(
        self, body: nn.Module, shortcut: nn.Module | None = None, after: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.after = nn.Identity() if after is None else after

    def forward(self, x: Tensor) -> Tensor:
        """The block's activation for `x`."""
        out: Tensor = self.after(self.body(x) + self.shortcut(x))
        return out


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
