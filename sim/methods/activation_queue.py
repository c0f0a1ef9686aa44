"""A queue of activations with a cap: a client sends one only when there is room for it."""

from collections import Counter
from typing import Any, NamedTuple

import simpy

from cutlayer.sim.log.intervals import NO_CAUSE


class Request(NamedTuple):
    """A client's request for room; `granted` succeeds with the row of the log that it then follows."""

    client: int
    granted: simpy.Event


class ActivationQueue:
    """The activations that wait or are trained, and the rooms reserved for those on their way.

    They are never more than `cap` together. If `balanced`, the next room, and the next step, are given
    to the client that has had fewest of them so far, and otherwise to the one that has waited longest.
    """

    def __init__(self, clock: simpy.Environment, cap: int, *, balanced: bool) -> None:
        self.cap = cap
        self.used = 0
        self._clock = clock
        self._balanced = balanced
        self._requests: list[Request] = []
        self._waiting: list[tuple[int, Any]] = []
        self._granted: Counter[int] = Counter()
        self._taken: Counter[int] = Counter()

    def reserve(self, client: int) -> Request:
        """Request room for an activation of a client, granted at once if there is some.

        The value of `granted` is then `NO_CAUSE`, otherwise the row that freed the room.
        """
        request = Request(client, self._clock.event())
        self._requests.append(request)
        self._grant(NO_CAUSE)
        return request

    def withdraw(self, request: Request, row: int) -> None:
        """Give up a request, or the room that it got, for which no activation will arrive."""
        if request.granted.triggered:
            self._granted[request.client] -= 1
            self.free(row)
        else:
            self._requests.remove(request)

    def put(self, client: int, activation: Any) -> None:
        """Add the activation of a client, for which room was reserved."""
        self._waiting.append((client, activation))

    def take(self) -> Any:
        """Return the activation to train next, which keeps its room until `free`; None if none waits."""
        if not self._waiting:
            return None
        position = self._first([client for client, _ in self._waiting], self._taken)
        client, activation = self._waiting.pop(position)
        self._taken[client] += 1
        return activation

    def free(self, row: int) -> None:
        """Free a room; `row` of the log is the reason."""
        self.used -= 1
        self._grant(row)

    def _grant(self, row: int) -> None:
        while self._requests and self.used < self.cap:
            position = self._first([request.client for request in self._requests], self._granted)
            request = self._requests.pop(position)
            self._granted[request.client] += 1
            self.used += 1
            request.granted.succeed(row)

    def _first(self, clients: list[int], had: Counter[int]) -> int:
        """Return the position of the client whose turn it is."""
        if not self._balanced:
            return 0
        return min(range(len(clients)), key=lambda position: had[clients[position]])
