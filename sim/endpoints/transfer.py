"""A message on its way from one endpoint of a client's round to the other.

It is logged when its last byte has left, and is delivered one propagation delay later. Under TCP the
interval begins with the set-up of its connection, which is a row of its own. If the client's
connection breaks in between, what had been sent is logged as dropped.
"""

from typing import TYPE_CHECKING, Any, Final

import simpy

from cutlayer.sim.endpoints.message import Message
from cutlayer.sim.log.intervals import SERVER, Activity, Interval, Phase
from cutlayer.sim.network import Flow

if TYPE_CHECKING:
    from cutlayer.sim.endpoints.endpoint import Endpoint

DELIVERED: Final = 0
DROPPED: Final = 1


class Delivery:
    """One message's transfer, from `begin` to its arrival; `sent` succeeds when it has left."""

    __slots__ = ("cause", "content", "endpoint", "flow", "message", "row", "sent", "start")

    flow: Flow

    def __init__(
        self, endpoint: "Endpoint", message: Message, content: Any, sent: simpy.Event | None
    ) -> None:
        self.endpoint = endpoint
        self.message = message
        self.content = content
        self.sent = sent

    def begin(self) -> Flow:
        """Hand the message to the network."""
        endpoint = self.endpoint
        self.start = endpoint.world.clock.now
        self.cause = endpoint.last
        endpoint.world.bytes_sent += self.message.wire_bytes
        self.flow = endpoint.world.network.start(endpoint.route, self.message.wire_bytes)
        assert self.flow.done.callbacks is not None
        self.flow.done.callbacks.append(self._left)
        return self.flow

    def _left(self, _: Any) -> None:
        endpoint, message = self.endpoint, self.message
        world = endpoint.world
        now = world.clock.now
        if self.flow.start_s > self.start:  # it waited behind an earlier message of its connection
            self.start, self.cause = self.flow.start_s, endpoint.latest
        if world.transport is not None:
            self._log_set_up(now)
        travel = endpoint.propagation
        delay = endpoint.delay_s if travel is None else travel.delay_s(now)
        self.row = len(world.rows)
        world.rows.append(
            self._interval(now, message.wire_bytes, message.payload_bytes, delay=delay)
        )
        endpoint.has_sent(self.row)
        if self.sent is not None:
            self.sent.succeed()
        if delay > 0:
            timer = world.clock.timeout(delay)
            assert timer.callbacks is not None
            timer.callbacks.append(self._arrive)
        else:
            self._arrive(None)

    def _log_set_up(self, now: float) -> None:
        """Log the interval in which the connection was being opened, if there was one."""
        endpoint = self.endpoint
        assert endpoint.world.transport is not None
        opened = min(now, endpoint.world.transport.opened_s(endpoint.route))
        if opened > self.start:
            rows = endpoint.world.rows
            rows.append(self._interval(opened, activity=Activity.CONNECT))
            self.start, self.cause = opened, len(rows) - 1

    def _interval(
        self,
        end: float,
        wire_bytes: int = 0,
        payload_bytes: int = 0,
        *,
        activity: Activity | None = None,
        delay: float = 0.0,
        dropped: int = DELIVERED,
    ) -> Interval:
        endpoint = self.endpoint
        up = endpoint.phase == Phase.UPLINK
        return Interval(
            self.start,
            end,
            endpoint.member if up else SERVER,
            endpoint.phase,
            SERVER if up else endpoint.member,
            self.message.activity if activity is None else activity,
            self.cause,
            wire_bytes,
            payload_bytes,
            delay=delay,
            dropped=dropped,
        )

    def _arrive(self, _: Any) -> None:
        endpoint = self.endpoint
        if endpoint.churn is not None and not endpoint.churn.arrives(self):
            return
        peer = endpoint.peer
        endpoint.world.bytes_delivered += self.message.wire_bytes
        if peer.mailbox.put(self.content):
            peer.last = self.row

    @property
    def left(self) -> bool:
        """Whether its last byte has left the sender."""
        return hasattr(self, "row")

    def abort(self) -> None:
        """Stop sending; log what had been sent as dropped."""
        endpoint = self.endpoint
        world = endpoint.world
        remaining = world.network.cancel(self.flow)
        sent = max(0, min(self.message.wire_bytes, round(self.message.wire_bytes - remaining)))
        world.bytes_sent -= self.message.wire_bytes - sent
        world.bytes_dropped += sent
        if self.flow.start_s == self.flow.start_s:  # not NaN: it was no longer waiting for its turn
            now = world.clock.now
            if self.flow.start_s > self.start:
                self.start, self.cause = self.flow.start_s, endpoint.latest
            if world.transport is not None:
                self._log_set_up(now)
            world.rows.append(self._interval(now, sent, dropped=DROPPED))
            endpoint.last = endpoint.latest = len(world.rows) - 1

    def drop(self) -> None:
        """Lose a message that had left and has not arrived."""
        world = self.endpoint.world
        world.bytes_dropped += self.message.wire_bytes
        row = world.rows[self.row]
        world.rows[self.row] = row._replace(payload_bytes=0, delay=0.0, dropped=DROPPED)
