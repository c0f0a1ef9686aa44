"""A transfer, and the queue of those that wait for the same route."""

from collections import deque
from collections.abc import Iterator, Sequence
from math import nan
from typing import Final

from simpy import Environment, Event

WAITING: Final = "waiting"
SENDING: Final = "sending"
FINISHED: Final = "finished"
CANCELLED: Final = "cancelled"


class Flow:
    """A transfer in bytes and seconds; times that have not come yet are NaN.

    `done` succeeds with the flow when the last byte has left, and never for a cancelled flow.
    `queued_s` is when it was started, `start_s` when its first byte left (later than `queued_s` if
    an earlier flow held the route), `finish_s` when its last byte left. `left` are the bytes still
    to be sent while it waits and after it has ended; while it is sent, ask `Network.left_bytes`.

    `capped_s` is how long it ran at its cap, up to its last change of cap or its end. Of that,
    `charged_s` is charged to what set the cap: `held_by` is the link of its own that sets it now
    (None: the transport), `own_link_s` the part of such links.
    """

    __slots__ = (
        "cap",
        "capped_s",
        "charged_s",
        "done",
        "finish_s",
        "held_by",
        "left",
        "limit",
        "load",
        "mode",
        "number",
        "own_link_s",
        "queued_s",
        "route",
        "sequence",
        "since",
        "size_bytes",
        "start_s",
        "state",
        "tag",
        "turn",
        "weight",
    )

    # The account of a flow that shares one link, which capped_sharing.py keeps here: an object of its
    # own for each flow would cost a tenth of the time of a large burst. All are per weight.
    limit: float  # the cap
    load: float  # the consumption at level 1
    mode: int  # NEW, CAPPED, SHARING or UNLIMITED
    since: float  # the time at which a capped flow had `left` to send
    tag: float  # when it ends: a time if it is capped, a virtual time if it shares
    turn: int  # that of its latest move between the two
    number: int  # that of its valid entries in heaps

    def __init__(
        self,
        env: Environment,
        route: int,
        sequence: int,
        size_bytes: float,
        weight: float,
        cap: float,
        now: float,
    ) -> None:
        self.done = Event(env)
        self.route = route
        self.sequence = sequence
        self.size_bytes = size_bytes
        self.weight = weight
        self.cap = cap
        self.queued_s = now
        self.start_s = nan
        self.finish_s = nan
        self.state = WAITING
        self.left = size_bytes
        self.capped_s: float = 0
        self.charged_s: float = 0
        self.held_by: str | None = None
        self.own_link_s: float = 0
        self.number = 0

    def __repr__(self) -> str:
        return (
            f"<flow {self.sequence}: {self.size_bytes:g} bytes on route {self.route}, {self.state}>"
        )


class RouteQueues:
    """For each route, the transfer that is being sent and those that wait for it, in order."""

    __slots__ = ("_serving", "_waiting")

    def __init__(self) -> None:
        self._serving: dict[int, Flow | None] = {}
        self._waiting: dict[int, deque[Flow]] = {}

    def serving(self, route: int) -> Flow | None:
        """Return the transfer that holds the route."""
        return self._serving.get(route)

    def waiting(self) -> Iterator[Flow]:
        """Yield the transfers that wait for their route."""
        for waiting in self._waiting.values():
            yield from (flow for flow in waiting if flow.state == WAITING)

    def enter(self, flow: Flow) -> bool:
        """Queue a transfer; return whether it may begin at once.

        A transfer without bytes does not hold its route.
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

    def following(self, route: int) -> Sequence[Flow]:
        """Free the route; return the transfers that begin now: any without bytes, then the next."""
        self._serving[route] = None
        waiting = self._waiting.get(route)
        if not waiting:
            return ()
        next_flows: list[Flow] = []
        while waiting:
            flow = waiting.popleft()
            if flow.state == WAITING:
                next_flows.append(flow)
                if flow.size_bytes:
                    self._serving[route] = flow
                    break
        return next_flows
