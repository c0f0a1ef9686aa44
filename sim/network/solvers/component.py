"""The flows that hang together at the moment: a change of one may change the rates of all of them.

A group's account stands at `now`, the time of its latest change, and is advanced from there at the
next one. A few flows keep their account themselves; those of a large group are in a table.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.components import Links, Resource
from cutlayer.sim.network.solvers.fill import share_out
from cutlayer.sim.network.solvers.table import Table

TABLE_FROM: Final = 40
"""So many flows are solved faster in a table; with less than half as many it is given up."""


class Group:
    """Flows that share resources with each other, and with no flow of another group.

    `due_at` is when the first of them ends, as of the latest solve; `ticket` tells whether an entry
    for that time is still valid. `torn` are resources that lost a flow which crossed others as well:
    they may hang together no more.
    """

    __slots__ = (
        "_bottlenecks",
        "_links",
        "_loose",
        "_next",
        "_table",
        "count",
        "due_at",
        "now",
        "ticket",
        "torn",
    )

    def __init__(self, links: Links, now: float) -> None:
        self.count = 0
        self.now = now
        self.due_at: float = inf
        self.ticket = 0
        self.torn: dict[Resource, None] = {}
        self._links = links
        self._loose: dict[Flow, None] = {}  # not in the table
        self._table: Table | None = None
        self._next: Sequence[Flow] = ()
        self._bottlenecks: Sequence[Resource] = ()

    def flows(self) -> Iterator[Flow]:
        """All flows, in a reproducible order."""
        return chain(() if self._table is None else self._table.flows(), self._loose)

    def advance(self, now: float, horizon: float) -> None:
        """Take off what has been sent; flows foreseen to end by `horizon` have nothing left."""
        if now != self.now:
            elapsed = now - self.now
            if self._table is not None:
                self._table.advance(float(elapsed))
            for flow in self._loose:
                flow.left = max(0, flow.left - flow.rate * elapsed)
                if flow.rate >= flow.limit:
                    flow.capped_s += elapsed
            for resource in self._bottlenecks:
                resource.bottleneck_s += elapsed
            self.now = now
        if self.due_at <= horizon:
            self.due_at = inf
            if self._table is not None:
                self._table.end_next()
            for flow in self._next:
                flow.left = 0

    def join(self, flow: Flow) -> None:
        """Take up a flow, whose account is as of now."""
        self._loose[flow] = None
        self.count += 1

    def leave(self, flow: Flow) -> None:
        """Let go of a flow; it keeps its account, as of now."""
        if flow.place:
            assert self._table is not None
            self._table.take_out(flow)
        else:
            del self._loose[flow]
        self.count -= 1

    def set_limit(self, flow: Flow, limit: float) -> None:
        """Change the cap of a flow, from now on."""
        flow.limit = limit
        if flow.place:
            assert self._table is not None
            self._table.set_limit(flow, limit)

    def set_capacity(self, resource: Resource) -> None:
        """Take note that the capacity of a resource has changed, from now on."""
        if self._table is not None:
            self._table.set_capacity(resource)

    def ended(self) -> list[Flow]:
        """Flows with nothing left that the clock could resolve."""
        found = [] if self._table is None else self._table.ended(float(self.now))
        for flow in self._loose:
            if flow.left <= 0 or (flow.rate and self.now + flow.left / flow.rate <= self.now):
                found.append(flow)
        return found

    def solve(self) -> None:
        """Share out anew, from now on."""
        if self._wants_table():
            if self._table is None:
                self._table = Table(self._links)
            self._table.update(list(self._loose))
            self._loose.clear()
            self._next = ()
            delay, self._bottlenecks = self._table.solve()
        else:
            if self._table is not None:
                for flow in list(self._table.flows()):
                    self._table.take_out(flow)
                    self._loose[flow] = None
                self._table = None
            delay = self._solve_loose()
        self.due_at = self.now + delay

    def _wants_table(self) -> bool:
        if self._table is not None:
            return 2 * self.count >= TABLE_FROM
        return self.count >= TABLE_FROM and all(
            isinstance(number, int | float)
            for flow in self._loose
            for number in (
                flow.left,
                flow.limit,
                flow.weight,
                *(n for used, a in self._links[flow.route] for n in (a, used.capacity)),
            )
        )

    def _solve_loose(self) -> float:
        flows = list(self._loose)
        uses = [self._links[flow.route] for flow in flows]
        rates, self._bottlenecks = share_out(
            {resource: resource.capacity for used in uses for resource, _ in used},
            [flow.weight for flow in flows],
            [flow.limit for flow in flows],
            uses,
        )
        waits: list[float] = []
        for flow, rate in zip(flows, rates, strict=True):
            flow.rate = rate
            waits.append(flow.left / rate if rate else inf if flow.left else 0)
        delay = min(waits)
        self._next = [flow for flow, wait in zip(flows, waits, strict=True) if wait == delay]
        return delay

    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""
        if flow.place:
            assert self._table is not None
            return self._table.rate(flow)
        return flow.rate

    def left(self, flow: Flow, now: float, horizon: float) -> float:
        """Bytes that a flow has left at `now`; less than the clock resolves is none."""
        if flow.place:
            assert self._table is not None
            left, rate, first = self._table.account(flow)
        else:
            left, rate, first = flow.left, flow.rate, flow in self._next
        if self.due_at <= horizon and first:
            return 0
        if now != self.now:
            left = left - rate * (now - self.now)
        return 0 if left <= 0 or (rate and now + left / rate <= now) else left

    def load(self, resource: Resource) -> float:
        """Consumption per second of one of its resources, as of the latest solve."""
        if self._table is not None:
            return self._table.load(resource)
        return sum(
            a * flow.rate
            for flow in resource.users
            for used, a in self._links[flow.route]
            if used is resource
        )

    def bottlenecks(self) -> Sequence[Resource]:
        """The resources that hold a flow back below its cap, as of the latest solve."""
        return self._bottlenecks
