"""A random profile that is drawn on demand, in blocks, and is still a function of time.

Each block has its own random stream and depends on the previous blocks only by one number, its state.
All states and one block are kept: a look ahead draws the blocks between, a look back one block.
"""

from abc import abstractmethod
from bisect import bisect_right
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.streams import generator
from cutlayer.topologies.bandwidth.profile import Profile

SIZE: Final = 64  # pieces in a block; even, because two states alternate

Block = tuple[NDArray[np.float64], NDArray[np.float64], float]


class Blocks(Profile):
    """Pieces from the stream of (seed, purpose, key)."""

    def __init__(self, seed: int, purpose: str, key: str) -> None:
        self._stream = (seed, purpose, key)
        self._starts = [0.0]  # of every block drawn so far, and of the one after
        self._states: list[float] = []
        self._from = self._to = 0.0
        self._ends = self._values = np.empty(0)

    @abstractmethod
    def _first(self, stream: np.random.Generator) -> float:
        """Draw the state in which block 0 begins."""

    @abstractmethod
    def _block(self, stream: np.random.Generator, index: int, start: float, state: float) -> Block:
        """Draw a block: when its pieces end, their values, and the state in which the next begins."""

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it changes."""
        if not self._from <= t < self._to:
            self._turn_to(t)
        index = int(self._ends.searchsorted(t, "right"))
        return float(self._values[index]), float(self._ends[index])

    def _turn_to(self, t: float) -> None:
        assert t >= 0
        if not self._states:
            self._states.append(self._first(generator(*self._stream, "first")))
        index = bisect_right(self._starts, t) - 1
        self._draw(index)
        while t >= self._to:
            index += 1
            self._draw(index)

    def _draw(self, index: int) -> None:
        self._from = self._starts[index]
        stream = generator(*self._stream, index)
        self._ends, self._values, state = self._block(
            stream, index, self._from, self._states[index]
        )
        self._to = float(self._ends[-1])
        if index + 1 == len(self._starts):
            self._starts.append(self._to)
            self._states.append(state)
