"""Rayleigh fading: the rate of a radio link is drawn anew in each round of its client."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Self

from cutlayer.streams import generator
from cutlayer.topologies.bandwidth.profile import Profile, Varying
from cutlayer.topologies.radio.channel import RadioChannel
from cutlayer.topologies.units import MIN_BYTES_PER_S


@dataclass(frozen=True)
class Rayleigh(Varying):
    """The rate of a channel whose power gain is exponentially distributed, with mean 1."""

    channel: RadioChannel

    @property
    def mean_bytes_per_s(self) -> float:
        """The mean over the distribution of the gain."""
        return max(self.channel.mean_rayleigh_bytes_per_s(), MIN_BYTES_PER_S)

    def profile(self, seed: int, key: str, connection: str) -> "RoundRates":
        """Return the rates of the link `key`; up and down are drawn separately."""
        del connection
        return RoundRates(self, seed, key)


class RoundRates(Profile):
    """One rate for each round, from the stream of (seed, link, round); before, the mean.

    It depends on when the rounds begin, and so belongs to one run of one method.
    """

    def __init__(self, fading: Rayleigh, seed: int, key: str) -> None:
        self._fading = fading
        self._seed = seed
        self._key = key
        self._starts: list[float] = []
        self._rates: list[float] = []

    @property
    def by_round(self) -> bool:
        """True: the rate is drawn by round."""
        return True

    def of_run(self) -> Self:
        """Return the rates of the same link in another run, before its first round."""
        return type(self)(self._fading, self._seed, self._key)

    def begin_round(self, index: int, t: float) -> None:
        """Draw the rate of round `index`, which holds from `t` on (s, not before the last one)."""
        gain = float(generator(self._seed, "fading", self._key, index).standard_exponential())
        rate = max(self._fading.channel.rate_bytes_per_s(gain), MIN_BYTES_PER_S)
        if self._starts and self._starts[-1] >= t:
            self._rates[-1] = rate
            return
        self._starts.append(t)
        self._rates.append(rate)

    def piece(self, t: float) -> tuple[float, float]:
        """Return the rate at `t`, and when the next round known so far begins."""
        index = bisect_right(self._starts, t)
        end = self._starts[index] if index < len(self._starts) else math.inf
        return (self._rates[index - 1] if index else self._fading.mean_bytes_per_s), end
