"""Random rates, drawn on demand in blocks, which are still functions of time.

Each block has its own random stream and depends on the previous blocks only by one number, its state.
All states and one block are kept: a look ahead draws the blocks between, a look back one block.
"""

import math
from abc import abstractmethod
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.streams import generator
from cutlayer.topologies.bandwidth.profile import Profile, Varying

SIZE: Final = 64  # pieces in a block; even, because two states alternate

Block = tuple[NDArray[np.float64], NDArray[np.float64], float]


class RandomRate(Varying):
    """A random process whose rates are drawn in blocks; `purpose` names its random streams."""

    purpose: ClassVar[str]

    @abstractmethod
    def _first(self, stream: np.random.Generator) -> float:
        """Draw the state in which block 0 begins."""

    @abstractmethod
    def _block(self, stream: np.random.Generator, index: int, start: float, state: float) -> Block:
        """Draw a block: when its pieces end, their values, and the state in which the next begins."""

    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the rate of the link `key`."""
        del connection
        return Blocks(self, seed, key)


class Blocks(Profile):
    """Pieces of a random rate, from the stream of (seed, purpose, key)."""

    def __init__(self, rate: RandomRate, seed: int, key: str) -> None:
        self._rate = rate
        self._stream = (seed, rate.purpose, key)
        self._starts = [0.0]  # of every block drawn so far, and of the one after
        self._states: list[float] = []
        self._from = self._to = 0.0
        self._ends = self._values = np.empty(0)

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it changes."""
        if not self._from <= t < self._to:
            self._turn_to(t)
        index = int(self._ends.searchsorted(t, "right"))
        return float(self._values[index]), float(self._ends[index])

    def _turn_to(self, t: float) -> None:
        assert t >= 0
        if not self._states:
            self._states.append(self._rate._first(generator(*self._stream, "first")))
        index = bisect_right(self._starts, t) - 1
        self._draw(index)
        while t >= self._to:
            index += 1
            self._draw(index)

    def _draw(self, index: int) -> None:
        self._from = self._starts[index]
        stream = generator(*self._stream, index)
        self._ends, self._values, state = self._rate._block(
            stream, index, self._from, self._states[index]
        )
        self._to = float(self._ends[-1])
        if index + 1 == len(self._starts):
            self._starts.append(self._to)
            self._states.append(state)


@dataclass(frozen=True)
class Lognormal(RandomRate):
    """A rate whose logarithm is an AR(1) process: mean (bytes/s), coefficient of variation, step (s).

    z[k] = c z[k-1] + sqrt(1 - c^2) e[k] with standard normal e, and the rate of step k is
    mean exp(s z[k] - s^2 / 2) with s^2 = ln(1 + cv^2), which has the given mean and coefficient of
    variation. The correlation of rates j steps apart is ((1 + cv^2)^(c^j) - 1) / cv^2.

    `correlation` (0 or more, below 1) is that of successive steps; for a correlation time tau it is
    exp(-step / tau). The process begins in its stationary state; the state of a block is the last z.
    """

    purpose = "lognormal"

    mean: float
    cv: float
    correlation: float
    step_s: float

    @property
    def mean_bytes_per_s(self) -> float:
        """The given mean."""
        return self.mean

    def _first(self, stream: np.random.Generator) -> float:
        return float(stream.standard_normal())

    def _block(self, stream: np.random.Generator, index: int, start: float, state: float) -> Block:
        del start
        c = self.correlation
        noise = stream.standard_normal(SIZE) * math.sqrt(1 - c * c)
        z = np.array([*accumulate(noise.tolist(), lambda last, new: c * last + new, initial=state)])
        variance = math.log1p(self.cv**2)
        values = np.exp(math.sqrt(variance) * z[1:] - variance / 2) * self.mean
        ends = np.arange(index * SIZE + 1, (index + 1) * SIZE + 1, dtype=np.float64)
        return ends * self.step_s, values, float(z[-1])


@dataclass(frozen=True)
class TwoStates(RandomRate):
    """Two rates (bytes/s, or 1 and 0) in turn for exponential times, as in a Gilbert-Elliott channel.

    `good_s` and `bad_s` are the mean times (s, more than 0).

    The process begins in its stationary state: good with probability good_s / (good_s + bad_s). Each
    block begins in the state in which the first one did.
    """

    purpose = "two states"

    good: float
    bad: float
    good_s: float
    bad_s: float

    @property
    def good_share(self) -> float:
        """The share of time in the good state."""
        return self.good_s / (self.good_s + self.bad_s)

    @property
    def mean_bytes_per_s(self) -> float:
        """The stationary mean."""
        return self.good_share * self.good + (1 - self.good_share) * self.bad

    def _first(self, stream: np.random.Generator) -> float:
        return 1.0 if stream.random() < self.good_share else 0.0

    def _block(self, stream: np.random.Generator, index: int, start: float, state: float) -> Block:
        del index
        values, sojourns = np.array([self.good, self.bad]), np.array([self.good_s, self.bad_s])
        turns = (np.arange(SIZE) + (state == 0.0)) % 2
        lengths = stream.standard_exponential(SIZE) * sojourns[turns]
        return start + np.cumsum(lengths), values[turns], state
