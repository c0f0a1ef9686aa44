"""A rate that alternates between good and bad for exponential times, as in a Gilbert-Elliott channel."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cutlayer.topologies.bandwidth.blocks import SIZE, Block, Blocks
from cutlayer.topologies.bandwidth.profile import Profile, Varying

PURPOSE: Final = "two states"


@dataclass(frozen=True)
class TwoStates(Varying):
    """Two rates (bytes/s, or 1 and 0), and the mean time of each (s, more than 0).

    The process begins in its stationary state: good with probability good_s / (good_s + bad_s).
    """

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

    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the rate of the link `key`."""
        del connection
        return _Turns(self, seed, key)


class _Turns(Blocks):
    """The two states in turn; a block begins in the state in which the first one did."""

    def __init__(self, states: TwoStates, seed: int, key: str) -> None:
        super().__init__(seed, PURPOSE, key)
        self._two = states

    @property
    def mean(self) -> float:
        return self._two.mean_bytes_per_s

    def _first(self, stream: np.random.Generator) -> float:
        return 1.0 if stream.random() < self._two.good_share else 0.0

    def _block(self, stream: np.random.Generator, index: int, start: float, state: float) -> Block:
        del index
        two = self._two
        values, sojourns = np.array([two.good, two.bad]), np.array([two.good_s, two.bad_s])
        turns = (np.arange(SIZE) + (state == 0.0)) % 2
        lengths = stream.standard_exponential(SIZE) * sojourns[turns]
        return start + np.cumsum(lengths), values[turns], state
