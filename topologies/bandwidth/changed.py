"""Rates made from another: changed to given values at given times, or multiplied by a factor."""

import math
from bisect import bisect_right
from dataclasses import dataclass

from cutlayer.topologies.bandwidth.profile import Constant, Profile, Varying


class Steps(Profile):
    """`base` until `times[0]` (s, increasing); `values[i]` from `times[i]` on."""

    def __init__(self, base: Profile, times: tuple[float, ...], values: tuple[float, ...]) -> None:
        assert len(times) == len(values) > 0
        self._base = base
        self._times = times
        self._values = values

    @property
    def mean(self) -> float:
        """The mean before the first change."""
        return self._base.mean

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it may change."""
        index = bisect_right(self._times, t)
        following = self._times[index] if index < len(self._times) else math.inf
        if index > 0:
            return self._values[index - 1], following
        value, end = self._base.piece(t)
        return value, min(end, following)


@dataclass(frozen=True)
class Changed(Varying):
    """A rate in bytes per second, or one that varies, and its changes: (time in s, new rate)."""

    base: float | Varying
    changes: tuple[tuple[float, float], ...]

    @property
    def mean_bytes_per_s(self) -> float:
        """The mean rate before the first change."""
        return self.base.mean_bytes_per_s if isinstance(self.base, Varying) else self.base

    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the base profile with the changes."""
        if isinstance(self.base, Varying):
            before = self.base.profile(seed, key, connection)
        else:
            before = Constant(self.base)
        times, rates = zip(*sorted(self.changes), strict=True)
        return Steps(before, times, rates)


class Multiplied(Profile):
    """`factor` times another profile."""

    def __init__(self, base: Profile, factor: float) -> None:
        self._base = base
        self._factor = factor

    @property
    def mean(self) -> float:
        """The base's mean, multiplied."""
        return self._base.mean * self._factor

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it may change."""
        value, end = self._base.piece(t)
        return value * self._factor, end


@dataclass(frozen=True)
class Scaled(Varying):
    """`factor` times the rate of `base`."""

    base: Varying
    factor: float

    @property
    def mean_bytes_per_s(self) -> float:
        """The base's mean, multiplied."""
        return self.base.mean_bytes_per_s * self.factor

    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the base's profile, multiplied."""
        return Multiplied(self.base.profile(seed, key, connection), self.factor)
