"""A rate over virtual time, and its description before it belongs to a link."""

from abc import ABC, abstractmethod
from typing import Self


class Profile(ABC):
    """A piecewise constant function of virtual time, from 0 s on.

    For a link, the value is the rate in bytes per second, 0 during an outage; for a client's presence,
    1 or 0. The result depends on the time only, whatever the order of the calls. A rate `by_round` also
    depends on when the rounds of its client begin.
    """

    @property
    def by_round(self) -> bool:
        """Whether the rate is drawn in each round of its client."""
        return False

    def of_run(self) -> Self:
        """Return the profile for one run of a method: a new one if it is `by_round`."""
        return self

    def begin_round(self, index: int, t: float) -> None:  # noqa: B027 - most profiles ignore it
        """Begin round `index` of the client at `t` (s); only a rate `by_round` changes."""

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
