"""The places of an asynchronous method, whose number limits how many clients train at the same time.

A place that becomes free is filled at once, with a client drawn among those that are able, online and
idle. If there is none, it is filled as soon as one comes online or becomes idle.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from math import inf

import simpy

from cutlayer.sim.clock import call_after
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Activity, Interval, Phase


class Places:
    """`count` places, filled by `dispatch`, which is called with a client and the row it follows."""

    def __init__(self, world: World, count: int, dispatch: Callable[[int, int], None]) -> None:
        self._world = world
        self._dispatch = dispatch
        self._idle = list(world.fleet.able)
        self._free = deque([(NO_CAUSE, 0.0)] * count)  # the rows and times at which they became so
        self._drawn = 0
        self._timer = 0  # the number of the valid timer
        self._since: dict[int, float] = {}  # by client that has a place, when its time was counted
        self._counted: dict[int, float] = {}  # by client, seconds before that

    def free(self, clients: list[int], row: int) -> None:
        """Free the places of clients, which are idle from now on; `row` is what freed them."""
        now = self._world.clock.now
        for client in clients:
            insort(self._idle, client)
            self._free.append((row, now))
            in_place_s = now - self._since.pop(client)
            self._counted[client] = self._counted.get(client, 0.0) + in_place_s

    def fill(self, _: simpy.Event | None = None) -> None:
        """Fill as many free places as there are idle clients online."""
        fleet = self._world.fleet
        while self._free and self._idle:
            chosen = fleet.draw(self._drawn, self._idle, len(self._free))
            if not chosen:
                break
            self._drawn += len(chosen)
            for client in chosen:
                del self._idle[bisect_left(self._idle, client)]
            for client in chosen:
                self._dispatch(client, self._fill_one(client))
        self._timer += 1
        if self._free and self._idle:
            self._wait(self._timer)

    def start(self, clients: Iterable[int]) -> None:
        """Give idle clients a place each; `dispatch` is not called."""
        for client in clients:
            del self._idle[bisect_left(self._idle, client)]
            self._free.popleft()
            self._since[client] = self._world.clock.now

    def take_time(self, client: int) -> float:
        """Return the seconds in which a client had a place since the last call."""
        seconds = self._counted.pop(client, 0.0)
        if client in self._since:
            now = self._world.clock.now
            seconds += now - self._since[client]
            self._since[client] = now
        return seconds

    def _fill_one(self, client: int) -> int:
        """Take a free place; return the row that its client follows."""
        row, since = self._free.popleft()
        now = self._since[client] = self._world.clock.now
        if now <= since:
            return row
        offline = Interval(since, now, SERVER, Phase.OFFLINE, client, Activity.OFFLINE, row)
        return self._world.log.add(offline)

    def _wait(self, number: int) -> None:
        """Fill places again when the first idle client comes online."""

        def again(_: simpy.Event) -> None:
            if number == self._timer:
                self.fill()

        wait_s = self._world.fleet.wait_s(self._idle)
        if wait_s < inf:
            call_after(self._world.clock.timeout(wait_s), again)
