"""A rate over virtual time, and its description before it belongs to a link."""

from abc import ABC, abstractmethod


class Profile(ABC):
    """A piecewise constant function of virtual time, from 0 s on.

    For a link, the value is the rate in bytes per second, 0 during an outage; for a client's presence,
    1 or 0. The result depends on the time only, whatever the order of the calls.
    """

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
