"""One shared resource, every flow with a cap of its own: O(log n) a change, and exact.

With K the capped and S the sharing flows, C the capacity and everything per weight (see sides.py):

    theta = (C - sum over K of load * limit) / sum over S of load

and limit_K <= theta < limit_S. A change lets the virtual clock follow, adds or removes the flow,
and moves flows over the boundary until this holds again: amortised less than one move a flow.
"""

from collections.abc import Mapping
from heapq import heappop
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.capped_sharing import NEW, SHARING, UNLIMITED, Sides

TIDY_AFTER: Final = 64


class Star(Sides):
    """The flows on one shared resource; `consumption` is per route, of that resource per byte."""

    __slots__ = ("_capacity", "_consumption", "_resource", "_turn")

    form = "star"

    def __init__(self, resource: str, capacity: float, consumption: Mapping[int, float]) -> None:
        super().__init__()
        self._resource = resource
        self._capacity = capacity
        self._consumption = consumption
        self._turn = 0

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        """Take up a flow; it gets its place in the next `solve`."""
        assert now >= self._now, "an idle star is at 0, a busy one is never ahead"
        weight = flow.weight
        flow.limit = cap / weight
        flow.load = self._consumption[flow.route] * weight
        flow.left = left_bytes / weight
        flow.place = NEW
        flow.turn = 0
        self._new.append(flow)
        self.count += 1

    def remove(self, flow: Flow, now: float) -> float:
        """Let go of a flow and return the bytes that it had left."""
        left = self._take_out(flow, now)
        if not self.count:
            self._reset()
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        """Change the cap of a flow in flight, in bytes/s."""
        self.add(flow, self._take_out(flow, now), cap, now)

    def _take_out(self, flow: Flow, now: float) -> float:
        self._advance(now)
        left = self.left(flow, now)
        if flow.place == NEW:
            self._new.remove(flow)
        elif flow.place == UNLIMITED:
            self._unlimited.remove(flow)
        else:
            self._displace(flow)
        self.count -= 1
        return left

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        """Change the capacity of the shared resource."""
        assert resource == self._resource
        if self.count:
            self._advance(now)
        self._capacity = capacity

    def due(self, now: float) -> list[Flow]:
        """Let go of the flows that end at `now`, in sequence order."""
        self._advance(now)
        found = self._pop_due()
        self.count -= len(found)
        if not self.count:
            self._reset()
        return found

    def solve(self, now: float) -> float:
        """Place the new flows, restore the boundary, return the seconds to the next end."""
        self._advance(now)
        if self._changes > TIDY_AFTER + 4 * self.count:
            self._tidy()
        if self._capacity == inf:
            self._release()
        else:
            if self._new:
                self._place()
            self._balance()
        return self._next_end()

    def _release(self) -> None:
        """Without a limit to share, every flow runs at its cap."""
        self._level = inf
        released = self._new
        self._new = []
        if self._sharing:
            for flow in [flow for flow in self.flows() if flow.place == SHARING]:
                flow.left = self._displace(flow)
                released.append(flow)
        for flow in released:
            if flow.limit < inf:
                self._cap(flow, flow.left)
            else:
                flow.place = UNLIMITED
                self._unlimited.append(flow)

    def _place(self) -> None:
        """Give each new flow the side that it will probably keep: a burst needs no moves then."""
        load = self._sharing_load
        for flow in self._new:
            load += flow.load
        guess = (self._capacity - self._capped_load) / load
        for flow in self._new:
            if flow.limit <= guess:
                self._cap(flow, flow.left)
            else:
                self._share(flow, flow.left)
        self._new.clear()

    def _balance(self) -> None:
        """Move flows over the boundary until limit_K <= theta < limit_S, and set theta.

        Sharing flows with a limit of at most theta are moved first, until there is none: each of
        these moves is final, and so is then the move of the largest capped one above theta. So a
        flow that would be moved back shows nothing but rounding, and ends the search.
        """
        capacity = self._capacity
        turn = self._turn = self._turn + 1
        capped, sharing = self._capped_by_limit, self._sharing_by_limit
        while True:
            level = self._theta()
            while sharing:
                limit, _, version, flow = sharing[0]
                if flow.version == version:
                    if limit > level or flow.turn == turn:
                        break
                    flow.turn = turn
                    self._cap(flow, self._displace(flow))
                    level = self._theta()
                heappop(sharing)
            while capped and capped[0][3].version != capped[0][2]:
                heappop(capped)
            if not capped:
                break
            flow = capped[0][3]
            if flow.turn == turn:
                break
            if flow.limit <= level and (self._sharing or self._capped_load <= capacity):
                break
            flow.turn = turn
            heappop(capped)
            self._share(flow, self._displace(flow))
        self._level = level

    def load(self, resource: str) -> float:
        """What is consumed of the shared resource per second, as of the latest solve."""
        assert resource == self._resource
        sharing = self._sharing_load * self._level if self._sharing else 0
        return self._capped_load + sharing

    def collect(self) -> dict[str, float]:
        """Return for how long the resource held anybody back since the last call."""
        ran = self._now - self._full_since if self._sharing else 0
        held, self._full_s = self._full_s + ran, -ran
        return {self._resource: held} if held else {}

    def _theta(self) -> float:
        if not self._sharing:
            return inf
        return max(0, (self._capacity - self._capped_load) / self._sharing_load)

    def _next_end(self) -> float:
        """Seconds to the next end; note which it is, so that rounding cannot miss it then."""
        now = self._now
        delay: float = 0 if self._unlimited else inf
        self._due_tag = self._due_end = -inf
        heap = self._sharing_by_tag
        while heap and heap[0][3].version != heap[0][2]:
            heappop(heap)
        if heap:
            tag = heap[0][0]
            left = tag - self._virtual
            wait = left / self._level if self._level else inf if left > 0 else 0
            if wait <= delay:
                delay = max(0, wait)
                self._due_tag = tag
        heap = self._capped_by_end
        while heap and heap[0][3].version != heap[0][2]:
            heappop(heap)
        if heap:
            end = heap[0][0]
            if end - now <= delay:
                if end - now < delay:
                    self._due_tag = -inf
                delay = end - now
                self._due_end = end
        self._due_at = now + delay
        return delay
