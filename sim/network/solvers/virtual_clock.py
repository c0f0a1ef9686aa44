"""Virtual time: the integral of a level over time.

All flows that share a resource run at one level per weight. A flow that joins with r bytes left when
the virtual time is V ends at virtual time V + r, its *tag*, whatever the level does until then.
"""

from math import inf
from typing import Generic, Protocol, TypeVar

from cutlayer.sim.network.solvers.lazy_heap import LazyHeap
from cutlayer.sim.network.solvers.solver import SharingSolver


class VirtualClock:
    """Virtual time, which was `value` at the time `since` and advances at `level` from then on.

    With a `leader` it advances as that clock does, and differs from it by `offset`.
    """

    __slots__ = ("leader", "level", "offset", "since", "value")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Stop at the virtual time 0 and the time 0."""
        self.leader: VirtualClock | None = None
        self.offset: float = 0
        self.value: float = 0
        self.since: float = 0
        self.level: float = 0

    def at(self, now: float) -> float:
        """Return the virtual time at `now`."""
        if self.leader is not None:
            return self.leader.at(now) + self.offset
        if now == self.since:
            return self.value
        return self.value + self.level * (now - self.since)

    def speed(self) -> float:
        """Return the level at which it advances."""
        clock = self
        while clock.leader is not None:
            clock = clock.leader
        return clock.level

    def stop(self, now: float) -> None:
        """Stop at `now`, until `run` or a new leader."""
        self.value = self.at(now)
        self.leader = None
        self.since = now
        self.level = 0

    def run(self, now: float, level: float) -> None:
        """Advance at `level` from `now` on, after `stop`."""
        self.since = now
        self.level = level


class Tagged(Protocol):
    """A flow, or several that go on together, which ends at `tag`."""

    number: int
    tag: float


Item = TypeVar("Item", bound=Tagged)


class ClockSolver(SharingSolver, Generic[Item]):
    """A solver whose flows share by virtual clocks, or end at a fixed time because of their caps.

    `_ends` has those with a fixed end, `_unlimited` those that nothing limits. `_due_tag` is the tag of
    the end foreseen by the latest solve, if the flow shares.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ends: LazyHeap[Item] = LazyHeap()
        self._unlimited: list[Item] = []

    def _forget(self) -> None:
        super()._forget()
        self._due_tag: float = -inf
        self._ends.clear()

    def _next_end(self, virtual: float, level: float, sharing_by_tag: LazyHeap[Item]) -> float:
        """Return the seconds to the next end, and keep its key: rounding cannot miss it then.

        `virtual` is the virtual time of those that share, and advances at `level`.
        """
        now = self._now
        delay: float = 0 if self._unlimited else inf
        self._due_tag = self._due_end = -inf
        if sharing_by_tag.entries and (first := sharing_by_tag.first()) is not None:
            tag = first.tag
            left = tag - virtual
            wait = left / level if level else inf if left > 0 else 0
            if wait <= delay:
                delay = wait if wait > 0 else 0
                self._due_tag = tag
        if self._ends.entries and (first := self._ends.first()) is not None:
            end = first.tag
            wait = end - now
            if wait <= delay:
                if wait < delay:
                    self._due_tag = -inf
                delay = wait if wait > 0 else 0
                self._due_end = end
        self._due_at = now + delay
        return delay
