"""Multicast: one message of the server to several clients at once.

It is one flow over the links to all receivers (`Network.tree`), each of which carries its bytes once.
Every receiver gets the message after the propagation delay of its own route. No connection is opened for
it, and the transport does not cap it. To a single receiver, it is an ordinary message.

A receiver that is offline when the message is sent gets it by itself once it is back online, as does one
that goes offline before the last byte has left; the multicast to the others goes on.
"""

from collections.abc import Sequence
from typing import Any

import simpy

from cutlayer.sim.clock import Signal, call_after
from cutlayer.sim.endpoints.endpoint import DROPPED, Transfer
from cutlayer.sim.endpoints.payload import Payload, with_framing
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.log.intervals import NO_CAUSE
from cutlayer.sim.network import Flow


def multicast(
    senders: Sequence[ServerEndpoint], payloads: Sequence[Payload]
) -> Sequence[simpy.Event]:
    """Send equal messages, one for each receiver, in a method with rounds.

    `senders` are the server's endpoints of the receivers, and the payloads differ only in their
    contents. Return an event for each receiver, which succeeds when its message's last byte has left.
    """
    assert len(set(payloads)) == 1, "a multicast has one message for all receivers"
    pairs = list(zip(senders, payloads, strict=True))
    online = [pair for pair in pairs if not pair[0].offline]
    if len(online) <= 1:
        return [sender.send(payload) for sender, payload in pairs]
    branches = iter(_Multicast(online).branches)
    return [
        sender.send(payload) if sender.offline else next(branches).left_event
        for sender, payload in pairs
    ]


class _Multicast:
    """One flow and its branches, which leave it when their receivers go offline."""

    def __init__(self, pairs: Sequence[tuple[ServerEndpoint, Payload]]) -> None:
        self.world = world = pairs[0][0].world
        self.branches = [_Branch(self, sender, payload) for sender, payload in pairs]
        self.wire_bytes = self.branches[0].message.wire_bytes
        world.log.bytes_sent += self.wire_bytes
        routes = [branch.channel.route.index for branch in self.branches]
        self.flow: Flow = world.network.start(world.network.tree(routes), self.wire_bytes)
        call_after(self.flow.done, self._left)

    def _left(self, _: Any) -> None:
        carrier = NO_CAUSE
        for branch in tuple(self.branches):
            carrier = branch.logged(carrier)

    def leave(self, branch: "_Branch") -> None:
        """Take a receiver out; without any, the flow is cancelled and its bytes are dropped."""
        self.branches.remove(branch)
        if self.branches:
            return
        log, network = self.world.log, self.world.network
        sent = max(0, min(self.wire_bytes, round(self.wire_bytes - network.cancel(self.flow))))
        log.bytes_sent -= self.wire_bytes - sent
        log.bytes_dropped += sent
        if self.flow.start_s == self.flow.start_s:  # not NaN: it has begun to be sent
            branch.log_dropped(sent)


class _Branch(Transfer):
    """The part of one receiver. The first branch's row has the bytes, the others are its copies."""

    __slots__ = ("left_event", "of")

    def __init__(self, of: _Multicast, sender: ServerEndpoint, payload: Payload) -> None:
        world = sender.world
        message = payload if world.framing == 1.0 else with_framing(payload, world.framing)
        self.left_event = Signal(world.clock)
        super().__init__(sender, message, payload, self.left_event)
        self.of: _Multicast | None = of
        self.start, self.cause = world.clock.now, sender.last
        if sender.interruptible:
            sender.under_way[self] = None

    def logged(self, carrier: int) -> int:
        """Log the branch and deliver its message; return the row with the bytes."""
        assert self.of is not None
        sender, message, world = self.sender, self.message, self.sender.world
        now, first = world.clock.now, carrier == NO_CAUSE
        if self.of.flow.start_s > self.start:  # it waited behind an earlier multicast
            self.start, self.cause = self.of.flow.start_s, self.channel.latest
        delay = self.channel.delay(now)
        sizes = (message.wire_bytes, message.payload_bytes) if first else (0, 0)
        self.row = self.channel.latest = world.log.add(self._interval(now, *sizes, delay=delay))
        if not first:
            world.log.copies[self.row] = carrier
        elif message.parts:
            world.log.parts[self.row] = message.parts
        sender.last = self.row
        if delay > 0:
            call_after(world.clock.timeout(delay), lambda _: self._arrive(first))
        else:
            self._arrive(first)
        self.left_event.happen()
        return self.row if first else carrier

    def _arrive(self, first: bool) -> None:
        self.sender.deliver(self)
        if not first:
            self.sender.world.log.bytes_delivered -= self.message.wire_bytes  # counted once

    def log_dropped(self, sent: int) -> None:
        """Log the bytes that were sent in vain."""
        now = self.sender.world.clock.now
        row = self.sender.world.log.add(self._interval(now, sent, dropped=DROPPED))
        self.sender.last = self.channel.latest = row

    def begin(self) -> Flow:
        """Send the message to this receiver by itself, after it has left the multicast."""
        self.sender.will_send()
        return super().begin()

    def abort(self) -> None:
        """Leave the multicast, or stop sending by itself."""
        if self.of is None:
            super().abort()
        else:
            of, self.of = self.of, None
            of.leave(self)

    def drop(self) -> None:
        """Discard a message that has left and has not arrived; a copy has no bytes of its own."""
        super().drop()
        log = self.sender.world.log
        if self.row in log.copies:
            log.bytes_dropped -= self.message.wire_bytes
