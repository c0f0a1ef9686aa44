"""Members that leave a round: they go offline, or their method cancels them.

A client can go offline at any moment, not only between transfers. Its messages in flight are aborted,
and their bytes are wasted. With `on_disconnect: drop` it then leaves the round, and its update is
discarded. With `resume` its device keeps computing; when it is back online it opens a new connection
and sends each aborted message again from the first byte. A message whose last byte had left still
arrives if the client resumes, and is discarded if it is dropped. The peer learns of it at once:
time-outs are not modelled.

A method that closes its round early cancels the members that are not done, with the same effect as if
they had been dropped at that moment.
"""

from collections.abc import Callable
from math import inf

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.endpoints.device import DeviceEndpoint, Process
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.intervals import Activity, Interval, Phase


class Churn:
    """Interrupts the members of one round that go offline or are cancelled.

    `on_drop` is called with every member that is dropped. With `cancels`, every member can be
    cancelled; otherwise only the clients with a presence are followed.
    """

    def __init__(self, world: World, on_drop: Callable[[int], None], *, cancels: bool) -> None:
        self._world = world
        self._on_drop = on_drop
        self._cancels = cancels

    def follow(self, device: DeviceEndpoint, server: ServerEndpoint) -> None:
        """Follow the presence of a member from now to the end of the round."""
        presence = self._world.fleet.presences.get(device.client.index)
        if presence is not None or self._cancels:
            device.interruptible = server.interruptible = True
        if presence is not None:
            self._follow(device, server, presence, self._world.fleet.now)

    def cancel(self, device: DeviceEndpoint, server: ServerEndpoint) -> None:
        """Drop a member, unless it is dropped already or both of its endpoints are done."""
        if not device.dropped and (device.working or server.working):
            self._drop(device, server, Activity.CANCELLED)

    def _follow(
        self, device: DeviceEndpoint, server: ServerEndpoint, presence: Presence, at: float
    ) -> None:
        """Apply the presence at `at` (virtual seconds of the run), and again at its next change."""
        if device.dropped or device.done:
            return
        value, end = presence.profile.piece(at)
        if value <= 0 and presence.on_disconnect == "drop":
            self._drop(device, server, Activity.OFFLINE)
            return
        for endpoint in (device, server):
            if value > 0 and endpoint.offline:
                self._connect(endpoint)
            elif value <= 0 and not endpoint.offline:
                self._disconnect(endpoint)
        if end < inf:
            self._follow_from(device, server, presence, end)

    def _follow_from(
        self, device: DeviceEndpoint, server: ServerEndpoint, presence: Presence, at: float
    ) -> None:
        """Follow the presence of a member from its next change, at `at`, on."""
        clock = self._world.clock
        timer = clock.timeout(max(0.0, at - clock.elapsed_s))
        call_after(timer, lambda _: self._follow(device, server, presence, at))

    def _disconnect(self, endpoint: ClientEndpoint) -> None:
        endpoint.offline = True
        for transfer in endpoint.under_way:
            if not transfer.left:
                transfer.abort()
                endpoint.held.append(transfer)
        self._close_connection(endpoint)

    def _connect(self, endpoint: ClientEndpoint) -> None:
        endpoint.offline = False
        held, endpoint.held = endpoint.held, []
        if not held:
            return
        last, computes = endpoint.last, endpoint.computes(self._world.clock.now)
        if computes:
            endpoint.last = held[0].cause
        self._log_idle(endpoint, Activity.OFFLINE)
        for transfer in held:
            transfer.begin()
        if computes:
            endpoint.last = last

    def _drop(self, device: DeviceEndpoint, server: ServerEndpoint, activity: Activity) -> None:
        now = self._world.clock.now
        for endpoint in (device, server):
            endpoint.dropped = True
            for transfer in endpoint.under_way:
                if transfer.left:
                    transfer.drop()
                elif transfer not in endpoint.held:  # otherwise it is aborted, or has not begun
                    transfer.abort()
            endpoint.held.clear()
            self._close_connection(endpoint)
        server.node.queue.withdraw(server)
        device.stop_computing(now)
        self._log_idle(device, activity)
        if server.busy_until <= now:
            server.last = device.last
        self._on_drop(device.member)
        for endpoint in (device, server):
            if endpoint.working:
                assert endpoint.process is not None
                endpoint.process.interrupt()

    def _close_connection(self, endpoint: ClientEndpoint) -> None:
        if self._world.transport is not None:
            for channel in endpoint.channels:
                self._world.transport.disconnect(channel.route.index)

    def _log_idle(self, endpoint: ClientEndpoint, activity: Activity) -> None:
        """Log the time, up to now, in which an endpoint was offline or waited to be cancelled."""
        log, now = self._world.log, self._world.clock.now
        start = min(log.end_s(endpoint.last), now)
        actor, member = endpoint.channel.actor, endpoint.member
        endpoint.last = log.add(
            Interval(start, now, actor, Phase.OFFLINE, member, activity, endpoint.last)
        )
        for channel in endpoint.channels:
            channel.latest = endpoint.last


class ChurnOfRun(Churn):
    """Interrupts clients of a run that go offline; each has one update at a time, until it is `done`.

    A client has at most one timer, for the next change of its presence. If that happens between two
    updates, its connection is closed.
    """

    def __init__(self, world: World, on_drop: Callable[[int], None]) -> None:
        super().__init__(world, on_drop, cancels=False)
        self._latest: dict[int, tuple[DeviceEndpoint, ServerEndpoint]] = {}
        self._due: dict[int, float] = {}  # by client, its next change
        self._timed: set[int] = set()

    def follow(self, device: DeviceEndpoint, server: ServerEndpoint) -> None:
        """Follow the presence of a client from now on until its endpoints are done."""
        if self._due.pop(device.client.index, inf) <= self._world.fleet.now:
            for endpoint in (device, server):
                self._close_connection(endpoint)
        super().follow(device, server)

    def _follow_from(
        self, device: DeviceEndpoint, server: ServerEndpoint, presence: Presence, at: float
    ) -> None:
        client = device.client.index
        self._latest[client], self._due[client] = (device, server), at
        if client in self._timed:
            return

        def changed(_: simpy.Event) -> None:
            self._timed.discard(client)
            device, server = self._latest[client]
            if not device.done:
                del self._due[client]
                self._follow(device, server, presence, at)

        self._timed.add(client)
        clock = self._world.clock
        call_after(clock.timeout(max(0.0, at - clock.elapsed_s)), changed)


def until_dropped(work: Process, endpoint: ClientEndpoint) -> Process:
    """Run an endpoint's process; if its member is dropped, only let a running job finish."""
    try:
        return (yield from work)
    except simpy.Interrupt:
        clock = endpoint.world.clock
        left = endpoint.busy_until - clock.now
        if left > 0:
            yield clock.timeout(left)
        return None
