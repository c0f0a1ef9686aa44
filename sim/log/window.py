"""The record of a window of an asynchronous run, from the rows that ended in it.

A row counts in full in the window in which it ended, so that the totals of all windows are those of the
run. It may begin before that window, at a negative time. Only the critical path is clipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cutlayer.sim.log.intervals import NO_CAUSE, Interval, Intervals

WINDOW: Final = "window"  # the type of such a round


@dataclass(frozen=True)
class WindowEnd:
    """How a window closed: the row of its last fold, the updates that ended in it, and when (s)."""

    row: int
    updates: int
    elapsed_s: float


@dataclass(frozen=True)
class WindowRows:
    """The rows of a window in seconds since its start, and the clients in them, in order.

    `positions` has the position of each row by its number in the run.
    """

    intervals: Intervals
    clients: tuple[int, ...]
    positions: Mapping[int, int]


def window_rows(rows: Mapping[int, Interval], start_s: float) -> WindowRows:
    """Return the rows of a window with its own numbers of rows and members, instead of the run's.

    A cause that ended in an earlier window becomes `NO_CAUSE`.
    """
    log = Intervals.from_rows(list(rows.values()))
    numbers = np.fromiter(rows, dtype=np.int64, count=len(rows))
    named = np.concatenate([log.actor, log.peer])
    clients = np.unique(named[named >= 0])

    def member(client: np.ndarray) -> np.ndarray:
        position = np.searchsorted(clients, client)
        return np.where(client >= 0, position, client).astype(np.int32)

    cause = np.searchsorted(numbers, log.cause)
    known = np.isin(log.cause, numbers)
    intervals = replace(
        log,
        start=log.start - start_s,
        end=log.end - start_s,
        actor=member(log.actor),
        peer=member(log.peer),
        cause=np.where(known, cause, NO_CAUSE).astype(np.int32),
    )
    positions = dict(zip(rows, range(len(rows)), strict=True))
    return WindowRows(intervals, tuple(clients.tolist()), positions)
