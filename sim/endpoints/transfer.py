"""One message on its way from an endpoint to its peer.

The transfer is logged when its last byte has left, and delivered one propagation delay later. Under TCP
the set-up of the connection comes first and has a row of its own. If the client disconnects before
the message has arrived, the bytes already sent are logged as dropped.
"""

from typing import Any, ClassVar, Final, Protocol

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.endpoints.message import Message
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.intervals import SERVER, Activity, Interval, Phase
from cutlayer.sim.network import Flow
from cutlayer.sim.network.propagation import Propagation

DROPPED: Final = 1  # in the column `dropped` of the log


class Sender(Protocol):
    """What a transfer uses of the endpoint that sends it."""

    phase: ClassVar[Phase]
    world: World
    member: int
    route: int
    delay_s: float
    propagation: Propagation | None
    last: int
    latest: int

    def has_sent(self, row: int) -> None:
        """Continue after the transfer that is logged as `row`: its last byte has left."""

    def deliver(self, transfer: "Transfer") -> None:
        """Hand the content of a transfer that has arrived to the peer."""


class Transfer:
    """The transfer of one message, from `begin` to its arrival; `sent` succeeds when it has left."""

    __slots__ = ("cause", "content", "flow", "message", "row", "sender", "sent", "start")

    flow: Flow

    def __init__(
        self, sender: Sender, message: Message, content: Any, sent: simpy.Event | None
    ) -> None:
        self.sender = sender
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
        self.flow = world.network.start(sender.route, self.message.wire_bytes)
        call_after(self.flow.done, self._left)
        return self.flow

    def _left(self, _: Any) -> None:
        sender, message, world = self.sender, self.message, self.sender.world
        now = world.clock.now
        self._begin_when_sent(now)
        delay = sender.delay_s if sender.propagation is None else sender.propagation.delay_s(now)
        self.row = world.log.add(
            self._interval(now, message.wire_bytes, message.payload_bytes, delay=delay)
        )
        sender.has_sent(self.row)
        if self.sent is not None:
            self.sent.succeed()
        if delay > 0:
            call_after(world.clock.timeout(delay), lambda _: sender.deliver(self))
        else:
            sender.deliver(self)

    def _begin_when_sent(self, now: float) -> None:
        """Move the start of the interval to the first byte; log the set-up of the connection."""
        sender, world = self.sender, self.sender.world
        if self.flow.start_s > self.start:  # it waited behind an earlier message of its connection
            self.start, self.cause = self.flow.start_s, sender.latest
        if world.transport is not None:
            opened = min(now, world.transport.opened_s(sender.route))
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
        sender = self.sender
        up = sender.phase == Phase.UPLINK
        return Interval(
            self.start,
            end,
            sender.member if up else SERVER,
            sender.phase,
            SERVER if up else sender.member,
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
        if self.flow.start_s == self.flow.start_s:  # not NaN: its turn on the connection had come
            now = world.clock.now
            self._begin_when_sent(now)
            sender.last = sender.latest = log.add(self._interval(now, sent, dropped=DROPPED))

    def drop(self) -> None:
        """Discard a message that has left and has not arrived."""
        log = self.sender.world.log
        log.bytes_dropped += self.message.wire_bytes
        row = log.rows[self.row]
        log.rows[self.row] = row._replace(payload_bytes=0, delay=0.0, dropped=DROPPED)
