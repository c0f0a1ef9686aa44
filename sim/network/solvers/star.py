"""One shared resource, every flow with a cap of its own: O(log n) a change, and exact.

With K the capped and S the sharing flows, C the capacity and everything per weight (see
capped_sharing.py):

    theta = (C - sum over K of load * limit) / sum over S of load

and limit_K <= theta < limit_S. A change advances the virtual clock, adds or removes the flow, and
moves flows over the boundary until this holds again: less than one move a flow, amortised.
"""

from collections.abc import Mapping
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.capped_sharing import NEW, UNLIMITED, CappedSharing
from cutlayer.sim.network.solvers.lazy_heap import TIDY_AFTER


class Star(CappedSharing):
    """The flows on one shared resource; `consumption` is what a byte on each route takes of it."""

    form = "star"

    def __init__(self, resource: str, capacity: float, consumption: Mapping[int, float]) -> None:
        super().__init__()
        self._resource = resource
        self._capacity = capacity
        self._consumption = consumption
        self._turn = 0

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        assert now >= self._now, "an idle star is at 0, a busy one is never ahead"
        weight = flow.weight
        flow.limit = cap / weight
        flow.load = self._consumption[flow.route] * weight
        flow.left = left_bytes / weight
        flow.mode = NEW
        flow.turn = 0
        self._new.append(flow)
        self.count += 1

    def remove(self, flow: Flow, now: float) -> float:
        left = self._leave(flow, now)
        if not self.count:
            self._forget()
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        self.add(flow, self._leave(flow, now), cap, now)

    def _leave(self, flow: Flow, now: float) -> float:
        self._advance(now)
        left = self.left(flow, now)
        if flow.mode == NEW:
            self._new.remove(flow)
        elif flow.mode == UNLIMITED:
            self._unlimited.remove(flow)
        else:
            self._displace(flow)
        self.count -= 1
        return left

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        assert resource == self._resource
        if self.count:
            self._advance(now)
        self._capacity = capacity

    def due(self, now: float) -> list[Flow]:
        self._advance(now)
        ended = self._pop_due()
        self.count -= len(ended)
        if not self.count:
            self._forget()
        return ended

    def solve(self, now: float) -> float:
        if now != self._now:
            self._advance(now)
        if self._changes > TIDY_AFTER + 4 * self.count:
            self._tidy()
        if self._capacity == inf:
            self._release()
        else:
            if self._new:
                self._place()
            self._balance()
        return self._next_end(self._clock.value, self._clock.level, self._sharing_by_tag)

    def _release(self) -> None:
        """Run every flow at its cap: there is no limit to share."""
        released = self._new
        self._new = []
        for flow in list(self._sharing_by_tag.items()):
            flow.left = self._displace(flow)
            released.append(flow)
        self._clock.level = 0
        for flow in released:
            if flow.limit < inf:
                self._cap(flow, flow.left)
            else:
                flow.mode = UNLIMITED
                self._unlimited.append(flow)

    def _place(self) -> None:
        """Cap each new flow or let it share, by a good guess: a burst needs no moves then."""
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
        """Move flows over the boundary until limit_K <= theta < limit_S, and set the level to theta.

        All sharing flows with a limit of at most theta are moved first. These moves are final, and so
        is the next one, of the largest capped flow above theta. A flow that would be moved back
        therefore differs by rounding only, and ends the search.
        """
        capacity = self._capacity
        turn = self._turn = self._turn + 1
        capped, sharing = self._capped_by_limit, self._sharing_by_limit
        while True:
            level = self._theta()
            while sharing.entries and (flow := sharing.first()) is not None:
                if flow.limit > level or flow.turn == turn:
                    break
                flow.turn = turn
                self._cap(flow, self._displace(flow))
                level = self._theta()
            flow = capped.first() if capped.entries else None
            if flow is None or flow.turn == turn:
                break
            if flow.limit <= level and (self._sharing or self._capped_load <= capacity):
                break
            flow.turn = turn
            self._share(flow, self._displace(flow))
        self._clock.level = level if self._sharing else 0

    def load(self, resource: str) -> float:
        assert resource == self._resource
        sharing = self._sharing_load * self._clock.level if self._sharing else 0
        return self._capped_load + sharing

    def collect(self) -> dict[str, float]:
        ran = self._now - self._full_since if self._sharing else 0
        held, self._full_s = self._full_s + ran, -ran
        return {self._resource: held} if held else {}

    def _theta(self) -> float:
        if not self._sharing:
            return inf
        level = (self._capacity - self._capped_load) / self._sharing_load
        return level if level > 0 else 0
