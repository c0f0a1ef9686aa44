"""The propagation delay of a message, with or without jitter."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Jitter(Protocol):
    """A distribution of a link's delay around its mean."""

    def sample(self, generator: np.random.Generator, mean_s: float) -> float:
        """Return one delay in seconds, 0 or more."""


Jitters = Sequence[tuple[float, Jitter]]
"""For each link with jitter: its mean delay in seconds, and the distribution around it."""


class Propagation:
    """Draws the delays of the messages on one route.

    A connection delivers in order: a message that would overtake the one before it arrives with it.
    This can only add to the drawn delays, whose mean is that of the links.
    """

    __slots__ = ("_fixed_s", "_generator", "_jitters", "_last_arrival_s")

    def __init__(self, mean_s: float, jitters: Jitters, generator: np.random.Generator) -> None:
        self._fixed_s = mean_s - sum(mean for mean, _ in jitters)
        self._jitters = jitters
        self._generator = generator
        self._last_arrival_s = 0.0

    def delay_s(self, now: float) -> float:
        """Return the seconds from `now`, when the last byte of a message leaves, to its arrival."""
        delay = self._fixed_s + sum(
            jitter.sample(self._generator, mean) for mean, jitter in self._jitters
        )
        self._last_arrival_s = max(self._last_arrival_s, now + delay)
        return self._last_arrival_s - now
