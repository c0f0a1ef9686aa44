"""Presence from intervals of time."""

import math
from collections.abc import Iterable

from cutlayer.topologies.bandwidth import Table

Interval = tuple[float, float]


def presence(intervals: Iterable[Interval], *, online: bool, period_s: float = math.inf) -> Table:
    """Return 1 and 0 over time from when a device is online, or from when it is not.

    Each interval is a time and a later one (s); they may overlap. After `period_s`, before which
    they end, they begin anew. `online` says what they are; at other times it is the opposite.
    """
    starts, values = [0.0], [not online]
    for begin, end in _merged(intervals):
        assert 0 <= begin < end <= period_s
        if begin == starts[-1]:  # only at 0: merged intervals do not touch
            values[-1] = online
        else:
            starts.append(begin)
            values.append(online)
        if end < period_s:
            starts.append(end)
            values.append(not online)
    return Table(starts, [float(value) for value in values], period_s)


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the intervals in order, those that overlap or touch as one."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
