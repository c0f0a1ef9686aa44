"""The two ends of a client's round: what a method tells its device and its server side to do.

Each operation goes two ways at once. The clock: it takes time on a processor or a path, and leaves a
row in the log. The learning: it is issued on the client's chain and performed there in that order. An
operation returns an event to `yield`; the event's value is a handle for the tensors, never the tensors.
"""

from collections import deque
from typing import Any, ClassVar

import simpy

from sim.compute import Work
from sim.learning import operations
from sim.learning.chain import Batch, Chain
from sim.log import NO_CAUSE, SERVER, Kind, Label
from sim.wire import Message
from sim.world import Client, World


class Mailbox:
    """Messages that have arrived at one side, in order; at most one receiver waits."""

    __slots__ = ("_contents", "_env", "_waiting")

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._contents: deque[Any] = deque()
        self._waiting: simpy.Event | None = None

    def put(self, content: Any) -> bool:
        """Deliver; returns whether somebody was waiting for it."""
        if self._waiting is None:
            self._contents.append(content)
            return False
        waiting, self._waiting = self._waiting, None
        waiting.succeed(content)
        return True

    def get(self) -> simpy.Event:
        """Return an event that succeeds with the next message's content."""
        event = self._env.event()
        if self._contents:
            event.succeed(self._contents.popleft())
        else:
            assert self._waiting is None, "two receivers wait at one side"
            self._waiting = event
        return event


class Side:
    """One end: where it is in the log (`last`, the row it just ended), its mailbox and its peer."""

    kind: ClassVar[Kind]
    peer: "Side"

    def __init__(self, world: World, client: Client, slot: int, chain: Chain) -> None:
        self.world = world
        self.client = client
        self.slot = slot
        self.chain = chain
        self.last = NO_CAUSE
        self.mailbox = Mailbox(world.clock)
        self._outstanding = 0
        self._room: simpy.Event | None = None
        self._sent = NO_CAUSE

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
        route = self.client.up if self.kind == Kind.UPLINK else self.client.down
        flow = self.world.network.start(route, message.wire_bytes)
        self.world.bytes_sent += message.wire_bytes
        limit = self.world.uploads_outstanding
        transfer = _Transfer(self, message, content, flow)
        flow.done.callbacks.append(transfer)
        if limit == 1:
            return flow.done
        self._outstanding += 1
        room = self.world.clock.event()
        if self._outstanding < limit:
            room.succeed()
        else:
            self._room = room
        return room

    def sent(self, row: int) -> None:
        """Take note that the message logged as `row` has left."""
        self._sent = row
        if self.world.uploads_outstanding == 1:
            self.last = row
            return
        self._outstanding -= 1
        if self._room is not None:
            room, self._room = self._room, None
            self.last = row
            room.succeed()


class _Transfer:
    """A message on its way: logs it when it has left, delivers it one propagation delay later."""

    __slots__ = ("cause", "content", "flow", "message", "row", "side", "start")

    def __init__(self, side: Side, message: Message, content: Any, flow: Any) -> None:
        self.side = side
        self.message = message
        self.content = content
        self.flow = flow
        self.start = side.world.clock.now
        self.cause = side.last

    def __call__(self, _: Any) -> None:
        side, message = self.side, self.message
        world = side.world
        if self.flow.start_s > self.start:  # it waited behind an earlier message of its connection
            self.start, self.cause = self.flow.start_s, side._sent
        up = side.kind == Kind.UPLINK
        rows = world.rows
        self.row = len(rows)
        rows.append(
            (
                self.start,
                world.clock.now,
                side.slot if up else SERVER,
                side.kind,
                SERVER if up else side.slot,
                message.wire_bytes,
                message.payload_bytes,
                0.0,
                message.label,
                self.cause,
            )
        )
        side.sent(self.row)
        delay = side.client.up_delay_s if up else side.client.down_delay_s
        if delay > 0:
            timer = world.clock.timeout(delay)
            assert timer.callbacks is not None
            timer.callbacks.append(self._deliver)
        else:
            self._deliver(None)

    def _deliver(self, _: Any) -> None:
        peer = self.side.peer
        self.side.world.bytes_delivered += self.message.wire_bytes
        if peer.mailbox.put(self.content):
            peer.last = self.row


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
            )
        )
        self.last = len(rows) - 1
        return world.clock.timeout(work.seconds, value)

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

    __slots__ = ("arrival", "label", "side", "work")

    def __init__(self, side: ServerSide, work: Work, label: Label) -> None:
        self.side = side
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
                )
            )
            side.last = len(rows) - 1
        end = now + self.work.seconds
        flops = self.work.flops
        rows.append(
            (now, end, SERVER, Kind.SERVER_COMPUTE, slot, 0, 0, flops, self.label, side.last)
        )
        side.last = len(rows) - 1
