"""Assign overlapping intervals, such as those of a server's slots, to lanes."""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def assign_lanes(start: Sequence[float], end: Sequence[float]) -> NDArray[np.int64]:
    """Assign each interval the lowest lane that is free when it starts.

    Intervals are taken by start, then end, then position. An interval may start where another ends.
    The number of lanes is the largest number of simultaneous intervals, which is minimal.
    """
    order = np.lexsort((np.asarray(end), np.asarray(start)))
    lanes = np.zeros(len(order), dtype=np.int64)
    free: list[int] = []
    taken: list[tuple[float, int]] = []
    opened = 0
    for row in order:
        while taken and taken[0][0] <= start[row]:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane, opened = opened, opened + 1
        lanes[row] = lane
        heapq.heappush(taken, (end[row], lane))
    return lanes
