"""Devices that come and go: who can take part, and what becomes of one that leaves in a round.

A client goes offline at any moment of its availability, not only between transfers. Its messages in
flight are then aborted and what had been sent of them is wasted. By its rule the client is `lost`
(it drops out of the round, its update with it) or it `resume`s: the device goes on computing, and
when it is back online its connection is opened anew and each broken message is sent again from its
first byte. A message whose last byte had left arrives where the client resumes, and is lost with the
client. The other side knows at once; not modelled: time-outs until a loss is noticed.

A method that ends a round before all clients are done cancels the others: what happens to such a client
is what happens to one that is lost, at a moment that the method chooses.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal, Protocol

import simpy

from cutlayer.sim.clock import Clock
from cutlayer.sim.endpoints.device import DeviceSide
from cutlayer.sim.endpoints.endpoint import Side
from cutlayer.sim.endpoints.server import ServerSide
from cutlayer.sim.endpoints.transfer import Delivery
from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Kind, Label, Row

OnLoss = Literal["lost", "resume"]
RESOLUTION_S: Final = 1e-9  # what is nearer than this in time is now

Process = simpy.events.ProcessGenerator


class Profile(Protocol):
    """1 where a client is online, 0 where it is offline."""

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at t (virtual seconds since the run began) and when it ends."""


@dataclass(frozen=True)
class Presence:
    """When a client is online, and what its going offline means in a round."""

    profile: Profile
    on_loss: OnLoss


@dataclass(eq=False)
class _Member:
    """A client in the current round; `since` is when it went offline."""

    presence: Presence | None
    device: DeviceSide
    server: ServerSide
    processes: list[simpy.Process] = field(default_factory=list)
    lost: bool = False


class Churn:
    """The presence of every client that is not always online, and the members of a round.

    With `cancels`, clients that are always online can be cancelled, too.
    """

    def __init__(
        self, clock: Clock, presences: Mapping[int, Presence], *, cancels: bool = False
    ) -> None:
        self._clock = clock
        self._presences = dict(presences)
        self._cancels = cancels
        self._members: dict[int, _Member] = {}
        self._told: Callable[[int], None] = lambda _: None

    def online(self, client: int) -> bool:
        """Return whether a client (by index) is online now."""
        presence = self._presences.get(client)
        return presence is None or presence.profile.piece(self._now())[0] > 0

    def wait_s(self, clients: Iterable[int]) -> float:
        """Return the seconds until the first of the clients is online; infinite for never."""
        wait = inf
        for client in clients:
            if self.online(client):
                return 0.0
            now, end = self._now(), 0.0
            value = 0.0
            profile = self._presences[client].profile
            at = now
            while value <= 0 and at < inf:
                value, end = profile.piece(at)
                if value <= 0:
                    at = end
            wait = min(wait, at - self._clock.elapsed_s)
        return wait

    def open_round(self, told: Callable[[int], None]) -> None:
        """Begin a round; `told` is called with the slot of every client that is lost in it."""
        self._members = {}
        self._told = told

    def join(self, device: DeviceSide, server: ServerSide) -> None:
        """Watch a client that takes part in the round."""
        presence = self._presences.get(device.client.index)
        if presence is None and not self._cancels:
            return
        member = _Member(presence, device, server)
        self._members[device.client.index] = member
        device.churn = server.churn = self
        if presence is not None:
            self._follow(member, presence, self._now())

    def cancel(self, client: int) -> None:
        """End the part that a client (by index) has in the round now; its update is lost.

        Nothing changes where the client is lost already, or both of its sides are done.
        """
        member = self._members[client]
        if not member.lost and any(process.is_alive for process in member.processes):
            self._lose(member, Label.CANCELLED)

    def guard(self, work: Process, side: Side) -> Process:
        """Let a side's process end quietly when its client is lost; a running job is waited for."""
        try:
            return (yield from work)
        except simpy.Interrupt:
            left = side.busy_until - self._clock.now
            if left > 0:
                yield self._clock.timeout(left)
            return None

    def tend(self, process: simpy.Process, side: Side) -> None:
        """Take note of the process of a side, to be stopped if its client is lost."""
        member = self._members.get(side.client.index)
        if member is not None:
            member.processes.append(process)

    def arrives(self, delivery: Delivery) -> bool:
        """Return whether a message that travelled still reaches somebody."""
        side = delivery.side
        if self._members[side.client.index].lost:
            return False
        del side.under_way[delivery]
        return True

    def _now(self) -> float:
        return self._clock.elapsed_s + RESOLUTION_S

    def _follow(self, member: _Member, presence: Presence, at: float) -> None:
        """Act on the availability from `at` on, and come back when it changes."""
        if member.lost:
            return
        value, end = presence.profile.piece(at)
        if value > 0:
            self._connect(member)
        elif presence.on_loss == "resume":
            self._disconnect(member)
        else:
            self._lose(member, Label.OFFLINE)
            return
        if end < inf:
            timer = self._clock.timeout(max(0.0, end - self._clock.elapsed_s))
            assert timer.callbacks is not None
            timer.callbacks.append(lambda _: self._follow(member, presence, end))

    def _disconnect(self, member: _Member) -> None:
        for side in (member.device, member.server):
            if side.offline:
                continue
            side.offline = True
            for delivery in side.under_way:
                if not delivery.left:
                    delivery.abort()
                    side.held.append(delivery)
            self._close_connection(side)

    def _connect(self, member: _Member) -> None:
        for side in (member.device, member.server):
            if not side.offline:
                continue
            side.offline = False
            if side.held:
                self._log_idle(side, Label.OFFLINE)
            held, side.held = side.held, []
            for delivery in held:
                delivery.begin()

    def _lose(self, member: _Member, activity: Label) -> None:
        device, server = member.device, member.server
        now = self._clock.now
        member.lost = True
        for side in (device, server):
            for delivery in side.under_way:
                if delivery.left:
                    delivery.drop()
                else:
                    delivery.abort()
            self._close_connection(side)
        device.world.server.withdraw(server)
        device.stop_computing(now)
        self._log_idle(device, activity)
        if server.busy_until <= now:
            server.last = device.last
        self._told(device.slot)
        for process in member.processes:
            if process.is_alive:
                process.interrupt()

    def _close_connection(self, side: Side) -> None:
        if side.world.transport is not None:
            side.world.transport.disconnect(side.route)

    def _log_idle(self, side: Side, activity: Label) -> None:
        """Log the time that a side was offline, or waited until it was cancelled, up to now."""
        rows: list[Row] = side.world.rows
        now = self._clock.now
        start = 0.0 if side.last == NO_CAUSE else min(rows[side.last][1], now)
        on_device = side.kind == Kind.UPLINK
        rows.append(
            (
                start,
                now,
                side.slot if on_device else SERVER,
                Kind.OFFLINE,
                side.slot,
                0,
                0,
                0.0,
                activity,
                side.last,
                0.0,
                0,
            )
        )
        side.last = side.latest = len(rows) - 1
