"""First come, first served (M/G/S where arrivals are Poisson), and priority without interruption."""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.compute.queueing.job import Job, ServerQueue, Waiting


class FirstComeFirstServed(ServerQueue):
    """S slots in front of one queue."""

    def __init__(self, env: simpy.Environment, slots: int, slowness: float = 1.0) -> None:
        super().__init__(env, slots, slowness)
        self._free = slots
        self._queue: deque[Waiting] = deque()

    @property
    def idle(self) -> bool:
        """Whether no job is running or waiting."""
        return self._free == self.slots

    def submit(self, job: Job, value: Any = None) -> simpy.Event:
        """Queue a job; the event succeeds with `value` when it is done."""
        if self._free:
            self._free -= 1
            return self._run(job, value)
        done = self.env.event()
        self._enter(Waiting(job, value, done))
        return done

    def withdraw(self, owner: object) -> None:
        """Take the waiting jobs of `owner` out of the queue; their events never happen."""
        self._queue = deque(waiting for waiting in self._queue if waiting.job.owner is not owner)

    def _run(self, job: Job, value: Any = None) -> simpy.Event:
        seconds = self.seconds(job)
        job.began(self.env.now, seconds)
        timer = self.env.timeout(seconds, value)
        call_after(timer, self._finish)
        return timer

    def _enter(self, waiting: Waiting) -> None:
        self._queue.append(waiting)

    def _next(self) -> Waiting | None:
        return self._queue.popleft() if self._queue else None

    def _finish(self, _: simpy.Event) -> None:
        waiting = self._next()
        if waiting is None:
            self._free += 1
        else:
            call_after(self._run(waiting.job), waiting.succeed)


class Priority(FirstComeFirstServed):
    """Next is the waiting job whose device is earliest in `first`; among equals, the first to arrive.

    Jobs are not interrupted (Cobham, Operations Research 2(1), 1954).
    """

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
