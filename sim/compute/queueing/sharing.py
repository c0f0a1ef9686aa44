"""Processor sharing: no job waits, and all share the slots (Kleinrock, JACM 14(2), 1967).

With n jobs on S slots each has min(1, S/n) of a slot. A virtual time advances by that share; a job
ends when it has advanced by the job's seconds. So one number per job, in a heap, and one timer suffice.
"""

from heapq import heapify, heappop, heappush
from typing import Any, Final

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.compute.queueing.job import Job, ServerQueue, Waiting

ROUNDING: Final = 1e-12  # relative, of the virtual time at which a job ends


class ProcessorSharing(ServerQueue):
    """S slots that all jobs share equally, none with more than one."""

    interleaves = True

    def __init__(self, env: simpy.Environment, slots: int, slowness: float = 1.0) -> None:
        super().__init__(env, slots, slowness)
        self._jobs: list[tuple[float, int, Waiting]] = []
        self._came = 0
        self._virtual = 0.0  # seconds of a slot since the queue was last empty, for each job
        self._since = 0.0
        self._timer = 0  # the number of the valid timer

    @property
    def idle(self) -> bool:
        """Whether no job is running."""
        return not self._jobs

    def submit(self, job: Job, value: Any = None) -> simpy.Event:
        """Share the slots with a job; the event succeeds with `value` when it is done."""
        self._catch_up()
        done = self.env.event()
        self._came += 1
        end = self._virtual + self.seconds(job)
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
            waiting.job.interleaved(self.env.now, max(seconds - max(end - self._virtual, 0.0), 0.0))
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
            self._virtual += (now - self._since) * self._share()
        else:
            self._virtual = 0.0
        self._since = now

    def _set_timer(self) -> None:
        self._timer += 1
        if not self._jobs:
            return
        left = max(self._jobs[0][0] - self._virtual, 0.0)
        call_after(self.env.timeout(left / self._share(), self._timer), self._end)

    def _end(self, timer: simpy.Event) -> None:
        if timer.value != self._timer:
            return
        self._catch_up()
        first = self._jobs[0][0]
        # Rounding must not leave a rest that never ends.
        self._virtual = max(self._virtual, first)
        while self._jobs and self._jobs[0][0] <= self._virtual * (1 + ROUNDING):
            _, _, waiting = heappop(self._jobs)
            waiting.job.interleaved(self.env.now, self.seconds(waiting.job))
            waiting.done.succeed(waiting.value)
        self._set_timer()
