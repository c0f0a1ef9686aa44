"""Devices that come and go: who can take part, and what becomes of one that leaves in a round.

A client goes offline at any moment of its availability, not only between transfers. Its messages in
flight are then aborted and what had been sent of them is wasted. By its rule the client is dropped
(it drops out of the round, its update with it) or it `resume`s: the device goes on computing, and
when it is back online its connection is opened anew and each broken message is sent again from its
first byte. A message whose last byte had left arrives where the client resumes, and is dropped with the
client. The other endpoint knows at once; not modelled: time-outs until a disconnection is noticed.

A method that ends a round before all clients are done cancels the others: what happens to such a client
is what happens to one that is dropped, at a moment that the method chooses.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal, Protocol

import simpy

from cutlayer.sim.clock import Clock
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.endpoint import Endpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.transfer import Delivery
from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Activity, Interval, Phase

OnDisconnect = Literal["drop", "resume"]
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
    on_disconnect: OnDisconnect


@dataclass(eq=False)
class _Member:
    """A client in the current round; `since` is when it went offline."""

    presence: Presence | None
    device: DeviceEndpoint
    server: ServerEndpoint
    processes: list[simpy.Process] = field(default_factory=list)
    dropped: bool = False


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
        """Begin a round; `told` is called with the member that drops out, for every one that does."""
        self._members = {}
        self._told = told

    def join(self, device: DeviceEndpoint, server: ServerEndpoint) -> None:
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
        """End the part that a client (by index) has in the round now; its update is dropped.

        Nothing changes where the client is dropped already, or both of its endpoints are done.
        """
        member = self._members[client]
        if not member.dropped and any(process.is_alive for process in member.processes):
            self._drop(member, Activity.CANCELLED)

    def guard(self, work: Process, endpoint: Endpoint) -> Process:
        """Let an endpoint's process end quietly when its client drops out; wait for a running job."""
        try:
            return (yield from work)
        except simpy.Interrupt:
            left = endpoint.busy_until - self._clock.now
            if left > 0:
                yield self._clock.timeout(left)
            return None

    def tend(self, process: simpy.Process, endpoint: Endpoint) -> None:
        """Take note of the process of an endpoint, to be stopped if its client is dropped."""
        member = self._members.get(endpoint.client.index)
        if member is not None:
            member.processes.append(process)

    def arrives(self, delivery: Delivery) -> bool:
        """Return whether a message that travelled still reaches somebody."""
        endpoint = delivery.endpoint
        if self._members[endpoint.client.index].dropped:
            return False
        del endpoint.under_way[delivery]
        return True

    def _now(self) -> float:
        return self._clock.elapsed_s + RESOLUTION_S

    def _follow(self, member: _Member, presence: Presence, at: float) -> None:
        """Act on the availability from `at` on, and come back when it changes."""
        if member.dropped:
            return
        value, end = presence.profile.piece(at)
        if value > 0:
            self._connect(member)
        elif presence.on_disconnect == "resume":
            self._disconnect(member)
        else:
            self._drop(member, Activity.OFFLINE)
            return
        if end < inf:
            timer = self._clock.timeout(max(0.0, end - self._clock.elapsed_s))
            assert timer.callbacks is not None
            timer.callbacks.append(lambda _: self._follow(member, presence, end))

    def _disconnect(self, member: _Member) -> None:
        for endpoint in (member.device, member.server):
            if endpoint.offline:
                continue
            endpoint.offline = True
            for delivery in endpoint.under_way:
                if not delivery.left:
                    delivery.abort()
                    endpoint.held.append(delivery)
            self._close_connection(endpoint)

    def _connect(self, member: _Member) -> None:
        for endpoint in (member.device, member.server):
            if not endpoint.offline:
                continue
            endpoint.offline = False
            if endpoint.held:
                self._log_idle(endpoint, Activity.OFFLINE)
            held, endpoint.held = endpoint.held, []
            for delivery in held:
                delivery.begin()

    def _drop(self, member: _Member, activity: Activity) -> None:
        device, server = member.device, member.server
        now = self._clock.now
        member.dropped = True
        for endpoint in (device, server):
            for delivery in endpoint.under_way:
                if delivery.left:
                    delivery.drop()
                else:
                    delivery.abort()
            self._close_connection(endpoint)
        device.world.server.withdraw(server)
        device.stop_computing(now)
        self._log_idle(device, activity)
        if server.busy_until <= now:
            server.last = device.last
        self._told(device.member)
        for process in member.processes:
            if process.is_alive:
                process.interrupt()

    def _close_connection(self, endpoint: Endpoint) -> None:
        if endpoint.world.transport is not None:
            endpoint.world.transport.disconnect(endpoint.route)

    def _log_idle(self, endpoint: Endpoint, activity: Activity) -> None:
        """Log the time that an endpoint was offline, or waited until it was cancelled, up to now."""
        rows: list[Interval] = endpoint.world.rows
        now = self._clock.now
        start = 0.0 if endpoint.last == NO_CAUSE else min(rows[endpoint.last].end, now)
        on_device = endpoint.phase == Phase.UPLINK
        rows.append(
            Interval(
                start,
                now,
                endpoint.member if on_device else SERVER,
                Phase.OFFLINE,
                endpoint.member,
                activity,
                endpoint.last,
            )
        )
        endpoint.last = endpoint.latest = len(rows) - 1
