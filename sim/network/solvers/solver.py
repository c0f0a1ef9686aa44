"""What every solver can do: hold the flows of one component and say when the next one ends.

A solver knows bytes, seconds and rates, but no events: the network tells it the time and asks.
All solvers work on any exact or floating number type (tests run them on fractions).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import inf
from typing import ClassVar

from cutlayer.sim.network.flow import Flow


class Solver(ABC):
    """The flows in flight of one connected component of resources.

    Between two changes rates are constant. After any change `solve` must be called at the same
    instant, once for all changes of that instant. With nothing in flight a solver holds no time,
    so that a round gives the same bits whenever it starts at the same `now`.
    """

    __slots__ = ("count", "generation", "touched", "wake_at")

    form: ClassVar[str]
    """Name of the solver, as `Network.forms` shows it."""
    at_once: ClassVar[bool] = False
    """True where nothing is shared, so that a change needs not wait for the others of its instant.
    """

    def __init__(self) -> None:
        self.count = 0
        # The network's notes: is a settle under way at this instant, which wake-up is valid, and
        # for when it is set.
        self.touched = False
        self.generation = 0
        self.wake_at = inf

    @abstractmethod
    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        """Take up a flow that has `left_bytes` to send, at no more than `cap` bytes/s."""

    @abstractmethod
    def remove(self, flow: Flow, now: float) -> float:
        """Let go of a flow and return the bytes that it had left."""

    @abstractmethod
    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        """Change the cap of a flow in flight, in bytes/s."""

    @abstractmethod
    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        """Change the capacity of a resource that this solver shares out."""

    @abstractmethod
    def due(self, now: float) -> list[Flow]:
        """Let go of the flows that end at `now` and return them in sequence order."""

    @abstractmethod
    def solve(self, now: float) -> float:
        """Share out anew; return the seconds until the next flow ends, or infinity."""

    @abstractmethod
    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""

    @abstractmethod
    def left(self, flow: Flow, now: float) -> float:
        """Bytes that a flow in flight has left at `now`."""

    @abstractmethod
    def flows(self) -> Iterator[Flow]:
        """All flows in flight, in no particular but a reproducible order."""

    @abstractmethod
    def load(self, resource: str) -> float:
        """What is consumed of a shared resource per second, as of the latest solve."""

    @abstractmethod
    def collect(self) -> dict[str, float]:
        """Return for how many seconds each shared resource was a bottleneck since the last call.

        It is one while it is full and holds back a flow that is below its cap. Only to be asked for
        when nothing is in flight, or right after a solve.
        """
