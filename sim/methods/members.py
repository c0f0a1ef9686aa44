"""The participants of a round at work: the two sides of each, and what the round waits for."""

from collections.abc import Mapping, Sequence

import simpy

from cutlayer.sim.endpoints.device import DeviceSide
from cutlayer.sim.endpoints.endpoint import Side
from cutlayer.sim.endpoints.server import ServerSide
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.log.intervals import NO_CAUSE

Process = simpy.events.ProcessGenerator


class Members:
    """The participants of a round at work: the processes of each slot's two sides."""

    def __init__(
        self, env: simpy.Environment, processes: Mapping[int, Sequence[simpy.Process]]
    ) -> None:
        self._env = env
        self._processes = processes

    @property
    def done(self) -> simpy.Event:
        """An event, a new one at each call, that succeeds when every participant has ended."""
        return self._env.all_of([p for sides in self._processes.values() for p in sides])

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The slots of which a side is still at work."""
        return tuple(
            slot
            for slot, sides in self._processes.items()
            if any(process.is_alive for process in sides)
        )

    def first(self, count: int) -> simpy.Event:
        """Return an event that succeeds when `count` participants, or all, have ended."""
        enough, ended = self._env.event(), []
        wanted = min(count, len(self._processes))

        def one_more(_: simpy.Event) -> None:
            ended.append(1)
            if len(ended) == wanted:
                enough.succeed()

        for sides in self._processes.values():
            both = self._env.all_of(sides)
            assert both.callbacks is not None
            both.callbacks.append(one_more)
        return enough


class Barrier:
    """Remembers which side came last: its last row is what the barrier waited for."""

    def __init__(self) -> None:
        self.last = NO_CAUSE
        self.slot = 0

    def process(self, env: simpy.Environment, work: Process, side: Side) -> simpy.Process:
        """Start the process of a side, and remember it as the last when it ends."""

        def passed(_: simpy.Event) -> None:
            self.last, self.slot = side.last, side.slot

        if side.churn is not None:
            work = side.churn.guard(work, side)
        process = env.process(work)
        assert process.callbacks is not None
        process.callbacks.append(passed)
        if side.churn is not None:
            side.churn.tend(process, side)
        return process


def pair(world: World, client: int, slot: int, chain: Chain) -> tuple[DeviceSide, ServerSide]:
    """Return the two sides of a client, joined."""
    device = DeviceSide(world, world.clients[client], slot, chain)
    server = ServerSide(world, world.clients[client], slot, chain)
    device.peer, server.peer = server, device
    if world.churn is not None:
        world.churn.join(device, server)
    return device, server
