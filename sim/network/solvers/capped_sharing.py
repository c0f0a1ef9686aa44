"""The flows of one shared resource: capped ones, which end at a fixed time, and sharing ones.

Weights are normalised away: `limit` = cap / weight, `load` = consumption * weight, and bytes left
are per weight too, so that all sharing flows run at one level and end by one virtual clock (see
virtual_clock.py). The account of a flow is in its own fields (see flow.py). Both kinds have a heap
by limit (which crosses the boundary next) and a heap by end (which is due next).
"""

from collections.abc import Iterator
from heapq import heappush
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.lazy_heap import LazyHeap
from cutlayer.sim.network.solvers.solver import by_sequence
from cutlayer.sim.network.solvers.virtual_clock import ClockSolver, VirtualClock

NEW: Final = 0  # not placed yet
CAPPED: Final = 1
SHARING: Final = 2
UNLIMITED: Final = 3  # held by neither the resource nor its cap: ends at the instant of its start


class CappedSharing(ClockSolver[Flow]):
    """The account of capped and sharing flows, without the decision which flow is which."""

    def __init__(self) -> None:
        super().__init__()
        self._new: list[Flow] = []
        self._capped_by_limit: LazyHeap[Flow] = LazyHeap()  # keys negative: the largest first
        self._sharing_by_tag: LazyHeap[Flow] = LazyHeap()
        self._sharing_by_limit: LazyHeap[Flow] = LazyHeap()  # without the flows that have no cap
        self._clock = VirtualClock()
        self._full_s: float = 0  # for how long flows have shared, up to `_full_since`
        self._forget()

    def _forget(self) -> None:
        super()._forget()
        self._full_since: float = 0
        self._clock.reset()
        self._capped = self._sharing = self._changes = 0
        self._capped_load: float = 0
        self._sharing_load: float = 0
        self._capped_by_limit.clear()
        self._sharing_by_tag.clear()
        self._sharing_by_limit.clear()

    def _advance(self, now: float) -> None:
        """Advance the virtual clock; at the end that was foreseen, set it to exactly that."""
        clock = self._clock
        if now != self._now:
            clock.value += clock.level * (now - self._now)
            clock.since = self._now = now
        if now >= self._due_at and clock.value < self._due_tag:
            clock.value = self._due_tag

    def _cap(self, flow: Flow, left: float) -> None:
        """Run a flow with `left` bytes per weight at its cap."""
        now = self._now
        limit = flow.limit
        flow.mode = CAPPED
        flow.left = left
        flow.since = now
        flow.tag = end = now + left / limit if limit else inf if left else now
        self._changes += 1
        self._capped += 1
        self._capped_load += flow.load * limit
        sequence = flow.sequence
        heappush(self._ends.entries, (end, sequence, flow.number, flow))
        heappush(self._capped_by_limit.entries, (-limit, sequence, flow.number, flow))

    def _share(self, flow: Flow, left: float) -> None:
        """Let a flow with `left` bytes per weight share the resource."""
        flow.mode = SHARING
        flow.tag = tag = self._clock.value + left
        self._changes += 1
        if not self._sharing:
            self._full_since = self._now
        self._sharing += 1
        self._sharing_load += flow.load
        sequence, number = flow.sequence, flow.number
        heappush(self._sharing_by_tag.entries, (tag, sequence, number, flow))
        if flow.limit < inf:
            heappush(self._sharing_by_limit.entries, (flow.limit, sequence, number, flow))

    def _displace(self, flow: Flow) -> float:
        """Take a flow from its heaps and return the bytes that it has left, per weight."""
        if flow.mode == CAPPED:
            self._uncap(flow)
            left = flow.left - flow.limit * (self._now - flow.since)
            return left if left > 0 else 0
        self._unshare(flow)
        left = flow.tag - self._clock.value
        return left if left > 0 else 0

    def _uncap(self, flow: Flow) -> None:
        flow.number += 1
        self._capped -= 1
        flow.capped_s += self._now - flow.since
        # Rounding must not leave less than nothing: flows would creep during an outage.
        load = self._capped_load - flow.load * flow.limit
        self._capped_load = load if self._capped and load > 0 else 0

    def _unshare(self, flow: Flow) -> None:
        flow.number += 1
        self._sharing -= 1
        if not self._sharing:
            self._full_s += self._now - self._full_since
        self._sharing_load = self._sharing_load - flow.load if self._sharing else 0

    def left(self, flow: Flow, now: float) -> float:
        weight = flow.weight
        if flow.mode == NEW:
            return flow.left * weight
        if flow.mode == CAPPED:
            if flow.tag <= self._until(now):
                return 0
            return max(0, flow.left - flow.limit * (now - flow.since)) * weight
        if flow.mode == SHARING:
            virtual, level = self._clock.at(now), self._clock.level
            if now >= self._due_at:
                virtual = max(virtual, self._due_tag)
            left = flow.tag - virtual
            if left > 0 and not (level and now + left / level <= now):
                return left * weight
        return 0

    def rate(self, flow: Flow) -> float:
        if flow.mode == NEW:
            return 0
        if flow.mode == UNLIMITED:
            return inf
        return flow.weight * (flow.limit if flow.mode == CAPPED else self._clock.level)

    def flows(self) -> Iterator[Flow]:
        yield from self._ends.items()
        yield from self._sharing_by_tag.items()
        yield from self._new
        yield from self._unlimited

    def _pop_due(self) -> list[Flow]:
        """Take the flows that have ended, in sequence order."""
        ended = self._unlimited
        self._unlimited = []
        now, virtual, level = self._now, self._clock.value, self._clock.level
        if (heap := self._sharing_by_tag).entries:
            shared = heap.pop_up_to(virtual)
            while (flow := heap.first()) is not None:
                if not level or now + (flow.tag - virtual) / level > now:
                    break
                heap.pop()
                shared.append(flow)
            for flow in shared:
                self._unshare(flow)
            ended += shared
        if (heap := self._ends).entries:
            capped = heap.pop_up_to(self._until(now))
            for flow in capped:
                self._uncap(flow)
            ended += capped
        if len(ended) > 1:
            ended.sort(key=by_sequence)
        return ended

    def _tidy(self) -> None:
        """Drop obsolete entries, set the virtual clock to 0 and add the sums anew, against rounding."""
        self._changes = 0
        shift = self._clock.value
        self._clock.value = 0
        for flow in self._sharing_by_tag.items():
            flow.tag -= shift
        self._sharing_load = sum(flow.load for flow in self._sharing_by_tag.items())
        self._capped_load = sum(s.load * s.limit for s in self._ends.items())
        self._sharing_by_tag.tidy(lambda flow: flow.tag)
        for heap in (self._sharing_by_limit, self._ends, self._capped_by_limit):
            heap.tidy()
