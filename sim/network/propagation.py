"""How long a message travels after its last byte has left: a delay, with jitter or without."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Jitter(Protocol):
    """A distribution of a link's delay around its mean."""

    def sample(self, generator: np.random.Generator, mean_s: float) -> float:
        """Return one delay in seconds, 0 or more."""


Jitters = Sequence[tuple[float, Jitter]]
"""Of each link that has one: its mean delay in seconds, and the distribution around it."""


class Propagation:
    """The delays of the messages on one route, one after the other.

    A connection delivers in order: a message that overtook the one before it waits for it. That
    can only add to the drawn delays, whose mean is that of the links.
    """

    __slots__ = ("_fixed_s", "_generator", "_jitters", "_last_arrival_s")

    def __init__(self, mean_s: float, jitters: Jitters, generator: np.random.Generator) -> None:
        self._fixed_s = mean_s - sum(mean for mean, _ in jitters)
        self._jitters = jitters
        self._generator = generator
        self._last_arrival_s = 0.0

    def delay_s(self, now: float) -> float:
        """Return the seconds until the message whose last byte leaves at `now` has arrived."""
        delay = self._fixed_s + sum(
            jitter.sample(self._generator, mean) for mean, jitter in self._jitters
        )
        self._last_arrival_s = max(self._last_arrival_s, now + delay)
        return self._last_arrival_s - now
