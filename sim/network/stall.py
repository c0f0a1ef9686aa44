"""A guard against a clock that stands still: too many settles of the network at one instant."""

from math import nan

from cutlayer.sim.network.errors import StalledClockError


class Standstill:
    """Counts the settles of one instant; `limit` of them is a loop without time."""

    __slots__ = ("_at_instant", "_instant", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._instant: float = nan
        self._at_instant = 0

    def count(self, now: float) -> bool:
        """Count one settle at `now`; returns whether there have been too many."""
        if now != self._instant:
            self._instant = now
            self._at_instant = 0
        self._at_instant += 1
        return self._at_instant > self._limit

    def error(self, in_flight: int, started: int, latest_route: int) -> StalledClockError:
        """Return the error that says what the network was doing."""
        return StalledClockError(
            f"the clock stands still at {self._instant} s: {self._at_instant} settles of the "
            f"network at this instant; {in_flight} transfers in flight, {started} started so far, "
            f"the latest on route {latest_route}"
        )
