"""A rate over virtual time, and its description before it belongs to a link."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


class Profile(ABC):
    """A piecewise constant function of virtual time, from 0 s on.

    For a link, the value is the rate in bytes per second, 0 during an outage; for a client's presence,
    1 or 0. The result depends on the time only, whatever the order of the calls.
    """

    @property
    @abstractmethod
    def mean(self) -> float:
        """The long-run mean; for a profile that ends in a last value, an approximation."""

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

        `key` names the link, `connection` the connection of which it is a direction. Both directions
        begin at the same time of a recording, but draw different random numbers.
        """


@dataclass(frozen=True)
class Constant(Profile):
    """A constant value."""

    value: float

    @property
    def mean(self) -> float:
        """The value."""
        return self.value

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value, and infinity."""
        del t
        return self.value, math.inf
