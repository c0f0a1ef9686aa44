"""The two sides of a shared resource: capped flows, which end at a fixed time, and sharing flows.

Weights are normalised away: `limit` = cap / weight, `load` = consumption * weight, and bytes left
are per weight too, so that all sharing flows run at one level. A virtual clock V, the integral of
that level over time, moves for them: one that joins with r bytes left ends when V has reached its
tag V + r, whatever the level does until then.

Each side has a heap by limit (who crosses the boundary next) and a heap by end (who is due next).
Entries of a flow that has moved on stay until they surface; its version tells.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.solver import Solver

Entry = tuple[float, int, int, Flow]  # key, sequence, version, flow

NEW: Final = 0  # taken up, not placed yet
CAPPED: Final = 1
SHARING: Final = 2
UNLIMITED: Final = 3  # neither the resource nor its cap holds it: ends where it started


class Sides(Solver):
    """Who is capped, who shares, what each has left: the account without the decisions."""

    __slots__ = (
        "_capped",
        "_capped_by_end",
        "_capped_by_limit",
        "_capped_load",
        "_changes",
        "_due_at",
        "_due_end",
        "_due_tag",
        "_full_s",
        "_full_since",
        "_level",
        "_new",
        "_now",
        "_sharing",
        "_sharing_by_limit",
        "_sharing_by_tag",
        "_sharing_load",
        "_unlimited",
        "_virtual",
    )

    def __init__(self) -> None:
        super().__init__()
        self._new: list[Flow] = []
        self._unlimited: list[Flow] = []
        self._capped_by_end: list[Entry] = []
        self._capped_by_limit: list[Entry] = []  # keys negative: the largest first
        self._sharing_by_tag: list[Entry] = []
        self._sharing_by_limit: list[Entry] = []  # without the flows that have no cap
        self._full_s: float = 0  # for how long anybody has shared, but for the present
        self._reset()

    def _reset(self) -> None:
        """Forget all times: what happens after an idle time does not depend on what was before."""
        self._now: float = 0
        self._full_since: float = 0
        self._virtual: float = 0
        self._level: float = 0
        # The end foreseen by the latest solve: when, and its entry's key in either heap.
        self._due_at: float = inf
        self._due_end: float = -inf
        self._due_tag: float = -inf
        self._capped = self._sharing = self._changes = 0
        self._capped_load: float = 0
        self._sharing_load: float = 0
        self._capped_by_end.clear()
        self._capped_by_limit.clear()
        self._sharing_by_tag.clear()
        self._sharing_by_limit.clear()

    def _advance(self, now: float) -> None:
        """Let V follow the time; at the end that was foreseen, put it exactly there."""
        if now != self._now:
            if self._sharing:
                self._virtual += self._level * (now - self._now)
            self._now = now
        if now >= self._due_at and self._virtual < self._due_tag:
            self._virtual = self._due_tag

    def _cap(self, flow: Flow, left: float) -> None:
        """Put a flow on the capped side, with so much left per weight."""
        now = self._now
        limit = flow.limit
        flow.place = CAPPED
        flow.left = left
        flow.since = now
        flow.tag = end = now + left / limit if limit else inf if left else now
        flow.version = version = flow.version + 1
        self._changes += 1
        self._capped += 1
        self._capped_load += flow.load * limit
        heappush(self._capped_by_end, (end, flow.sequence, version, flow))
        heappush(self._capped_by_limit, (-limit, flow.sequence, version, flow))

    def _share(self, flow: Flow, left: float) -> None:
        """Put a flow on the sharing side, with so much left per weight."""
        flow.place = SHARING
        flow.tag = tag = self._virtual + left
        flow.version = version = flow.version + 1
        self._changes += 1
        if not self._sharing:
            self._full_since = self._now
        self._sharing += 1
        self._sharing_load += flow.load
        heappush(self._sharing_by_tag, (tag, flow.sequence, version, flow))
        if flow.limit < inf:
            heappush(self._sharing_by_limit, (flow.limit, flow.sequence, version, flow))

    def _displace(self, flow: Flow) -> float:
        """Take a flow from its side and return what it has left, per weight."""
        flow.version += 1
        if flow.place == CAPPED:
            self._uncap(flow)
            return max(0, flow.left - flow.limit * (self._now - flow.since))
        self._unshare(flow)
        return max(0, flow.tag - self._virtual)

    def _uncap(self, flow: Flow) -> None:
        self._capped -= 1
        flow.capped_s += self._now - flow.since
        # Rounding must not leave less than nothing: an outage would let flows creep.
        load = self._capped_load - flow.load * flow.limit
        self._capped_load = load if self._capped and load > 0 else 0

    def _unshare(self, flow: Flow) -> None:
        self._sharing -= 1
        if not self._sharing:
            self._full_s += self._now - self._full_since
        self._sharing_load = self._sharing_load - flow.load if self._sharing else 0

    def _horizon(self, now: float) -> float:
        """A capped flow that ends at or before this time has ended by `now`."""
        return max(now, self._due_end) if now >= self._due_at else now

    def left(self, flow: Flow, now: float) -> float:
        """Bytes that a flow in flight has left at `now`; less than the clock resolves is none."""
        if flow.place == NEW:
            return flow.left * flow.weight
        if flow.place == CAPPED:
            if flow.tag <= self._horizon(now):
                return 0
            return max(0, flow.left - flow.limit * (now - flow.since)) * flow.weight
        if flow.place == SHARING:
            level, virtual = self._level, self._virtual
            if now != self._now:
                virtual += level * (now - self._now)
            if now >= self._due_at:
                virtual = max(virtual, self._due_tag)
            left = flow.tag - virtual
            if left > 0 and not (level and now + left / level <= now):
                return left * flow.weight
        return 0

    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""
        if flow.place == NEW:
            return 0
        if flow.place == UNLIMITED:
            return inf
        return flow.weight * (flow.limit if flow.place == CAPPED else self._level)

    def flows(self) -> Iterator[Flow]:
        """All flows in flight."""
        for heap in (self._capped_by_end, self._sharing_by_tag):
            for _, _, version, flow in heap:
                if flow.version == version:
                    yield flow
        yield from self._new
        yield from self._unlimited

    def _pop_due(self) -> list[Flow]:
        """Take the flows that have ended, in sequence order."""
        found = self._unlimited
        self._unlimited = []
        now, virtual, level = self._now, self._virtual, self._level
        heap = self._sharing_by_tag
        while heap:
            tag, _, version, flow = heap[0]
            if flow.version == version:
                if tag > virtual and (not level or now + (tag - virtual) / level > now):
                    break
                self._unshare(flow)
                flow.version = -1
                found.append(flow)
            heappop(heap)
        horizon = self._horizon(now)
        heap = self._capped_by_end
        while heap:
            end, _, version, flow = heap[0]
            if flow.version == version:
                if end > horizon:
                    break
                self._uncap(flow)
                flow.version = -1
                found.append(flow)
            heappop(heap)
        if len(found) > 1:
            found.sort(key=_sequence)
        return found

    def _tidy(self) -> None:
        """Drop stale entries, put V back to 0 and add the sums afresh, against rounding."""
        self._changes = 0
        shift = self._virtual
        self._virtual = 0
        sharing = [entry[3] for entry in self._sharing_by_tag if entry[3].version == entry[2]]
        for flow in sharing:
            flow.tag -= shift
        capped = [entry[3] for entry in self._capped_by_end if entry[3].version == entry[2]]
        self._sharing_load = sum(flow.load for flow in sharing)
        self._capped_load = sum(flow.load * flow.limit for flow in capped)
        self._sharing_by_tag[:] = [(f.tag, f.sequence, f.version, f) for f in sharing]
        self._sharing_by_limit[:] = [
            (f.limit, f.sequence, f.version, f) for f in sharing if f.limit < inf
        ]
        self._capped_by_end[:] = [(f.tag, f.sequence, f.version, f) for f in capped]
        self._capped_by_limit[:] = [(-f.limit, f.sequence, f.version, f) for f in capped]
        for heap in (
            self._sharing_by_tag,
            self._sharing_by_limit,
            self._capped_by_end,
            self._capped_by_limit,
        ):
            heapify(heap)


def _sequence(flow: Flow) -> int:
    return flow.sequence
