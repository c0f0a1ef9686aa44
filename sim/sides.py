"""The two ends of a client's round: what a method tells its device and its server side to do.

Each operation goes two ways at once. The clock: it takes time on a processor or a path, and leaves a
row in the log. The learning: it is issued on the client's chain and performed there in that order. An
operation returns an event to `yield`; the event's value is a handle for the tensors, never the tensors.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import simpy

from sim.compute import Work
from sim.delivery import Delivery
from sim.learning import operations
from sim.learning.chain import Batch, Chain
from sim.log import NO_CAUSE, SERVER, Kind, Label
from sim.mailbox import Mailbox
from sim.wire import Message
from sim.world import Client, World

if TYPE_CHECKING:
    from sim.churn import Churn


class Side:
    """One end: where it is in the log (`last`, the row it just ended), its mailbox and its peer.

    `latest` is the row of its latest transfer. Where clients come and go, `under_way` holds what
    has not arrived yet, `held` what waits for the client to be back online.
    """

    kind: ClassVar[Kind]
    peer: "Side"

    def __init__(self, world: World, client: Client, slot: int, chain: Chain) -> None:
        self.world = world
        self.client = client
        self.slot = slot
        self.chain = chain
        self.last = NO_CAUSE
        self.latest = NO_CAUSE
        self.busy_until = 0.0
        self.mailbox = Mailbox(world.clock)
        self.churn: Churn | None = None
        self.offline = False
        self.under_way: dict[Delivery, None] = {}
        self.held: list[Delivery] = []
        up = self.kind == Kind.UPLINK
        self.route = client.up if up else client.down
        self.delay_s = client.up_delay_s if up else client.down_delay_s
        self.propagation = world.propagation(self.route, chain.round_index)
        self._outstanding = 0
        self._room: simpy.Event | None = None

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches of this client's round, over all local epochs."""
        return self.client.batches

    @property
    def first_epoch(self) -> tuple[Batch, ...]:
        """The batches of the first local epoch: every sample once."""
        return self.client.first_epoch

    def receive(self) -> simpy.Event:
        """Wait for the next message of the other side; the event's value is its content."""
        return self.mailbox.get()

    def send(self, message: Message, content: Any = None) -> simpy.Event:
        """Send a message; the event succeeds when its last byte has left.

        With more than one upload outstanding it succeeds as soon as another may be handed over.
        """
        world = self.world
        left = self._hand_over(message, content)
        limit = world.uploads_outstanding
        if limit == 1:
            return left
        self._outstanding += 1
        room = world.clock.event()
        if self._outstanding < limit:
            room.succeed()
        else:
            self._room = room
        return room

    def _hand_over(self, message: Message, content: Any) -> simpy.Event:
        """Begin the transfer, or hold it while the client is offline; when it leaves is an event."""
        if self.churn is None:
            return Delivery(self, message, content, None).begin().done
        left = self.world.clock.event()
        delivery = Delivery(self, message, content, left)
        self.under_way[delivery] = None
        if self.offline:
            self.held.append(delivery)
        else:
            delivery.begin()
        return left

    def has_sent(self, row: int) -> None:
        """Take note that the message logged as `row` has left."""
        self.latest = row
        if self.world.uploads_outstanding == 1:
            self.last = row
            return
        self._outstanding -= 1
        if self._room is not None:
            room, self._room = self._room, None
            self.last = row
            room.succeed()


class DeviceSide(Side):
    """A client's device during a round."""

    kind = Kind.UPLINK

    def compute(self, work: Work, label: Label, value: Any = None) -> simpy.Event:
        """Be busy for `work`; the event's value is `value`."""
        world = self.world
        now = world.clock.now
        rows = world.rows
        rows.append(
            (
                now,
                now + work.seconds,
                self.slot,
                Kind.DEVICE_COMPUTE,
                self.slot,
                0,
                0,
                work.flops,
                label,
                self.last,
                0.0,
                0,
            )
        )
        self.last = len(rows) - 1
        return world.clock.timeout(work.seconds, value)

    def stop_computing(self, now: float) -> None:
        """Cut off what the device computes at `now`: its row ends there."""
        rows = self.world.rows
        if self.last == NO_CAUSE:
            return
        row = rows[self.last]
        start, end, flops = row[0], row[1], row[7]
        if row[3] == Kind.DEVICE_COMPUTE and end > now:
            done = flops * (now - start) / (end - start)
            rows[self.last] = (start, now, *row[2:7], done, *row[8:])

    def load(self) -> simpy.Event:
        """Go through the data loader for one batch without training on it."""
        return self.compute(self.client.work.load(), Label.LOAD)

    def train_whole(self, batch: Batch) -> simpy.Event:
        """Train the whole network on a batch (loader, forward, backward, step)."""
        self.chain.do(operations.train_whole, self.client.index, batch)
        return self.compute(self.client.work.train(batch.size), Label.TRAIN)

    def forward(self, batch: Batch) -> simpy.Event:
        """Load a batch and run the device block forward; value: its activation."""
        upload = self.chain.do(operations.forward, self.client.index, batch)
        return self.compute(self.client.work.forward(batch.size), Label.FORWARD, upload)

    def backward(self, batch: Batch, gradient: Any) -> simpy.Event:
        """Run the device block backward from the gradient that came back, and step."""
        self.chain.do(operations.backward, batch, gradient)
        return self.compute(self.client.work.backward(batch.size), Label.BACKWARD)

    def train_local(self, batch: Batch) -> simpy.Event:
        """Train device block and auxiliary head by their local loss; value: the activation."""
        upload = self.chain.do(operations.train_local, self.client.index, batch)
        return self.compute(self.client.work.train(batch.size), Label.TRAIN, upload)

    def extract(self, batch: Batch, bits: int | None) -> simpy.Event:
        """Run the frozen device block on a batch and quantise; value: the activation."""
        upload = self.chain.do(operations.extract, self.client.index, batch, bits)
        return self.compute(self.client.work.extract(batch.size, bits), Label.FORWARD, upload)


class ServerSide(Side):
    """The server's replica for one client during a round."""

    kind = Kind.DOWNLINK

    def compute(self, work: Work, label: Label, value: Any = None) -> simpy.Event:
        """Queue for a slot and be busy there for `work`; the event's value is `value`."""
        job = _ServerJob(self, work, label)
        return self.world.server.submit(job, work.seconds, value)

    def serve(self, batch: Batch, upload: Any) -> simpy.Event:
        """Train the server block on an activation; value: the gradient to send back."""
        gradient = self.chain.do(operations.serve, upload)
        return self.compute(self.world.server_work.train(batch.size), Label.TRAIN, gradient)

    def learn(self, batch: Batch, upload: Any) -> simpy.Event:
        """Train the server block on an activation that needs no gradient."""
        self.chain.do(operations.learn, upload)
        return self.compute(self.world.server_work.learn(batch.size), Label.TRAIN)


class _ServerJob:
    """A job of the server's queue: logs its waiting and its running when it begins."""

    __slots__ = ("arrival", "label", "owner", "side", "work")

    def __init__(self, side: ServerSide, work: Work, label: Label) -> None:
        self.side = self.owner = side
        self.work = work
        self.label = label
        self.arrival = side.world.clock.now

    def began(self, now: float) -> None:
        """Log the interval in the queue, if there is one, and the interval on the slot."""
        side = self.side
        rows = side.world.rows
        slot = side.slot
        if now > self.arrival:
            rows.append(
                (
                    self.arrival,
                    now,
                    SERVER,
                    Kind.SERVER_QUEUE,
                    slot,
                    0,
                    0,
                    0.0,
                    self.label,
                    side.last,
                    0.0,
                    0,
                )
            )
            side.last = len(rows) - 1
        end = side.busy_until = now + self.work.seconds
        rows.append(
            (
                now,
                end,
                SERVER,
                Kind.SERVER_COMPUTE,
                slot,
                0,
                0,
                self.work.flops,
                self.label,
                side.last,
                0.0,
                0,
            )
        )
        side.last = len(rows) - 1
