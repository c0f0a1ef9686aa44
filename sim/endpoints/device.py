"""The device's end of a client's round."""

from typing import Any, Final

import simpy

from cutlayer.errors import UserError
from cutlayer.sim.compute.stage import NO_WORK, Work
from cutlayer.sim.compute.work import DeviceWork
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.fleet import Client
from cutlayer.sim.endpoints.micro_batch import MicroBatch
from cutlayer.sim.endpoints.nodes import Node
from cutlayer.sim.endpoints.payload import Payload, activation
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Batch, Chain, TensorRef
from cutlayer.sim.learning.deferred import auxiliary, codec_operations, operations
from cutlayer.sim.log.intervals import NO_CAUSE, Activity, Interval, Phase

OVERLAPPING: Final = 2  # messages on their way or waiting, of a device that computes while it sends
Process = simpy.events.ProcessGenerator
# Training with an auxiliary head: is it aligned, and is the activation sent?
_LOCAL: Final = {
    (False, True): operations.train_local,
    (False, False): auxiliary.train_local_only,
    (True, True): auxiliary.train_aligned,
    (True, False): auxiliary.train_aligned_only,
}


class PartialModelError(UserError):
    """A method trains the whole model on a device that has only its first blocks."""


class DeviceEndpoint(ClientEndpoint):
    """A client's device during a round."""

    phase = Phase.UPLINK

    def __init__(
        self,
        world: World,
        client: Client,
        member: int,
        chain: Chain,
        node: Node | None = None,
        averaging_node: Node | None = None,
    ) -> None:
        super().__init__(world, client, member, chain, node, averaging_node)
        self.computed = NO_CAUSE  # the row of its latest computation
        self.computing_until = 0.0
        self.computing_s = 0.0  # of all computations
        world.fleet.begin_round(client.index, chain.round_index)
        self.variability = world.fleet.variability(client.index, chain.round_index)
        settings = world.fleet.variability_settings.get(client.index)
        if settings is not None and settings.overlap:
            self.outstanding_limit = max(OVERLAPPING, self.outstanding_limit)

    @property
    def own_work(self) -> DeviceWork:
        """The work of the device's operations."""
        return self.work

    def compute(
        self, work: Work, activity: Activity, value: Any = None, *, batch: Batch | None = None
    ) -> simpy.Event:
        """Compute `work`, which includes loading `batch` if given; the event's value is `value`.

        If the value is a payload that a codec encodes, its encoding is added to the work.
        """
        clock, member = self.world.clock, self.member
        now = clock.now
        if isinstance(value, Payload) and value.coding is not None:
            work += self.work.encoding(value.coding)
        if self.variability is not None:
            if batch is None:
                work = self.variability.of(work, now)
            else:
                work = self.variability.of_batch(work, self.work.load(batch.size), now)
        end = self.computing_until = now + work.seconds
        self.computing_s += work.seconds
        self.last = self.computed = self.world.log.add(
            Interval(
                now,
                end,
                member,
                Phase.DEVICE_COMPUTE,
                member,
                activity,
                self.last,
                flops=work.flops,
            )
        )
        return clock.timeout(work.seconds, value)

    def after_overhead(self, process: Process) -> Process:
        """Run the process of the device after the overhead of a round."""
        seconds = self.client.profile.round_overhead_s
        if seconds > 0:
            yield self.compute(Work(seconds, 0.0), Activity.LOAD)
        yield from process

    def stop_computing(self, now: float) -> None:
        """End the interval of the current computation at `now`."""

        def cut_off(row: Interval) -> Interval:
            done = row.flops * (now - row.start) / (row.end - row.start)
            return row._replace(end=now, flops=done)

        if self.computing_until > now:
            self.world.log.change(self.computed, cut_off)

    def activation(
        self, batch: Batch, result: TensorRef | None, bits: int | None = None
    ) -> Payload:
        """Return the activation (of `bits` bits) and labels of a batch, which an operation returned."""
        payload = activation(self.costs.activation_shape, batch.size, bits, self.costs.label)
        return self.transmitted("up", batch, payload, result)

    def decoding(self, gradient: Payload) -> Work:
        """Return the work of decoding a gradient."""
        return NO_WORK if gradient.coding is None else self.work.decoding(gradient.coding)

    def adjusted(self, batch: Batch, gradient: Payload) -> Payload:
        """Return the gradient of an activation for the backward pass, given that of what was sent.

        If the codec does not send all values, the gradient of the others is zero.
        """
        up = self.world.codecs.of("up")
        if up is None or not (up.masks or up.corrects):
            return gradient
        return gradient.holding(self.chain.do(codec_operations.adjust, batch, gradient))

    def load(self, batch: Batch) -> simpy.Event:
        """Load a batch without training on it."""
        return self.compute(self.work.load(batch.size), Activity.LOAD, batch=batch)

    def train_whole(self, batch: Batch) -> simpy.Event:
        """Train the whole model on a batch (loader, forward, backward, step).

        Raises PartialModelError unless the method puts all blocks on the device.
        """
        self._check_whole()
        self.chain.do(operations.train_whole, self.client.index, batch)
        return self.compute(self.work.train(batch.size), Activity.TRAIN, batch=batch)

    def _check_whole(self) -> None:
        """Check that the costs of the device block are those of the whole model."""
        if self.costs.parameters["server"]:
            raise PartialModelError(
                f"a device trains the whole model and has the blocks up to cut {self.cut} only: derive"
                " the method from WholeModel, or return `last` from its `cut`"
            )

    def train_proximal(self, batch: Batch, mu: float) -> simpy.Event:
        """Train the whole model on a batch with FedProx's proximal term; 0 is `train_whole`."""
        self._check_whole()
        if mu == 0:
            return self.train_whole(batch)
        self.chain.do(operations.train_proximal, self.client.index, batch, mu)
        work = self.work.train_proximal(batch.size)
        return self.compute(work, Activity.TRAIN, batch=batch)

    def forward(self, batch: Batch) -> simpy.Event:
        """Load a batch and run the device block forward; value: its activation."""
        upload = self.chain.do(operations.forward, self.client.index, batch)
        work, payload = self.work.forward(batch.size), self.activation(batch, upload)
        return self.compute(work, Activity.FORWARD, payload, batch=batch)

    def backward(self, batch: Batch, gradient: Payload, *earlier: Payload) -> simpy.Event:
        """Run the device block backward from the server's gradient, and step.

        `earlier` are messages with other parts of the gradient, whose content the last one has.
        """
        self.chain.do(operations.backward, batch, self.adjusted(batch, gradient))
        work = self.work.backward(batch.size)
        for message in (gradient, *earlier):
            work += self.decoding(message)
        return self.compute(work, Activity.BACKWARD)

    def forward_part(self, batch: Batch, part: MicroBatch) -> simpy.Event:
        """Run the device block forward on a micro-batch, the first after loading its batch.

        Value: its activation. The tensors are those of the whole batch, and go with the last part.
        """
        if part.whole:
            return self.forward(batch)
        upload = self.chain.do(operations.forward, self.client.index, batch) if part.last else None
        work, payload = self.work.block.forward(part.size), self.activation(part.of(batch), upload)
        if not part.first:
            return self.compute(work, Activity.FORWARD, payload)
        work = self.work.load(batch.size) + work
        return self.compute(work, Activity.FORWARD, payload, batch=batch)

    def backward_part(self, batch: Batch, part: MicroBatch, gradient: Payload) -> simpy.Event:
        """Run the device block backward on a micro-batch; step after the last one of its batch."""
        if part.whole:
            return self.backward(batch, gradient)
        work = self.work.block.backward(part.size) + self.decoding(gradient)
        if part.last:
            self.chain.do(operations.backward, batch, self.adjusted(batch, gradient))
            work += self.work.block.step()
        return self.compute(work, Activity.BACKWARD)

    def train_local(
        self, batch: Batch, *, aligned: bool = False, uploads: bool = True
    ) -> simpy.Event:
        """Train the device block by means of its auxiliary head; value: the activation, if it `uploads`.

        The head trains on its own loss too, unless it is `aligned` with the server's gradients.
        """
        operation = _LOCAL[aligned, uploads]
        result = self.chain.do(operation, self.client.index, batch)
        work = self.work.train_aligned(batch.size) if aligned else self.work.train(batch.size)
        payload = self.activation(batch, result) if uploads else None
        return self.compute(work, Activity.TRAIN, payload, batch=batch)

    def forward_frozen(self, batch: Batch, bits: int | None) -> simpy.Event:
        """Run the frozen device block on a batch and quantise; value: the activation."""
        upload = self.chain.do(operations.forward_frozen, self.client.index, batch, bits)
        work = self.work.forward_frozen(batch.size, bits)
        payload = self.activation(batch, upload, bits)
        return self.compute(work, Activity.FORWARD, payload, batch=batch)
