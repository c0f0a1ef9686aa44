"""Virtual time: the integral of a level over time.

All flows that share a resource run at one level per weight. A flow that joins with r bytes left when
the virtual time is V ends at virtual time V + r, its *tag*, whatever the level does until then.
"""


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
