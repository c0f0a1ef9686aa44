"""FedOptima, asynchronous split learning from a queue of activations (arXiv 2504.13850).

Known from the abstract: devices train with auxiliary networks and are aggregated asynchronously; the
server trains one model centrally, on activations in an order that balances the devices' contributions,
in a limited memory. Everything else is a choice made here: an option, or said in the docs.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import simpy
from pydantic import Field

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.fields import Count
from cutlayer.sim.codecs.codecs import OF_WEIGHTS
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.payload import Payload
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.deferred import activation_steps as operations
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.log.intervals import NO_CAUSE, Activity
from cutlayer.sim.methods.activation_queue import ActivationQueue
from cutlayer.sim.methods.asynchronous import AsyncOptions
from cutlayer.sim.methods.method import MethodOptions, Process, ServerLoad
from cutlayer.sim.methods.run_block import RunBlockMethod
from cutlayer.sim.methods.update import Update


class FedOptimaOptions(AsyncOptions):
    """The cap and the scheduler of the queue, and the mixing rate of device blocks."""

    queue_cap: Count | None = Field(
        None,
        description=(
            "activations that wait, are trained or are on their way to the server, at most;"
            " null: two for each client in flight"
        ),
    )
    scheduler: Literal["balanced", "arrival"] = Field(
        "balanced",
        description=(
            "whose activation is sent and trained next: of the client with fewest so far (balanced),"
            " or in the order of arrival (arrival)"
        ),
    )
    rate: float = Field(
        0.6,
        gt=0,
        le=1,
        strict=False,
        description="share of a fresh update in the next device block and head (alpha)",
    )


class QueuedActivation(NamedTuple):
    """An activation in the queue: its client's endpoint as it was at the arrival, and its batch."""

    server: ServerEndpoint
    batch: Batch
    arrived_s: float
    upload: Payload


class FedOptima(RunBlockMethod):
    """Local loss without barriers: devices never wait for gradients, the server never for a device.

    A device trains its block with an auxiliary head, and may send the activation of a batch once the
    server has granted it room in the queue; without room it waits, before its next batch. The server
    block steps on one activation of the queue after another. A device block and head are mixed into the
    shared ones as they arrive, as in FedAsync.

    The server block and its optimizer live as long as the run; the learning rate follows the schedule
    by version. Its steps never overlap, and their order is part of the learning digest.
    """

    name = "fedoptima"
    summary = (
        "asynchronous local_loss: the server block trains on a queue of activations (FedOptima)"
    )
    Options: ClassVar[type[MethodOptions]] = FedOptimaOptions
    parts = ("device", "head")
    needs_both_blocks = True
    sends = ("up", *OF_WEIGHTS)

    options: FedOptimaOptions

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        cap = options.queue_cap or 2 * self.in_flight
        self.queue = ActivationQueue(world.clock, cap, balanced=options.scheduler == "balanced")
        self.training = False

    @classmethod
    def server_batches(cls, options: Any, load: ServerLoad) -> list[int]:  # noqa: ARG003
        """Return the largest batch, of which one is trained at a time."""
        return [min(load.batch_size, load.held[0])]

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of a full queue."""
        cap = options.queue_cap or 2 * (options.in_flight or load.participants)
        each = FLOAT_BYTES * load.values + load.label_bytes
        return int(cap * min(load.batch_size, load.held[0]) * each)

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options that affect learning; the order of the steps tells those of the queue."""
        kept = super().learning_options(options)
        order = ("queue_cap", "scheduler")
        return {name: value for name, value in kept.items() if name not in order}

    def device(self, device: DeviceEndpoint, update: Update) -> Process:  # noqa: ARG002
        """Train block and head on every batch, and send its activation when there is room for it."""
        yield from device.receive_weights()
        for batch in device.batches:
            activation = yield device.train_local(batch)
            yield device.receive()
            yield device.send(activation)
        yield from device.send_weights("device", "head")

    def server(self, server: ServerEndpoint, update: Update) -> Process:
        """Grant room in the queue for one activation of the client after another."""
        self.group.join(update.chain)
        yield from server.send_weights("device", "head")
        for batch in server.batches:
            request = self.queue.reserve(update.client)
            try:
                row = yield request.granted
                if row != NO_CAUSE:
                    server.last = row
                yield server.send(wire.control())
                upload = yield server.receive()
            except simpy.Interrupt:  # the client dropped out
                self.queue.withdraw(request, server.last)
                raise
            self.keep(server, update, batch, upload)
        yield from server.receive_weights()

    def keep(self, server: ServerEndpoint, update: Update, batch: Batch, upload: Payload) -> None:
        """Put an activation into the queue, and begin to train if the server block is idle."""
        stepping = ServerEndpoint(self.world, server.client, server.member, update.chain)
        stepping.last = server.last
        now = self.world.clock.now
        self.queue.put(update.client, QueuedActivation(stepping, batch, now, upload))
        if not self.training:
            self.training = True
            self.world.clock.process(self.train())

    def train(self) -> Process:
        """Step on the activations of the queue, one after another, until none waits."""
        recipe = self.world.learning.recipe
        while (one := self.queue.take()) is not None:
            work = one.server.server_work.train_detached(one.batch.size, one.upload.bits)
            work = one.server.with_codecs(work, one.upload)
            yield one.server.compute(work, Activity.TRAIN, arrival=one.arrived_s)
            self.group.record_order(one.server.client.index, self.version)
            rate = recipe.rate(self.version)
            self.group.trunk.do(operations.step_at, rate, one.upload)
            self.queue.free(one.server.last)
        self.training = False

    def arrived(self, update: Update) -> Process:
        """Mix the device block and head into the shared ones; stale updates have smaller weights."""
        yield self.aggregate([update])
        rate = self.options.rate * self.staleness_weight(update)
        self.fold([update], weights=[rate], total=1.0)
        self.publish_at_close()
