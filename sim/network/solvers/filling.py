"""Any graph of shared resources: progressive filling of the flows that a change may concern.

The flows in flight fall into groups that share nothing at the moment. A change costs in proportion
to its group, which is formed anew when flows join what was apart, or leave what they held together.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.route_runs import mapped
from cutlayer.sim.network.solvers.component import Group
from cutlayer.sim.network.solvers.components import Resource, separated
from cutlayer.sim.network.solvers.fill import Uses
from cutlayer.sim.network.solvers.solver import Solver

TIDY_AFTER: Final = 64


class Filling(Solver):
    """The flows on several shared resources; `uses` is per route, its resources and consumption."""

    __slots__ = (
        "_changed",
        "_due_at",
        "_ends",
        "_group_of",
        "_horizon",
        "_links",
        "_now",
        "_resources",
        "_tickets",
    )

    form = "filling"

    def __init__(self, capacities: Mapping[str, float], uses: Mapping[int, Uses]) -> None:
        super().__init__()
        self._resources = {name: Resource(name, limit) for name, limit in capacities.items()}
        self._links = mapped(uses, lambda used: tuple((self._resources[n], a) for n, a in used))
        self._group_of: dict[Flow, Group] = {}
        self._changed: dict[Group, None] = {}
        self._ends: list[tuple[float, int, Group]] = []  # some out of date: see Group.ticket
        self._forget()

    def _forget(self) -> None:
        """Forget all times: what happens after an idle time does not depend on what was before."""
        self._changed.clear()
        self._ends.clear()
        self._tickets = 0
        self._now: float = 0
        # The end foreseen by the latest solve: when the clock will be there, and its exact time.
        self._due_at: float = inf
        self._horizon: float = inf

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        """Take up a flow; it gets its rate in the next `solve`."""
        flow.left = left_bytes
        flow.limit = cap
        flow.rate = 0
        flow.place = 0
        for resource, _ in self._links[flow.route]:
            resource.users[flow] = None
        self._join(flow, now)
        self.count += 1

    def remove(self, flow: Flow, now: float) -> float:
        """Let go of a flow and return the bytes that it had left."""
        left = self.left(flow, now)
        self._advance(self._group_of[flow], now)
        self._take_out(flow)
        self._settle_count()
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        """Change the cap of a flow in flight, in bytes/s."""
        group = self._group_of[flow]
        self._advance(group, now)
        group.set_limit(flow, cap)

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        """Change the capacity of one of the shared resources."""
        changed = self._resources[resource]
        before, changed.capacity = changed.capacity, capacity
        if before == capacity or not changed.users:
            return
        if inf in (before, capacity):
            self._form_anew(changed, now)
        elif changed.group is not None:
            self._advance(changed.group, now)
            changed.group.set_capacity(changed)

    def due(self, now: float) -> list[Flow]:
        """Let go of the flows that end at `now`, in sequence order."""
        horizon = self._until(now)
        found = []
        while (end := self._next_end()) is not None and end[0] <= horizon:
            _, _, group = heappop(self._ends)
            group.advance(now, horizon)
            found += group.ended()
        for flow in found:
            self._changed[self._group_of[flow]] = None
            self._take_out(flow)
        self._now = now
        self._settle_count()
        return sorted(found, key=_sequence)

    def solve(self, now: float) -> float:
        """Share out anew in the groups that changed; return the seconds until the next flow ends."""
        self._now = now
        for group in list(self._changed):
            if group.torn and group.count:
                self._part(group)
        for group in self._changed:
            self._advance(group, now)
            if group.count:
                group.solve()
                self._tickets += 1
                group.ticket = self._tickets
                if group.due_at < inf:
                    heappush(self._ends, (group.due_at, group.ticket, group))
            else:
                group.ticket = 0
        self._changed.clear()
        end = self._next_end()
        self._horizon = inf if end is None else end[0]
        delay = max(0, self._horizon - now)
        self._due_at = now + delay
        return delay

    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""
        return self._group_of[flow].rate(flow)

    def left(self, flow: Flow, now: float) -> float:
        """Bytes that a flow in flight has left at `now`; less than the clock resolves is none."""
        return self._group_of[flow].left(flow, now, self._until(now))

    def flows(self) -> Iterator[Flow]:
        """All flows in flight, in the order in which they came."""
        return iter(self._group_of)

    def load(self, resource: str) -> float:
        """Consumption per second of a shared resource, as of the latest solve."""
        asked = self._resources[resource]
        if asked.group is not None:
            return asked.group.load(asked)
        return sum(
            a * self.rate(flow)
            for flow in asked.users
            for used, a in self._links[flow.route]
            if used is asked
        )

    def collect(self) -> dict[str, float]:
        """Return for how long each resource was a bottleneck since the last call."""
        until_now = {
            resource: self._now - group.now
            for group in dict.fromkeys(self._group_of.values())
            for resource in group.bottlenecks()
        }
        found = {}
        for name, resource in self._resources.items():
            since = until_now.get(resource, 0)
            if resource.bottleneck_s + since:
                found[name] = resource.bottleneck_s + since
            resource.bottleneck_s = -since
        return found

    def _until(self, now: float) -> float:
        """Return the exact time of the ends that have come by `now`."""
        return max(now, self._horizon) if now >= self._due_at else now

    def _advance(self, group: Group, now: float) -> None:
        """Bring the account of a group up to now, since it changes."""
        group.advance(now, self._until(now))
        self._changed[group] = None

    def _join(self, flow: Flow, now: float) -> None:
        """Put a flow into the group of its resources; several groups become one."""
        groups = {r.group: None for r, _ in self._links[flow.route] if r.group is not None}
        home = max(groups, key=_count, default=None) or Group(self._links, now)
        self._advance(home, now)
        for group in groups:
            if group is not home:
                self._advance(group, now)
                home.torn.update(group.torn)
                self._move(list(group.flows()), group, home)
        self._place(flow, home)

    def _place(self, flow: Flow, group: Group) -> None:
        group.join(flow)
        self._group_of[flow] = group
        for resource, _ in self._links[flow.route]:
            if resource.capacity < inf:
                resource.group = group

    def _move(self, flows: Iterable[Flow], group: Group, home: Group) -> None:
        for flow in flows:
            group.leave(flow)
            self._place(flow, home)

    def _take_out(self, flow: Flow) -> None:
        group = self._group_of.pop(flow)
        group.leave(flow)
        crossed = []
        for resource, _ in self._links[flow.route]:
            del resource.users[flow]
            if not resource.users:
                resource.group = None
            elif resource.group is not None:
                crossed.append(resource)
        if len(crossed) > 1:
            group.torn.update(dict.fromkeys(crossed))

    def _part(self, group: Group) -> None:
        """Give flows that do not hang together with the rest any more a group of their own."""
        torn = [resource for resource in group.torn if resource.group is group]
        group.torn.clear()
        for part in separated(torn, self._links):
            home = Group(self._links, group.now)
            self._changed[home] = None
            for resource in part:
                flows = [flow for flow in resource.users if self._group_of[flow] is group]
                self._move(flows, group, home)

    def _form_anew(self, resource: Resource, now: float) -> None:
        """Group the flows that may hang together otherwise, now that a resource binds them or not."""
        groups = dict.fromkeys(self._group_of[flow] for flow in resource.users)
        flows = []
        for group in groups:
            self._advance(group, now)
            for flow in list(group.flows()):
                group.leave(flow)
                flows.append(flow)
                for used, _ in self._links[flow.route]:
                    used.group = None
            group.torn.clear()
        for flow in flows:
            self._join(flow, now)

    def _next_end(self) -> tuple[float, int, Group] | None:
        ends = self._ends
        if len(ends) > TIDY_AFTER + 4 * self.count:
            ends[:] = [end for end in ends if end[1] == end[2].ticket]
            heapify(ends)
        while ends and ends[0][1] != ends[0][2].ticket:
            heappop(ends)
        return ends[0] if ends else None

    def _settle_count(self) -> None:
        self.count = len(self._group_of)
        if not self.count:
            self._forget()


def _count(group: Group) -> int:
    return group.count


def _sequence(flow: Flow) -> int:
    return flow.sequence
