"""A route that shares nothing: its one flow runs at its cap."""

from collections.abc import Iterator
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.solver import Solver


class Alone(Solver):
    """At most one flow, at its cap: a start costs O(1) and no solve.

    The flow had `_left` bytes left at `_since`.
    """

    __slots__ = ("_cap", "_due_at", "_flow", "_left", "_since")

    form = "alone"
    at_once = True

    def __init__(self) -> None:
        super().__init__()
        self._flow: Flow | None = None
        self._due_at: float = inf
        self._left: float = 0
        self._cap: float = inf
        self._since: float = 0

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        assert self._flow is None, "a route that shares nothing carries one flow at a time"
        self._flow = flow
        self._due_at = inf
        self.count = 1
        self._left = left_bytes
        self._cap = cap
        self._since = now

    def remove(self, flow: Flow, now: float) -> float:
        left = self.left(flow, now)
        flow.capped_s += now - self._since
        self._flow = None
        self.count = 0
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        self._left = self.left(flow, now)
        flow.capped_s += now - self._since
        self._since = now
        self._cap = cap

    def due(self, now: float) -> list[Flow]:
        flow = self._flow
        if flow is None or now < self._due_at:
            return []
        flow.capped_s += now - self._since
        self._flow = None
        self.count = 0
        return [flow]

    def solve(self, now: float) -> float:
        flow = self._flow
        if flow is None:
            return inf
        if now != self._since:
            self._left = self.left(flow, now)
            flow.capped_s += now - self._since
            self._since = now
        delay = self._left / self._cap if self._cap else inf if self._left else 0
        self._due_at = now + delay
        return delay

    def rate(self, flow: Flow) -> float:
        assert flow is self._flow
        return self._cap

    def left(self, flow: Flow, now: float) -> float:
        assert flow is self._flow
        if now >= self._due_at:
            return 0
        if now == self._since:
            return self._left
        return max(0, self._left - self._cap * (now - self._since))

    def flows(self) -> Iterator[Flow]:
        if self._flow is not None:
            yield self._flow
