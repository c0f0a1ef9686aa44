"""Batching: a slot runs jobs of several clients as one, with one overhead for all.

The clients' replicas are stacked: the kernels of a batch of jobs are launched once, while arithmetic,
activations and every replica's own weights count in full. So k jobs take the sum of their times less
the overheads of all but the longest. A slot waits for `most` jobs, but no longer than `wait` after the
first arrived. Jobs are taken in the order of their arrival.
"""

from collections import deque
from typing import Any

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.compute.queueing.job import Job, ServerQueue, Waiting


class Batching(ServerQueue):
    """S slots, each of which takes up to `most` jobs at once; `wait` in seconds."""

    interleaves = True

    def __init__(
        self, env: simpy.Environment, slots: int, slowness: float = 1.0, *, most: int, wait: float
    ) -> None:
        super().__init__(env, slots, slowness)
        self.most = most
        self.wait = wait
        self._free = slots
        self._queue: deque[tuple[float, Waiting]] = deque()

    @property
    def idle(self) -> bool:
        """Whether no job is running or waiting."""
        return self._free == self.slots and not self._queue

    def submit(self, job: Job, value: Any = None) -> simpy.Event:
        """Queue a job; the event succeeds with `value` when it is done."""
        done = self.env.event()
        self._queue.append((self.env.now, Waiting(job, value, done)))
        self._begin()
        return done

    def withdraw(self, owner: object) -> None:
        """Take the waiting jobs of `owner` out of the queue; their events never happen."""
        self._queue = deque(entry for entry in self._queue if entry[1].job.owner is not owner)

    def _begin(self, _: simpy.Event | None = None) -> None:
        """Fill free slots with full batches, or with jobs that have waited for long enough."""
        while self._free and self._queue:
            due = self._queue[0][0] + self.wait
            if len(self._queue) < self.most and self.env.now < due:
                call_after(self.env.timeout(due - self.env.now), self._begin)
                return
            count = min(self.most, len(self._queue))
            self._run([self._queue.popleft()[1] for _ in range(count)])

    def _run(self, batch: list[Waiting]) -> None:
        self._free -= 1
        overheads = [waiting.job.work.overhead_s for waiting in batch]
        alone = sum(waiting.job.work.seconds for waiting in batch)
        total = (alone - sum(overheads) + max(overheads)) * self.slowness
        for waiting in batch:  # the log shows each job's share of the slot's time
            share = waiting.job.work.seconds / alone if alone else 1 / len(batch)
            waiting.job.interleaved(self.env.now + total, total * share)
        call_after(self.env.timeout(total), lambda _: self._finish(batch))

    def _finish(self, batch: list[Waiting]) -> None:
        self._free += 1
        for waiting in batch:
            waiting.done.succeed(waiting.value)
        self._begin()
