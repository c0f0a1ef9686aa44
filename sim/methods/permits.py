"""The permits of an asynchronous method: their number limits how many clients train at the same time.

A permit that becomes free is given at once to a client drawn among those that are able, online and idle.
If there is none, it is given as soon as a client comes online or becomes idle.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from math import inf

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Activity, Interval, Phase


class Permits:
    """`count` permits to train; `dispatch` is called with each client that gets one.

    Its second argument is the row that the client follows.
    """

    def __init__(self, world: World, count: int, dispatch: Callable[[int, int], None]) -> None:
        self._world = world
        self._dispatch = dispatch
        self._idle = list(world.fleet.able)
        self._free = deque([(NO_CAUSE, 0.0)] * count)  # the row that freed each, and when (s)
        self._drawn = 0
        self._timer = 0  # the number of the valid timer
        # By client: since when the time with a permit is not counted yet, and the seconds before.
        self._since: dict[int, float] = {}
        self._counted: dict[int, float] = {}

    def release(self, clients: list[int], row: int) -> None:
        """Take the permits back from clients, which become idle; `row` is the reason in the log."""
        now = self._world.clock.now
        for client in clients:
            insort(self._idle, client)
            self._free.append((row, now))
            seconds = now - self._since.pop(client)
            self._counted[client] = self._counted.get(client, 0.0) + seconds

    def grant(self, _: simpy.Event | None = None) -> None:
        """Give the free permits to idle clients that are online, as far as there are any."""
        fleet = self._world.fleet
        while self._free and self._idle:
            chosen = fleet.draw(self._drawn, self._idle, len(self._free))
            if not chosen:
                break
            self._drawn += len(chosen)
            for client in chosen:
                del self._idle[bisect_left(self._idle, client)]
            for client in chosen:
                self._dispatch(client, self._grant_one(client))
        self._timer += 1
        if self._free and self._idle:
            self._wait(self._timer)

    def grant_to(self, clients: Iterable[int]) -> None:
        """Give a permit to each of these idle clients, without calling `dispatch`."""
        for client in clients:
            del self._idle[bisect_left(self._idle, client)]
            self._free.popleft()
            self._since[client] = self._world.clock.now

    def take_seconds(self, client: int) -> float:
        """Return for how many seconds a client has had a permit since the last call."""
        seconds = self._counted.pop(client, 0.0)
        if client in self._since:
            now = self._world.clock.now
            seconds += now - self._since[client]
            self._since[client] = now
        return seconds

    def _grant_one(self, client: int) -> int:
        """Give a free permit to a client; return the row that the client follows."""
        row, since = self._free.popleft()
        now = self._since[client] = self._world.clock.now
        if now <= since:
            return row
        offline = Interval(since, now, SERVER, Phase.OFFLINE, client, Activity.OFFLINE, row)
        return self._world.log.add(offline)

    def _wait(self, number: int) -> None:
        """Grant free permits when the first idle client comes online."""

        def again(_: simpy.Event) -> None:
            if number == self._timer:
                self.grant()

        wait_s = self._world.fleet.wait_s(self._idle)
        if wait_s < inf:
            call_after(self._world.clock.timeout(wait_s), again)
