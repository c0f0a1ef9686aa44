"""A route that shares nothing: its one flow runs at its cap."""

from collections.abc import Iterator
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.solver import Solver


class Alone(Solver):
    """At most one flow, at its cap: a start costs O(1) and no solve."""

    __slots__ = ("_due_at", "_flow")

    form = "alone"
    at_once = True

    def __init__(self) -> None:
        super().__init__()
        self._flow: Flow | None = None
        self._due_at: float = inf

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        """Take up the flow; a second one at the same time is our mistake."""
        assert self._flow is None, "a route that shares nothing carries one flow at a time"
        self._flow = flow
        self._due_at = inf
        self.count = 1
        flow.left = left_bytes
        flow.limit = cap
        flow.since = now

    def remove(self, flow: Flow, now: float) -> float:
        """Let go of the flow and return the bytes that it had left."""
        left = self.left(flow, now)
        flow.capped_s += now - flow.since
        self._flow = None
        self.count = 0
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        """Change the cap of the flow, in bytes/s."""
        flow.left = self.left(flow, now)
        flow.capped_s += now - flow.since
        flow.since = now
        flow.limit = cap

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        """Nothing is shared here: the network turns capacities of private resources into caps."""
        raise AssertionError(f"{resource} is not shared, yet set to {capacity} at {now} s")

    def due(self, now: float) -> list[Flow]:
        """Let go of the flow if it ends at `now`."""
        flow = self._flow
        if flow is None or now < self._due_at:
            return []
        flow.capped_s += now - flow.since
        self._flow = None
        self.count = 0
        return [flow]

    def solve(self, now: float) -> float:
        """Return the seconds until the flow ends."""
        flow = self._flow
        if flow is None:
            return inf
        if now != flow.since:
            flow.left = self.left(flow, now)
            flow.capped_s += now - flow.since
            flow.since = now
        left = flow.left
        delay = left / flow.limit if flow.limit else inf if left else 0
        self._due_at = now + delay
        return delay

    def rate(self, flow: Flow) -> float:
        """Rate of the flow in bytes/s: its cap."""
        return flow.limit

    def left(self, flow: Flow, now: float) -> float:
        """Bytes that the flow has left at `now`."""
        if now >= self._due_at:
            return 0
        if now == flow.since:
            return flow.left
        return max(0, flow.left - flow.limit * (now - flow.since))

    def flows(self) -> Iterator[Flow]:
        """The flow, if there is one."""
        if self._flow is not None:
            yield self._flow

    def load(self, resource: str) -> float:
        """Nothing is shared here."""
        raise AssertionError(f"{resource} is not shared")

    def collect(self) -> dict[str, float]:
        """Nothing is shared here, so nothing shared holds anybody back."""
        return {}
