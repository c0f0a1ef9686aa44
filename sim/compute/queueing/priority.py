"""Priority without interruption (Cobham, Operations Research 2(1), 1954)."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

import simpy

from cutlayer.sim.compute.queueing.fifo import FirstComeFirstServed
from cutlayer.sim.compute.queueing.job import Waiting


class Priority(FirstComeFirstServed):
    """Next is the waiting job whose device is earliest in `first`; among equals, the first to arrive."""

    def __init__(
        self, env: simpy.Environment, slots: int, slowness: float = 1.0, *, first: Sequence[str]
    ) -> None:
        super().__init__(env, slots, slowness)
        self._ranks = {device: rank for rank, device in enumerate(first)}
        self._heap: list[tuple[int, int, Waiting]] = []
        self._came = 0

    def withdraw(self, owner: object) -> None:
        """Take the waiting jobs of `owner` out of the queue; their events never happen."""
        self._heap = [entry for entry in self._heap if entry[2].job.owner is not owner]
        heapify(self._heap)

    def _enter(self, waiting: Waiting) -> None:
        self._came += 1
        rank = self._ranks.get(waiting.job.device, len(self._ranks))
        heappush(self._heap, (rank, self._came, waiting))

    def _next(self) -> Waiting | None:
        return heappop(self._heap)[2] if self._heap else None
