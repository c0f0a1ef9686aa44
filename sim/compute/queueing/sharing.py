"""Processor sharing: nobody waits, everybody is slower (Kleinrock, JACM 14(2), 1967).

With n jobs on S slots each has min(1, S/n) of a slot. All jobs have the same share at any time, so
that they end in the order of how much work all jobs must have had by then: one number per job, in a
heap, and one timer.
"""

from heapq import heapify, heappop, heappush
from typing import Any, Final

import simpy

from cutlayer.sim.compute.queueing.job import Job, ServerQueue, Waiting

DONE: Final = 1e-12  # of what a job needs: less than this is left when it ends


class ProcessorSharing(ServerQueue):
    """S slots that all jobs share equally, none with more than one."""

    interleaves = True

    def __init__(self, env: simpy.Environment, slots: int, slowness: float = 1.0) -> None:
        super().__init__(env, slots, slowness)
        self._jobs: list[tuple[float, int, Waiting]] = []
        self._came = 0
        self._had = 0.0  # what a job has had that was there from the beginning, seconds of a slot
        self._since = 0.0
        self._timer = 0  # the number of the timer that counts

    @property
    def idle(self) -> bool:
        """Whether no job is running."""
        return not self._jobs

    def submit(self, job: Job, value: Any = None) -> simpy.Event:
        """Share the slots with a job; the event succeeds with `value` when it is done."""
        self._catch_up()
        done = self.env.event()
        self._came += 1
        end = self._had + self.seconds(job)
        heappush(self._jobs, (end, self._came, Waiting(job, value, done)))
        self._set_timer()
        return done

    def withdraw(self, owner: object) -> None:
        """End the jobs of `owner`; their events never happen."""
        self._catch_up()
        kept = []
        for end, came, waiting in self._jobs:
            if waiting.job.owner is not owner:
                kept.append((end, came, waiting))
                continue
            seconds = self.seconds(waiting.job)
            waiting.job.interleaved(self.env.now, max(seconds - max(end - self._had, 0.0), 0.0))
        heapify(kept)
        self._jobs = kept
        self._set_timer()

    def _share(self) -> float:
        return min(1.0, self.slots / len(self._jobs))

    def _catch_up(self) -> None:
        now = self.env.now
        if now < self._since:  # the clock begins again at 0 with every round
            self._since = now
        if self._jobs:
            self._had += (now - self._since) * self._share()
        else:
            self._had = 0.0
        self._since = now

    def _set_timer(self) -> None:
        self._timer += 1
        if not self._jobs:
            return
        left = max(self._jobs[0][0] - self._had, 0.0)
        timer = self.env.timeout(left / self._share(), self._timer)
        assert timer.callbacks is not None
        timer.callbacks.append(self._end)

    def _end(self, timer: simpy.Event) -> None:
        if timer.value != self._timer:
            return
        self._catch_up()
        first = self._jobs[0][0]
        self._had = max(self._had, first)  # rounding must not leave a sliver that never ends
        while self._jobs and self._jobs[0][0] <= self._had * (1 + DONE):
            _, _, waiting = heappop(self._jobs)
            waiting.job.interleaved(self.env.now, self.seconds(waiting.job))
            waiting.done.succeed(waiting.value)
        self._set_timer()
