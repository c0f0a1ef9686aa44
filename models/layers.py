"""Building blocks of models: convolution blocks, fully connected blocks, residual blocks, the head.

A block includes its pooling, and a fully connected block flattens its input, so a cut between two
blocks sends the activation in its smallest form.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from math import prod

from torch import Tensor, nn

from cutlayer.models.catalogue import HEAD
from cutlayer.models.draws import initialised
from cutlayer.models.errors import ModelError


def conv_block(
    inputs: int,
    outputs: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    bias: bool = True,
    norm: bool = True,
    activation: nn.Module | None = None,
    pool: nn.Module | None = None,
) -> nn.Sequential:
    """Build convolution, BatchNorm without running statistics, activation (default ReLU), pooling.

    `activation=nn.Identity()` means no activation. The padding keeps the map's size by default.
    """
    padding = kernel // 2 if padding is None else padding
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["conv"] = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=bias)
    if norm:
        parts["norm"] = nn.BatchNorm2d(outputs, track_running_stats=False)
    if not isinstance(activation, nn.Identity):
        parts["activation"] = nn.ReLU(inplace=True) if activation is None else activation
    if pool is not None:
        parts["pool"] = pool
    return nn.Sequential(parts)


def fc_block(inputs: int, outputs: int, *, relu: bool = True, bias: bool = True) -> nn.Sequential:
    """Build flattening, a fully connected layer, and ReLU unless `relu` is false."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    parts["linear"] = nn.Linear(inputs, outputs, bias=bias)
    if relu:
        parts["activation"] = nn.ReLU(inplace=True)
    return nn.Sequential(parts)


class Residual(nn.Module):
    """Computes `after(body(x) + shortcut(x))`; the shortcut is the identity by default."""

    draws = False

    def __init__(
        self, body: nn.Module, shortcut: nn.Module | None = None, after: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.after = nn.Identity() if after is None else after

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's activation for `x`."""
        out: Tensor = self.after(self.body(x) + self.shortcut(x))
        return out


def auxiliary_head(
    activation_shape: Sequence[int],
    outputs: int | Sequence[int],
    *,
    seed: int,
    device: str = "cpu",
) -> nn.Module:
    """Build the head that trains a device block locally: one linear layer on the flattened activation.

    It has the model's `outputs`; those of a language model, of shape (length, vocabulary), are a linear
    function of each token's own activation. As in EcoFed's local-loss baseline; for VGG11 at cut 2 it
    has 8192 inputs. Its weights come from a stream of `seed` of their own, independent of the model's
    weights. Shapes are per sample. Raises ModelError if the activation has no vector for each token.
    """
    *each, last = (outputs,) if isinstance(outputs, int) else outputs
    if each and list(activation_shape[:-1]) != each:
        raise ModelError(
            f"an auxiliary head needs a vector for each of {each[0]} tokens, and the activation has "
            f"the shape {tuple(activation_shape)}"
        )
    make: Callable[[], nn.Module]
    if each:
        make = partial(_token_head, activation_shape[-1], last)
    else:
        make = partial(fc_block, prod(activation_shape), last, relu=False)
    return initialised(make, seed=seed, device=device, stream=HEAD)


def _token_head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(linear=nn.Linear(inputs, outputs)))
