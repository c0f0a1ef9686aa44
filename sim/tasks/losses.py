"""Losses: means over the batch, as differentiable tensors.

A loss is called with a model's output [batch, ...] and the targets of the batch. Every sample has the
same number of values, so that the loss of a batch is the mean over its parts, weighted by their samples.
Only the loss of a language model leaves values out, those of padding: its parts have the weight that
`Objective.weight` returns.
"""

from collections.abc import Callable, Mapping
from typing import Final

from torch import Tensor
from torch.nn import functional

from cutlayer.sim.data.info import IGNORED

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return the cross entropy of class scores [batch, classes] with classes [batch]."""
    return functional.cross_entropy(output, target)


def token_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return the cross entropy per token that is not padding, of scores [batch, length, vocabulary]."""
    flat = output.flatten(0, 1), target.flatten()
    return functional.cross_entropy(*flat, ignore_index=IGNORED)


def weighted_cross_entropy(weights: Tensor) -> Loss:
    """Return the mean over the samples of the weight of its class times its cross entropy.

    torch's own weights divide by the sum of a batch's weights instead, which depends on how a batch is
    divided.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        own = weights.to(output)
        return functional.cross_entropy(output, target, own, reduction="sum") / len(target)

    return loss


def of_standardised(loss: Loss, mean: Tensor, std: Tensor) -> Loss:
    """Return a loss whose targets are first reduced by their mean and divided by their deviation."""

    def of_scaled(output: Tensor, target: Tensor) -> Tensor:
        shape = target.shape[1:]
        shift, scale = (one.to(target.device, target.dtype).view(shape) for one in (mean, std))
        return loss(output, (target - shift) / scale)

    return of_scaled


def _of_values(loss: Loss) -> Loss:
    def of_values(output: Tensor, target: Tensor) -> Tensor:
        return loss(output.view_as(target), target.to(output.dtype))

    return of_values


# Huber's threshold is 1 (Huber, Annals of Mathematical Statistics 1964).
OF_NUMBERS: Final[Mapping[str, Loss]] = {
    "mse": _of_values(functional.mse_loss),
    "mae": _of_values(functional.l1_loss),
    "huber": _of_values(functional.huber_loss),
}
