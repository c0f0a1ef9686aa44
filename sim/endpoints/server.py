"""The server's end of a client's round."""

from dataclasses import dataclass
from typing import Any

import simpy

from cutlayer.sim.compute.stage import Work
from cutlayer.sim.endpoints.endpoint import Endpoint
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.deferred import operations
from cutlayer.sim.log.intervals import SERVER, Activity, Interval, Phase


class ServerEndpoint(Endpoint):
    """The server's replica for one client during a round."""

    phase = Phase.DOWNLINK

    def compute(self, work: Work, activity: Activity, value: Any = None) -> simpy.Event:
        """Queue for a slot and compute `work` on it; the event's value is `value`."""
        job = _ServerJob(self, work, activity, self.world.clock.now)
        return self.world.server.submit(job, value)

    def server_step(self, batch: Batch, upload: Any) -> simpy.Event:
        """Train the server block on an activation; value: the gradient to send back."""
        gradient = self.chain.do(operations.server_step, upload)
        work = self.costs.server_work.train(batch.size)
        return self.compute(work, Activity.TRAIN, gradient)

    def server_step_detached(
        self, batch: Batch, upload: Any, bits: int | None = None
    ) -> simpy.Event:
        """Train the server block on an activation (of `bits` bits) that needs no gradient."""
        self.chain.do(operations.server_step_detached, upload)
        work = self.costs.server_work.train_detached(batch.size, bits)
        return self.compute(work, Activity.TRAIN)


@dataclass(slots=True, eq=False)
class _ServerJob:
    """A job of the server's queue; logs its waiting and its running once they are known."""

    owner: ServerEndpoint
    work: Work
    activity: Activity
    arrival: float

    @property
    def device(self) -> str:
        """The name of the device of the client for which the job is done."""
        return self.owner.client.profile.name

    def began(self, now: float, seconds: float) -> None:
        """Log the wait in the queue, if there was one, and the interval on the slot."""
        self._log(now, now + seconds)

    def interleaved(self, end: float, seconds: float) -> None:
        """Log the job as if it had waited first and then had a slot to itself."""
        self._log(max(end - seconds, self.arrival), end)

    def _log(self, start: float, end: float) -> None:
        if start > self.arrival:
            self._add(self.arrival, start, Phase.SERVER_QUEUE, 0.0)
        self._add(start, end, Phase.SERVER_COMPUTE, self.work.flops)
        self.owner.busy_until = end

    def _add(self, start: float, end: float, phase: Phase, flops: float) -> None:
        owner = self.owner
        interval = Interval(
            start, end, SERVER, phase, owner.member, self.activity, owner.last, flops=flops
        )
        owner.last = owner.world.log.add(interval)
