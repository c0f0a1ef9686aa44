"""The transfers of each route, one after the other: a route is a connection in one direction."""

from collections import deque

from cutlayer.sim.network.flow import WAITING, Flow


class RouteQueues:
    """Per route the transfer that is being served, and those that wait for it, in order."""

    __slots__ = ("_serving", "_waiting")

    def __init__(self) -> None:
        self._serving: dict[int, Flow | None] = {}
        self._waiting: dict[int, deque[Flow]] = {}

    def serving(self, route: int) -> Flow | None:
        """Return the transfer that has the route."""
        return self._serving.get(route)

    def enter(self, flow: Flow) -> bool:
        """Let a transfer queue for its route; returns whether the route is its own at once.

        One without bytes passes through a free route and leaves it free.
        """
        route = flow.route
        if self._serving.get(route) is None:
            if flow.size_bytes:
                self._serving[route] = flow
            return True
        waiting = self._waiting.get(route)
        if waiting is None:
            waiting = self._waiting[route] = deque()
        waiting.append(flow)
        return False

    def following(self, route: int) -> list[Flow]:
        """The route is free: return who is next, with the ones without bytes before it."""
        self._serving[route] = None
        waiting = self._waiting.get(route)
        found: list[Flow] = []
        while waiting:
            flow = waiting.popleft()
            if flow.state == WAITING:
                found.append(flow)
                if flow.size_bytes:
                    self._serving[route] = flow
                    break
        return found
