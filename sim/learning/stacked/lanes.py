"""Lanes: the positions of chains in a stack, along the first dimension of its tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Lanes:
    """Some lanes of a stack, in ascending order.

    Neighbouring lanes are read as a view, so that changes in place reach the stack; others are copied,
    and `put` writes them back.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        assert list(numbers) == sorted({*numbers}), "lanes are distinct and in ascending order"
        self.numbers = tuple(numbers)
        first, last = numbers[0], numbers[-1]
        self._range = slice(first, last + 1) if last - first + 1 == len(numbers) else None

    def __len__(self) -> int:
        """Return the number of lanes."""
        return len(self.numbers)

    def take(self, stacked: Tensor) -> Tensor:
        """Return these lanes of a tensor [lanes of the stack, ...], as a view if they are neighbours."""
        if self._range is not None:
            return stacked[self._range]
        return stacked[self._index(stacked)]

    def put(self, stacked: Tensor, values: Tensor) -> None:
        """Write what `take` returned, after changes in place, back to these lanes."""
        if self._range is None:
            stacked[self._index(stacked)] = values

    def _index(self, stacked: Tensor) -> Tensor:
        return torch.tensor(self.numbers, device=stacked.device)


def rows(values: Sequence[float], like: Tensor) -> float | Tensor:
    """Return one number per lane as a factor of `like` [lanes, ...]: a scalar if all are equal."""
    if len({*values}) == 1:
        return values[0]
    column = torch.tensor(values, dtype=like.dtype, device=like.device)
    return column.view(-1, *[1] * (like.dim() - 1))
