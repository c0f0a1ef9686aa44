"""The ends of connections: a mailbox, channels to other ends, and transfers."""

from collections import deque
from math import nan
from typing import Any, Final

import simpy

from cutlayer.sim.clock import Signal, call_after
from cutlayer.sim.endpoints.nodes import Channel
from cutlayer.sim.endpoints.payload import Payload, with_framing
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.intervals import NO_CAUSE, Activity, Interval, Phase
from cutlayer.sim.network import Flow

DROPPED: Final = 1  # in the column `dropped` of the log


class Endpoint:
    """One end of a connection; its messages are in one `phase`, to or from the server.

    `last` is the row of the log that ended last at this end. If a client can leave the round
    (`interruptible`), `under_way` holds its transfers that have not arrived, and `held` those that wait
    until it is back online; once it is `done` it can no longer leave. At most `outstanding_limit`
    messages are being sent or wait to be sent.
    """

    phase: Phase
    peer: "Endpoint"
    process: simpy.Process | None = None

    def __init__(self, world: World, channel: Channel) -> None:
        self.world = world
        self.channel = channel
        self.last = NO_CAUSE
        self.busy_until = 0.0
        self.mailbox = Mailbox(world.clock)
        self.interruptible = False
        self.offline = False
        self.dropped = False
        self.done = False
        self.under_way: dict[Transfer, None] = {}
        self.held: list[Transfer] = []
        self.outstanding_limit = world.uploads_outstanding
        self._outstanding = 0
        self._room: simpy.Event | None = None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels on which it sends."""
        return (self.channel,)

    def channel_of(self, message: Payload) -> Channel:  # noqa: ARG002
        """Return the channel on which a message is sent."""
        return self.channel

    @property
    def working(self) -> bool:
        """Whether its process has begun and not ended."""
        return self.process is not None and self.process.is_alive

    def computes(self, now: float) -> bool:
        """Return whether its latest interval has not ended: it computes while it sends."""
        return self.world.log.end_s(self.last) > now

    def receive(self) -> simpy.Event:
        """Wait for the next message of the peer; the event's value is its payload."""
        return self.mailbox.get()

    def send(self, payload: Payload) -> simpy.Event:
        """Send a payload, which the peer receives; the event succeeds when its last byte has left.

        With more than one upload outstanding, it succeeds as soon as the next message may be sent.
        """
        world = self.world
        message = payload if world.framing == 1.0 else with_framing(payload, world.framing)
        left = self._start(message, payload)
        limit = self.outstanding_limit
        if limit == 1:
            return left
        self.will_send()
        room = world.clock.event()
        if self._outstanding < limit:
            room.succeed()
        else:
            self._room = room
        return room

    def _start(self, message: Payload, content: Payload) -> simpy.Event:
        """Begin a transfer, or hold it while the client is offline; the event succeeds when it left."""
        if not self.interruptible:
            return Transfer(self, message, content, None).begin().done
        left = Signal(self.world.clock)
        transfer = Transfer(self, message, content, left)
        self.under_way[transfer] = None
        if self.offline:
            transfer.cause = self.last
            self.held.append(transfer)
        else:
            transfer.begin()
        return left

    def will_send(self) -> None:
        """Count a message that is being sent or waits to be."""
        self._outstanding += self.outstanding_limit > 1

    def has_sent(self, row: int) -> None:
        """Continue after the transfer that is logged as `row`: its last byte has left."""
        if self.outstanding_limit == 1:
            self.last = row
            return
        self._outstanding -= 1
        if self._room is not None:
            room, self._room = self._room, None
            self.last = row
            room.succeed()

    def deliver(self, transfer: "Transfer") -> None:
        """Hand the content of a transfer that has arrived to the peer."""
        if self.interruptible:
            if self.dropped:
                return
            del self.under_way[transfer]
        self.world.log.bytes_delivered += transfer.message.wire_bytes
        if self.peer.mailbox.put(transfer.content):
            self.peer.last = transfer.row


class Transfer:
    """The transfer of one message, from `begin` to its arrival; `sent` succeeds when it has left.

    It is logged when its last byte has left, and delivered one propagation delay later. Under TCP the
    set-up of the connection comes first and has a row of its own. If the client disconnects before the
    message has arrived, the bytes already sent are logged as dropped.
    """

    __slots__ = ("cause", "channel", "content", "flow", "message", "row", "sender", "sent", "start")

    flow: Flow

    def __init__(
        self, sender: Endpoint, message: Payload, content: Payload, sent: Signal | None
    ) -> None:
        self.sender = sender
        self.channel = sender.channel_of(message)
        self.message = message
        self.content = content
        self.sent = sent

    def begin(self) -> Flow:
        """Hand the message to the network."""
        sender = self.sender
        world = sender.world
        self.start = world.clock.now
        self.cause = sender.last
        world.log.bytes_sent += self.message.wire_bytes
        self.flow = world.network.start(self.channel.route.index, self.message.wire_bytes)
        call_after(self.flow.done, self._left)
        return self.flow

    def _left(self, _: Any) -> None:
        sender, message, world = self.sender, self.message, self.sender.world
        now = world.clock.now
        self._begin_when_sent(now)
        delay = self.channel.delay(now)
        self.row = self.channel.latest = world.log.add(
            self._interval(now, message.wire_bytes, message.payload_bytes, delay=delay)
        )
        if message.parts:
            world.log.parts[self.row] = message.parts
        sender.has_sent(self.row)
        if delay > 0:
            call_after(world.clock.timeout(delay), lambda _: sender.deliver(self))
        else:
            sender.deliver(self)
        if self.sent is not None:
            self.sent.happen()

    def _begin_when_sent(self, now: float) -> None:
        """Move the start of the interval to the first byte; log the set-up of the connection."""
        world = self.sender.world
        if self.flow.start_s > self.start:  # it waited behind an earlier message of its connection
            self.start, self.cause = self.flow.start_s, self.channel.latest
        if world.transport is not None:
            opened = min(now, world.transport.opened_s(self.channel.route.index))
            if opened > self.start:
                self.cause = world.log.add(self._interval(opened, activity=Activity.CONNECT))
                self.start = opened

    def _interval(
        self,
        end: float,
        wire_bytes: int = 0,
        payload_bytes: int = 0,
        *,
        activity: Activity | None = None,
        delay: float = 0.0,
        dropped: int = 0,
    ) -> Interval:
        return Interval(
            self.start,
            end,
            self.channel.actor,
            self.sender.phase,
            self.channel.peer,
            self.message.activity if activity is None else activity,
            self.cause,
            wire_bytes,
            payload_bytes,
            delay=delay,
            dropped=dropped,
        )

    @property
    def left(self) -> bool:
        """Whether its last byte has left the sender."""
        return hasattr(self, "row")

    def abort(self) -> None:
        """Stop sending; log the bytes already sent as dropped."""
        sender = self.sender
        world, log = sender.world, sender.world.log
        remaining = world.network.cancel(self.flow)
        sent = max(0, min(self.message.wire_bytes, round(self.message.wire_bytes - remaining)))
        log.bytes_sent -= self.message.wire_bytes - sent
        log.bytes_dropped += sent
        if self.flow.start_s == self.flow.start_s:  # not NaN: it has begun to be sent
            now = world.clock.now
            self._begin_when_sent(now)
            row = log.add(self._interval(now, sent, dropped=DROPPED))
            self.cause = self.channel.latest = row
            if not sender.computes(now):
                sender.last = row

    def drop(self) -> None:
        """Discard a message that has left and has not arrived."""
        log = self.sender.world.log
        log.bytes_dropped += self.message.wire_bytes
        log.parts.pop(self.row, None)
        log.change(self.row, lambda row: row._replace(payload_bytes=0, delay=0.0, dropped=DROPPED))


class Mailbox:
    """Messages that have arrived at an endpoint, in order; at most one receiver waits.

    `first_s` is when the first of them arrived, NaN before.
    """

    __slots__ = ("_contents", "_env", "_waiting", "first_s")

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._contents: deque[Any] = deque()
        self._waiting: simpy.Event | None = None
        self.first_s = nan

    def put(self, content: Payload) -> bool:
        """Deliver a content; return whether a receiver was waiting for it."""
        if self.first_s != self.first_s:
            self.first_s = self._env.now
        if self._waiting is None:
            self._contents.append(content)
            return False
        waiting, self._waiting = self._waiting, None
        waiting.succeed(content)
        return True

    def get(self) -> simpy.Event:
        """Return an event that succeeds with the content of the next message."""
        event = self._env.event()
        if self._contents:
            event.succeed(self._contents.popleft())
        else:
            assert self._waiting is None, "two receivers wait at one endpoint"
            self._waiting = event
        return event
