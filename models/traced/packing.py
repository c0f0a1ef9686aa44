"""Several tensors that cross a boundary as one: flattened per sample and put side by side.

Whole numbers and truth values that cross beside floats become floats. The float of `True` is the largest
magnitude of the numbers beside it, so that a codec with few bits does not round it to zero. A tensor
that crosses alone keeps its shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.models.block_cost import Shape
from cutlayer.models.errors import ModelError

Order = tuple[int, ...]  # of a tensor's dimensions, the batch first


@dataclass(frozen=True)
class Crossing:
    """A tensor that crosses: its sizes (that of the batch is 0), type, and the order of its dimensions.

    The dimensions are sent in the order of their strides, which the other side restores: layers may
    compute other bits for other strides. `order_last` is the order if the model's input is in
    `channels_last`. If the tensor is `changed` in place later on, the other side needs a copy.
    """

    sizes: Shape
    dtype: torch.dtype
    order: Order
    order_last: Order
    changed: bool = False

    @property
    def plain(self) -> bool:
        """Whether the tensor can cross as it is: its first dimension is the batch."""
        return self.order[0] == 0

    def shape(self, channels_last: bool = False) -> Shape:
        """Return the shape of a sample as it is sent."""
        order = self.order_last if channels_last else self.order
        return tuple(self.sizes[place] for place in order[1:])

    def sent(self, value: Tensor, channels_last: bool = False) -> Tensor:
        """Return the tensor with its dimensions in the order in which they are sent."""
        return value.permute(self.order_last if channels_last else self.order)

    def received(self, value: Tensor, channels_last: bool = False) -> Tensor:
        """Return a tensor [batch, *shape] with its dimensions and strides as they were."""
        order = self.order_last if channels_last else self.order
        value = value.reshape(len(value), *self.shape(channels_last)).contiguous()
        return value.permute([order.index(place) for place in range(len(order))])


def packed_shape(crossings: Sequence[Crossing]) -> Shape:
    """Return the shape per sample of what crosses."""
    if len(crossings) == 1:
        alone = crossings[0]
        return alone.sizes[1:] if alone.plain else alone.shape()
    return (sum(prod(crossing.shape()) for crossing in crossings),)


class Pack(nn.Module):
    """Makes the tensors that leave a part of the model one tensor [batch, ...]."""

    draws = False
    channels_last = False  # the memory format of the model's input

    def __init__(self, crossings: Sequence[Crossing]) -> None:
        super().__init__()
        self.crossings = tuple(crossings)
        self.shape = packed_shape(crossings)

    @property
    def whole_numbers(self) -> bool:
        """Whether some tensor holds whole numbers, apart from truth values."""
        types = (crossing.dtype for crossing in self.crossings)
        return any(not kind.is_floating_point and kind != torch.bool for kind in types)

    def forward(self, values: tuple[Tensor, ...]) -> Tensor:
        """Return one tensor. Raises ModelError for a whole number that a float cannot hold."""
        if len(values) == 1:
            return self.crossings[0].sent(values[0]).contiguous()
        peak = _peak([value for value in values if value.dtype != torch.bool])
        return torch.cat(
            [
                _flat(_dense_gradient(_as_floats(crossing.sent(value, self.channels_last), peak)))
                for crossing, value in zip(self.crossings, values, strict=True)
            ],
            dim=1,
        )


class _DenseGradient(torch.autograd.Function):
    """The identity, whose gradient is contiguous.

    The gradient of one of several packed tensors has gaps, and layers may compute other bits with it.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing for the backward pass."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient.contiguous()


_dense_gradient: Callable[[Tensor], Tensor] = _DenseGradient.apply


def _flat(value: Tensor) -> Tensor:
    return value.flatten(1) if value.dim() > 1 else value[:, None]


def _peak(numbers: Sequence[Tensor]) -> Tensor:
    """Return the largest magnitude of the numbers, at least 1, as a float."""
    dtype = next(value.dtype for value in numbers if value.is_floating_point())
    peaks = [value.detach().abs().amax().clamp(min=1).to(dtype) for value in numbers]
    return torch.stack(peaks).amax()


def _as_floats(value: Tensor, peak: Tensor) -> Tensor:
    if value.is_floating_point():
        return value
    if value.dtype == torch.bool:
        return torch.where(value, peak, torch.zeros_like(peak))
    floats = value.to(peak.dtype)
    if not value.is_meta and not torch.equal(floats.long(), value):
        raise ModelError("whole numbers that cross the cut are too large for floats")
    return floats


def _of_type(floats: Tensor, dtype: torch.dtype, beside: Tensor) -> Tensor:
    """Return what crossed as floats in its own type, also if a codec has changed it.

    `beside` are all numbers that crossed: `True` is nearer to the largest of a sample than to zero.
    """
    if dtype == torch.bool:
        return floats >= beside.detach().abs().amax(dim=1, keepdim=True).clamp(min=1) / 2
    return floats if dtype.is_floating_point else floats.round().to(dtype)


def unpacked(
    value: Tensor, crossings: Sequence[Crossing], channels_last: bool = False
) -> tuple[Tensor, ...]:
    """Return the tensors that were packed into one, or the one that crossed alone.

    The model's input has no crossings.
    """
    if not crossings:
        return (value,)
    if len(crossings) == 1:
        alone = crossings[0]
        received = [value if alone.plain else alone.received(value)]
    else:
        sizes = [prod(crossing.shape()) for crossing in crossings]
        received = [
            crossing.received(_of_type(part, crossing.dtype, value), channels_last)
            for part, crossing in zip(torch.split(value, sizes, dim=1), crossings, strict=True)
        ]
    # A tensor that autograd starts from must not be changed in place, nor one that a buffer keeps.
    return tuple(
        tensor.clone() if crossing.changed and tensor.is_leaf else tensor
        for tensor, crossing in zip(received, crossings, strict=True)
    )
