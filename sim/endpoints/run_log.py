"""The log of an asynchronous run: its rows have numbers over the whole run, and leave it by window."""

from collections.abc import Callable
from typing import NamedTuple

from cutlayer.sim.endpoints.world import RoundLog
from cutlayer.sim.log.intervals import Interval
from cutlayer.sim.log.traffic import Parts


class EndedRows(NamedTuple):
    """The rows that ended in a window, by number, and the parts of their messages."""

    rows: dict[int, Interval]
    parts: dict[int, Parts]


class RunLog(RoundLog):
    """The rows that have not ended, or ended in the current window, which began at `window_s`.

    Clients are identified by their index, not by a member's number. A transfer ends when it arrives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.window_s = 0.0
        self.bytes_ending = 0  # of transfers that arrived at the very end of the last window
        self._bytes_ended = 0  # in the windows that are closed
        self._rows: dict[int, Interval] = {}
        self._count = 0

    def add(self, interval: Interval) -> int:
        """Log an interval and return its row number."""
        number = self._count
        self._count = number + 1
        self._rows[number] = interval
        return number

    def end_s(self, row: int) -> float:
        """Return when a row ended; the window's start if that was before."""
        interval = self._rows.get(row)
        return self.window_s if interval is None else interval.end

    def change(self, row: int, change: Callable[[Interval], Interval]) -> None:
        """Replace a row that ends now or later, unless it left the log with a window that closed now."""
        if row in self._rows:
            self._rows[row] = change(self._rows[row])

    def close_window(self, now: float) -> EndedRows:
        """Close the window; return the rows that have ended and take them out of the log."""
        ended: dict[int, Interval] = {}
        running: dict[int, Interval] = {}
        for number, row in self._rows.items():
            (ended if row.end + row.delay <= now else running)[number] = row
        self._rows, self.window_s = running, now
        self._bytes_ended += sum(row.wire_bytes for row in ended.values())
        self.bytes_ending = sum(
            row.wire_bytes for row in ended.values() if row.delay and row.end + row.delay == now
        )
        parts = {number: self.parts.pop(number) for number in ended if number in self.parts}
        return EndedRows(ended, parts)

    @property
    def bytes_in_all(self) -> int:
        """The bytes of all rows so far."""
        return self._bytes_ended + sum(row.wire_bytes for row in self._rows.values())

    def travelling(self, now: float) -> int:
        """Return the bytes that have left their senders and arrive after `now`."""
        return sum(row.wire_bytes for row in self._rows.values() if row.end + row.delay > now)
