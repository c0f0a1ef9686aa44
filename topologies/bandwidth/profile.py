"""A rate over virtual time, and what it is before it belongs to a link."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


class Profile(ABC):
    """A piecewise constant function of virtual time, from 0 s on.

    Of a link it is the rate in bytes per second, where 0 is an outage; of a client's presence it
    is 1 or 0. It is a function: asked again, in whatever order, it answers the same.
    """

    @property
    @abstractmethod
    def mean(self) -> float:
        """Its mean in the long run, or what comes nearest to one where it ends in a last value."""

    @abstractmethod
    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t` (s, 0 or more) and when it may change: after t, or infinity."""


class Varying(ABC):
    """How a rate varies, before it belongs to a link and a seed."""

    @property
    @abstractmethod
    def mean_bytes_per_s(self) -> float:
        """The mean rate in bytes per second, more than 0."""

    @abstractmethod
    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the rate of one link.

        `key` names the link, `connection` what it is a direction of: both directions begin at the
        same place of a recording, and draw different random numbers.
        """


@dataclass(frozen=True)
class Constant(Profile):
    """One value for ever."""

    value: float

    @property
    def mean(self) -> float:
        """The value."""
        return self.value

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value, and infinity."""
        del t
        return self.value, math.inf
