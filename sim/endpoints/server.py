"""The server's end of a client's round."""

from dataclasses import dataclass
from typing import Any

import simpy

from cutlayer.sim.compute.stage import NO_WORK, Work
from cutlayer.sim.compute.work import ServerWork
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.micro_batch import MicroBatch
from cutlayer.sim.endpoints.payload import Payload, activation, encoded, gradient
from cutlayer.sim.learning.chain import Batch, TensorRef
from cutlayer.sim.learning.deferred import operations
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.log.intervals import Activity, Interval, Phase

Process = simpy.events.ProcessGenerator


class ServerEndpoint(ClientEndpoint):
    """The replica for one client, on the server or an edge node, during a round."""

    phase = Phase.DOWNLINK
    queued_s = 0.0  # of all its jobs
    encodes_gradients = True  # with the scenario's codec, if there is one

    def compute(
        self, work: Work, activity: Activity, value: Any = None, *, arrival: float | None = None
    ) -> simpy.Event:
        """Queue for a slot and compute `work` on it; the event's value is `value`.

        The job has waited since its `arrival`, by default since now.
        """
        job = _ServerJob(self, work, activity, self.world.clock.now if arrival is None else arrival)
        return self.node.queue.submit(job, value)

    @property
    def own_work(self) -> ServerWork:
        """The work of the server's operations."""
        return self.server_work

    @property
    def server_work(self) -> ServerWork:
        """The work of its operations on its node, at the client's cut."""
        return self.node.works[self.cut]

    def compute_exclusively(self, steps: simpy.Resource, work: Work, activity: Activity) -> Process:
        """Compute `work` that may not overlap with other steps on the same weights.

        If the server works on one job at a time, its queue is enough; otherwise the jobs wait for each
        other, in the order of arrival.
        """
        queue, arrival = self.node.queue, self.world.clock.now
        if queue.slots == 1 and not queue.interleaves:
            yield self.compute(work, activity)
            return
        with steps.request() as granted:
            yield granted
            try:
                yield self.compute(work, activity, arrival=arrival)
            except simpy.Interrupt:  # its client dropped out: a job that is running is finished
                if self.busy_until > self.world.clock.now:
                    yield self.world.clock.timeout(self.busy_until - self.world.clock.now)
                raise

    def forward_own(self, batch: Batch) -> simpy.Event:
        """Run the device block of the client that is this node forward; value: its activation."""
        self.local = True
        result = self.chain.do(operations.forward, self.client.index, batch)
        payload = activation(self.costs.activation_shape, batch.size).holding(result)
        return self.compute(self.work.forward(batch.size), Activity.FORWARD, payload)

    def backward_own(self, batch: Batch, gradient: Payload) -> simpy.Event:
        """Run the device block of the client that is this node backward, and step."""
        self.chain.do(operations.backward, batch, gradient)
        return self.compute(self.work.backward(batch.size), Activity.BACKWARD)

    def gradient(self, batch: Batch, result: TensorRef | None) -> Payload:
        """Return the gradient of a batch's activation, which an operation on the server returned."""
        payload = gradient(self.costs.activation_shape, batch.size)
        if not self.encodes_gradients:
            return payload.holding(result)
        return self.transmitted("down", batch, payload, result)

    def shared_gradient(self, rows: int) -> Payload:
        """Return the message with these rows of a gradient that goes to several clients; no content."""
        shape, codecs = self.costs.activation_shape, self.world.codecs
        payload = gradient(shape, rows)
        if codecs.of("down") is None:
            return payload
        return encoded(payload, codecs.coding("down", shape, rows, False))

    def encoding(self, message: Payload) -> Work:
        """Return the work of encoding a message."""
        return NO_WORK if message.coding is None else self.server_work.encoding(message.coding)

    def with_codecs(self, work: Work, upload: Payload, batch: Batch | None = None) -> Work:
        """Return work on an upload with its decoding and, given its batch, the gradient's encoding."""
        if upload.coding is not None:
            work += self.server_work.decoding(upload.coding)
        returned = None
        if batch is not None and self.encodes_gradients:
            returned = self.coding("down", batch)
        return work if returned is None else work + self.server_work.encoding(returned)

    def decode(self, upload: Payload) -> Process:
        """Decode an upload that is not used at once; without a codec, this takes no time."""
        if upload.coding is not None:
            yield self.compute(self.server_work.decoding(upload.coding), Activity.LOAD)

    def server_step(self, batch: Batch, upload: Payload) -> simpy.Event:
        """Train the server block on an activation; value: the gradient to send back."""
        result = self.chain.do(operations.server_step, upload)
        trains = self.costs.parameters["device"] > 0
        work = self.server_work.train(batch.size)
        work = self.with_codecs(work, upload, batch if trains else None)
        return self.compute(work, Activity.TRAIN, self.gradient(batch, result))

    def step_on_part(self, batch: Batch, part: MicroBatch, upload: Payload) -> simpy.Event:
        """Train the server block on a micro-batch, with one step after the last of its batch.

        Value: the gradient to send back. The tensors are those of the whole batch, with the last part.
        """
        if part.whole:
            return self.server_step(batch, upload)
        result = self.chain.do(operations.server_step, upload) if part.last else None
        trains = self.costs.parameters["device"] > 0
        work = self.server_work.train_part(part.size, steps=part.last)
        work = self.with_codecs(work, upload, part.of(batch) if trains else None)
        return self.compute(work, Activity.TRAIN, self.gradient(part.of(batch), result))

    def server_step_detached(self, batch: Batch, upload: Payload) -> simpy.Event:
        """Train the server block on an activation, quantised or not, that needs no gradient."""
        self.chain.do(operations.server_step_detached, upload)
        work = self.server_work.train_detached(batch.size, upload.bits)
        work = self.with_codecs(work, upload)
        return self.compute(work, Activity.TRAIN)

    def store(self, buffer: StateKey, upload: Payload) -> Payload:
        """Append an activation to a state that the chain writes; return it for the next operation."""
        return upload.holding(self.chain.do(operations.store_activation, buffer, upload))

    def replay(self, buffer: StateKey, batch: Batch, bits: int | None = None) -> Payload:
        """Return the activation of a batch (of `bits` bits) from a state that the chain reads."""
        stored = activation(self.costs.activation_shape, batch.size, bits)
        return stored.holding(self.chain.do(operations.replay, buffer, batch.number))


@dataclass(slots=True, eq=False)
class _ServerJob:
    """A job in the queue of a node; logs its waiting and its running once they are known."""

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
            self.owner.queued_s += start - self.arrival
            self._add(self.arrival, start, Phase.SERVER_QUEUE, 0.0)
        self._add(start, end, Phase.SERVER_COMPUTE, self.work.flops)
        self.owner.busy_until = end

    def _add(self, start: float, end: float, phase: Phase, flops: float) -> None:
        owner, actor = self.owner, self.owner.node.number
        interval = Interval(
            start, end, actor, phase, owner.member, self.activity, owner.last, flops=flops
        )
        owner.last = owner.world.log.add(interval)
