"""How long a message travels after its last byte has left: a delay, with jitter or without."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

Draw = Callable[[], float]


class Jitter(Protocol):
    """A distribution of a link's delay; its mean is the link's delay."""

    def sample(self, generator: np.random.Generator) -> float:
        """Return one delay in seconds, 0 or more."""


class Propagation:
    """The delays of the messages on one route, one after the other.

    A connection delivers in order: a message that overtook the one before it waits for it. That
    can only add to the drawn delays, whose mean is that of the links.
    """

    __slots__ = ("_fixed_s", "_generator", "_jitters", "_last_arrival_s")

    def __init__(
        self, fixed_s: float, jitters: Sequence[Jitter], generator: np.random.Generator
    ) -> None:
        self._fixed_s = fixed_s
        self._jitters = jitters
        self._generator = generator
        self._last_arrival_s = 0.0

    def delay_s(self, now: float) -> float:
        """Return the seconds until the message whose last byte leaves at `now` has arrived."""
        delay = self._fixed_s + sum(jitter.sample(self._generator) for jitter in self._jitters)
        self._last_arrival_s = max(self._last_arrival_s, now + delay)
        return self._last_arrival_s - now
