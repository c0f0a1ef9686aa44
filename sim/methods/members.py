"""The participants of a round at work: the two endpoints of each, and what the round waits for."""

from collections.abc import Mapping, Sequence

import simpy

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.endpoint import Endpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.log.intervals import NO_CAUSE

Process = simpy.events.ProcessGenerator


class Members:
    """The participants of a round at work: the processes of each one's two endpoints."""

    def __init__(
        self, env: simpy.Environment, processes: Mapping[int, Sequence[simpy.Process]]
    ) -> None:
        self._env = env
        self._processes = processes

    @property
    def done(self) -> simpy.Event:
        """An event, a new one at each call, that succeeds when every participant has ended."""
        return self._env.all_of([p for endpoints in self._processes.values() for p in endpoints])

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The members that are not done."""
        return tuple(
            member
            for member, endpoints in self._processes.items()
            if any(process.is_alive for process in endpoints)
        )

    def first(self, count: int) -> simpy.Event:
        """Return an event that succeeds when `count` participants, or all, have ended."""
        enough, ended = self._env.event(), []
        wanted = min(count, len(self._processes))

        def one_more(_: simpy.Event) -> None:
            ended.append(1)
            if len(ended) == wanted:
                enough.succeed()

        for endpoints in self._processes.values():
            both = self._env.all_of(endpoints)
            assert both.callbacks is not None
            both.callbacks.append(one_more)
        return enough


class Barrier:
    """Remembers which endpoint came last: its last row is what the barrier waited for."""

    def __init__(self) -> None:
        self.last = NO_CAUSE
        self.member = 0

    def process(self, env: simpy.Environment, work: Process, endpoint: Endpoint) -> simpy.Process:
        """Start the process of an endpoint, and remember it as the last when it ends."""

        def passed(_: simpy.Event) -> None:
            self.last, self.member = endpoint.last, endpoint.member

        if endpoint.churn is not None:
            work = endpoint.churn.guard(work, endpoint)
        process = env.process(work)
        assert process.callbacks is not None
        process.callbacks.append(passed)
        if endpoint.churn is not None:
            endpoint.churn.tend(process, endpoint)
        return process


def pair(
    world: World, client: int, member: int, chain: Chain
) -> tuple[DeviceEndpoint, ServerEndpoint]:
    """Return the two endpoints of a client, joined."""
    device = DeviceEndpoint(world, world.clients[client], member, chain)
    server = ServerEndpoint(world, world.clients[client], member, chain)
    device.peer, server.peer = server, device
    if world.churn is not None:
        world.churn.join(device, server)
    return device, server
