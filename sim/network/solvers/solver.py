"""What every solver does: hold the flows of one component and say when the next one ends.

A solver works with bytes, seconds and rates, not with events: the network passes it the time.
All solvers accept any exact or floating number type (tests use fractions).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import inf
from typing import ClassVar

from cutlayer.sim.network.flow import Flow


class Solver(ABC):
    """The flows in flight of one connected component of resources.

    Between two changes rates are constant. After any change `solve` must be called at the same
    instant, once for all changes of that instant. A solver without flows keeps no time, so that a
    round gives the same bits whenever it starts at the same `now`.
    """

    __slots__ = ("count", "generation", "touched", "wake_at")

    form: ClassVar[str]
    """Name of the solver, as in `Network.forms`."""
    at_once: ClassVar[bool] = False
    """Whether nothing is shared, so that a change need not wait for the others of its instant."""

    def __init__(self) -> None:
        self.count = 0
        # Kept by the network: whether a settle is due at this instant, the generation of the valid
        # wake-up, and its time.
        self.touched = False
        self.generation = 0
        self.wake_at = inf

    @abstractmethod
    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        """Add a flow that has `left_bytes` to send, at no more than `cap` bytes/s."""

    @abstractmethod
    def remove(self, flow: Flow, now: float) -> float:
        """Remove a flow and return the bytes that it had left."""

    @abstractmethod
    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        """Change the cap of a flow in flight, in bytes/s."""

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        """Change the capacity of a resource that this solver shares out."""
        raise AssertionError(f"{resource} is not shared, yet set to {capacity} at {now} s")

    @abstractmethod
    def due(self, now: float) -> list[Flow]:
        """Remove the flows that end at `now` and return them, in sequence order."""

    @abstractmethod
    def solve(self, now: float) -> float:
        """Share out anew; return the seconds until the next flow ends, or infinity."""

    @abstractmethod
    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""

    @abstractmethod
    def left(self, flow: Flow, now: float) -> float:
        """Bytes that a flow in flight has left at `now`; less than the clock resolves is none."""

    @abstractmethod
    def flows(self) -> Iterator[Flow]:
        """All flows in flight, in a reproducible order."""

    def load(self, resource: str) -> float:
        """Consumption per second of a shared resource, as of the latest solve."""
        raise AssertionError(f"{resource} is not shared")

    def collect(self) -> dict[str, float]:
        """Return for how many seconds each shared resource was a bottleneck since the last call.

        It is one while it is full and holds back a flow that is below its cap. Call it only when
        nothing is in flight, or right after a solve.
        """
        return {}


class SharingSolver(Solver):
    """A solver whose flows may share resources, with its time and the end that it foresees.

    By the latest solve, the clock will be at the next end at `_due_at`; its exact time is `_due_end`.
    """

    _now: float
    _due_at: float
    _due_end: float

    def _forget(self) -> None:
        """Forget all times, so that what follows an idle time does not depend on what was before."""
        self._now = 0
        self._due_at = inf
        self._due_end = -inf

    def _until(self, now: float) -> float:
        """Return the exact time of the ends that have come by `now`."""
        return self._due_end if now >= self._due_at and now < self._due_end else now


def by_sequence(flow: Flow) -> int:
    """Return the key that sorts flows in the order in which they were started."""
    return flow.sequence
