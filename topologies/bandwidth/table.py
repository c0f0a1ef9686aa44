"""A rate from a table: a recording or a schedule, which repeats or holds its last value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cutlayer.streams import generator
from cutlayer.topologies.bandwidth.profile import Profile, Varying

PURPOSE: Final = "start of a recording"


class Table(Profile):
    """Values that hold from `starts[i]` (s, the first 0, increasing) to the next.

    The table repeats after `period` s; if that is infinite, the last value holds.
    """

    def __init__(
        self,
        starts: Sequence[float] | NDArray[np.float64],
        values: Sequence[float] | NDArray[np.float64],
        period: float = math.inf,
    ) -> None:
        begins = np.asarray(starts, np.float64)
        held = np.asarray(values, np.float64)
        assert begins.shape == held.shape
        assert begins[0] == 0
        assert np.all(np.diff(begins, append=period) > 0)
        changes = np.append(True, held[1:] != held[:-1])
        self._values = held[changes]
        self._ends = np.append(begins[changes][1:], period)
        self.period = period

    @property
    def mean(self) -> float:
        """The mean over a period; if there is none, the last value counts for as long as all others."""
        ends = self._ends.copy()
        if math.isinf(self.period):
            ends[-1] = 2 * ends[-2] if len(ends) > 1 else 1.0
        return float(self._values @ np.diff(ends, prepend=0.0) / ends[-1])

    @property
    def changes_per_s(self) -> float:
        """The number of changes per second in the long run; 0 for a table without a period."""
        return len(self._ends) / self.period

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it changes."""
        if math.isinf(self.period):
            index = int(self._ends.searchsorted(t, "right"))
            return float(self._values[index]), float(self._ends[index])
        cycle = t // self.period
        index = int(self._ends.searchsorted(t - cycle * self.period, "right"))
        while True:
            if index == len(self._ends):
                cycle, index = cycle + 1, 0
            end = cycle * self.period + float(self._ends[index])
            if end > t:  # false if t is an end and is rounded to just before it
                return float(self._values[index]), end
            index += 1

    def scaled(self, factor: float) -> Self:
        """Return the table with every value times `factor`."""
        starts = np.append(0.0, self._ends[:-1])
        return type(self)(starts, self._values * factor, self.period)

    @property
    def most(self) -> float:
        """The highest value."""
        return float(self._values.max())


@dataclass(frozen=True, eq=False)
class Shifted(Profile):
    """Another profile from its time `by` (s) on."""

    base: Profile
    by: float

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it changes."""
        value, end = self.base.piece(t + self.by)
        while end - self.by <= t:  # rounding
            value, end = self.base.piece(end)
        return value, end - self.by


@dataclass(frozen=True)
class Tabled(Varying):
    """A table that a link follows from the table's time `start_s` on.

    None draws a time for each connection, uniform over the period; the table must repeat.
    """

    table: Table
    start_s: float | None = 0.0

    def __post_init__(self) -> None:
        assert self.start_s is not None or math.isfinite(self.table.period)

    @property
    def mean_bytes_per_s(self) -> float:
        """The mean of the table."""
        return self.table.mean

    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the table from its start on."""
        del key
        by = self.start_s
        if by is None:
            by = self.table.period * generator(seed, PURPOSE, connection).random()
        return Shifted(self.table, by) if by else self.table
