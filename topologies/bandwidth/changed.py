"""Rates made from another: changed to given values at given times, or multiplied by a factor."""

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Self

from cutlayer.topologies.bandwidth.profile import Profile, Varying
from cutlayer.topologies.bandwidth.table import Table


@dataclass(frozen=True, eq=False)
class Derived(Profile):
    """A profile made from another, `base`."""

    base: Profile

    @property
    def by_round(self) -> bool:
        """Whether the base is drawn by round."""
        return self.base.by_round

    def of_run(self) -> Self:
        """Return the profile with the base for one run."""
        return replace(self, base=self.base.of_run()) if self.by_round else self

    def begin_round(self, index: int, t: float) -> None:
        """Begin round `index` of the base at `t` (s)."""
        self.base.begin_round(index, t)


@dataclass(frozen=True, eq=False)
class Steps(Derived):
    """`base` until `times[0]` (s, increasing); `values[i]` from `times[i]` on."""

    base: Profile
    times: tuple[float, ...]
    values: tuple[float, ...]

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it may change."""
        index = bisect_right(self.times, t)
        following = self.times[index] if index < len(self.times) else math.inf
        if index > 0:
            return self.values[index - 1], following
        value, end = self.base.piece(t)
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
            before = Table([0.0], [self.base])
        times, rates = zip(*sorted(self.changes), strict=True)
        return Steps(before, times, rates)


@dataclass(frozen=True, eq=False)
class Multiplied(Derived):
    """`factor` times another profile."""

    base: Profile
    factor: float

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it may change."""
        value, end = self.base.piece(t)
        return value * self.factor, end


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
