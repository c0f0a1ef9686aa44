"""The members of a round at work: both endpoints of each, and what the round waits for."""

from collections.abc import Callable
from functools import partial
from math import inf

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.endpoints.churn import Churn, until_dropped
from cutlayer.sim.endpoints.device import DeviceEndpoint, Process
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.nodes import Node
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.log.intervals import NO_CAUSE


class Members:
    """Starts the members of a round, numbered 0, 1, ... in the order in which they start.

    `last` is the last row of the endpoint that ended latest, `last_member` its member. If `cancels`,
    members can be cancelled. `on_drop` is called with each member that drops out. A `churn` replaces
    the one that is created by default.
    """

    def __init__(
        self,
        world: World,
        on_drop: Callable[[int], None],
        *,
        cancels: bool = False,
        churn: Churn | None = None,
    ) -> None:
        self._world = world
        churns = cancels or bool(world.fleet.presences)
        self._churn = Churn(world, on_drop, cancels=cancels) if churns and churn is None else churn
        self.devices: list[DeviceEndpoint] = []
        self.servers: list[ServerEndpoint] = []
        self._processes: list[tuple[simpy.Process, simpy.Process]] = []
        self.last = NO_CAUSE
        self.last_member = 0
        self._done_s = -inf  # when one was done that did not drop out

    def start(
        self,
        client: int,
        chain: Chain,
        device: Callable[[DeviceEndpoint], Process],
        server: Callable[[ServerEndpoint], Process],
        *,
        after: int = NO_CAUSE,
        round_overhead: bool = True,
        member: int | None = None,
        node: Node | None = None,
        averaging_node: Node | None = None,
    ) -> tuple[simpy.Process, simpy.Process]:
        """Start the two endpoints of a client, which run what `device` and `server` return.

        Return their processes. A client may have to download frozen tensors first. `after` is the row
        that both follow. The device first takes the time of its profile's overhead of a round, unless
        `round_overhead` is False. `member` is its number in the round if that is not its position here.
        `node` and `averaging_node` are as in `ClientEndpoint`.
        """
        world, member = self._world, len(self.devices) if member is None else member
        ends = world, world.fleet.clients[client], member, chain, node, averaging_node
        on_device, on_server = DeviceEndpoint(*ends), ServerEndpoint(*ends)
        on_device.peer, on_server.peer = on_server, on_device
        on_device.last = on_server.last = after
        self.devices.append(on_device)
        self.servers.append(on_server)
        if self._churn is not None:
            self._churn.follow(on_device, on_server)
        work, serving = device(on_device), server(on_server)
        frozen = world.frozen_for(client)
        if frozen is not None and on_device.node.name != on_device.client.name:
            work = on_device.after_download(frozen, work)
            serving = on_server.after_download(frozen, serving)
        if round_overhead:
            work = on_device.after_overhead(work)
        pair = self._begin(on_device, work), self._begin(on_server, serving)
        self._processes.append(pair)
        return pair

    def _begin(self, endpoint: ClientEndpoint, work: Process) -> simpy.Process:
        def ended(_: simpy.Event) -> None:
            now = self._world.clock.now
            if not endpoint.dropped:
                self._done_s = now
            elif now == self._done_s:
                return  # another one was done, and the round closed without this one
            self.last, self.last_member = endpoint.last, endpoint.member

        if endpoint.dropped:  # its client was offline already when an edge round began
            work = no_work()
        elif endpoint.interruptible:
            work = until_dropped(work, endpoint)
        endpoint.process = self._world.clock.process(work)
        call_after(endpoint.process, ended)
        return endpoint.process

    def server_after_all(self, client: int, member: int, chain: Chain) -> ServerEndpoint:
        """Return an endpoint for work of the server that follows the latest endpoint to end."""
        server = ServerEndpoint(self._world, self._world.fleet.clients[client], member, chain)
        server.last = self.last
        return server

    def cancel(self, member: int) -> None:
        """End a member's round now; see `cutlayer.sim.methods.method.Method.cancel`."""
        assert self._churn is not None
        self._churn.cancel(self.devices[member], self.servers[member])

    @property
    def done(self) -> simpy.Event:
        """A new event that succeeds when all members have ended."""
        return self._world.clock.all_of([process for pair in self._processes for process in pair])

    @property
    def servers_done(self) -> simpy.Event:
        """A new event that succeeds when the server's endpoints of all members have ended."""
        return self._world.clock.all_of([server for _, server in self._processes])

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The members of which an endpoint is still working."""
        return tuple(i for i, pair in enumerate(self._processes) if any(p.is_alive for p in pair))

    def first(self, count: int) -> simpy.Event:
        """Return an event that succeeds when `count` members are done, or no other can be.

        A member that dropped out is not done.
        """
        clock = self._world.clock
        enough = clock.event()
        missing, working = count, len(self._processes)

        def ended(member: int, _: simpy.Event) -> None:
            nonlocal missing, working
            missing -= not self.devices[member].dropped
            working -= 1
            succeed()

        def succeed() -> None:
            if (missing <= 0 or not working) and not enough.triggered:
                enough.succeed()

        for member, pair in enumerate(self._processes):
            call_after(clock.all_of(pair), partial(ended, member))
        succeed()
        return enough


def no_work() -> Process:
    """Do nothing, as a process."""
    yield from ()
