"""A rooted tree of shared resources (client, edge, region, server): O(depth log n) a change, exact.

Each resource is a star of its own (see star.py): some of its members pass it, each at its limit, and
the others share what these leave. Those that share it go on to the resource above as one member, the
group, whose limit is the level at which the resource is full; those that pass go on by themselves. So

    rate of f = weight * min(cap / weight, level of every resource on the path)
"""

from collections.abc import Iterator
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.branch import NOWHERE, Branch, Member
from cutlayer.sim.network.solvers.placement import Placement
from cutlayer.sim.network.solvers.solver import by_sequence


class Tree(Placement):
    """The flows of a tree."""

    form = "tree"

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        self._now = now
        weight = flow.weight
        branches, consumption = self._chains[flow.route]
        member = Member(branches, [a * weight for a in consumption], flow.sequence, flow=flow)
        member.limit = cap / weight
        member.left = left_bytes / weight
        self._members[flow] = member
        self._wait(member, 0)
        self.count += 1

    def remove(self, flow: Flow, now: float) -> float:
        self._now = now
        left = self.left(flow, now)
        self._take_out(self._members.pop(flow), 0)
        self.count -= 1
        self._settle_count()
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        self._now = now
        member = self._members[flow]
        left = self.left(flow, now)
        self._take_out(member, 0)
        member.left = left / flow.weight
        member.limit = cap / flow.weight
        self._wait(member, 0)

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        branch = self._branches[resource]
        self._now = now if self.count else 0
        if inf in (branch.capacity, capacity) and branch.capacity != capacity:
            self._start_afresh(now)
        branch.capacity = capacity
        if self.count:
            self._mark(branch)

    def due(self, now: float) -> list[Flow]:
        self._now = now
        ended = self._unlimited
        self._unlimited = []
        if self._root.sharing and self._root.capacity < inf:
            clock = self._root.clock
            virtual = clock.at(now)
            bound = max(virtual, self._due_tag) if now >= self._due_at else virtual
            self._gather(self._root, bound, clock.level, virtual, ended)
        for member in self._ends.pop_up_to(self._until(now)):
            if member.group is None:
                ended.append(member)
            else:
                branch = member.group
                virtual = branch.clock.at(now)
                bound = max(virtual, branch.first_due().tag)
                self._gather(branch, bound, branch.clock.level, virtual, ended)
        for member in ended:
            assert member.flow is not None
            self._take_out(member, 0)
            del self._members[member.flow]
        self.count -= len(ended)
        self._settle_count()
        return sorted((m.flow for m in ended if m.flow is not None), key=by_sequence)

    def _gather(
        self, branch: Branch, bound: float, level: float, virtual: float, ended: list[Member]
    ) -> None:
        """Collect the flows that end by the virtual time `bound` among those that share.

        A flow that is nearer to its end than the clock resolves has ended too.
        """
        now = self._now
        while (member := branch.sharing_by_tag.first()) is not None:
            tag = member.tag
            if tag > bound and (not level or now + (tag - virtual) / level > now):
                return
            branch.sharing_by_tag.pop()
            if member.group is None:
                ended.append(member)
            else:
                inner = member.group
                offset = inner.clock.offset
                inner_bound = max(bound + offset, inner.first_due().tag)
                self._gather(inner, inner_bound, level, virtual + offset, ended)

    def solve(self, now: float) -> float:
        self._now = now
        self._renew_dirty()
        self._ends.tidy_beyond(self._running)
        clock = self._root.clock
        return self._next_end(clock.at(now), clock.level, self._root.sharing_by_tag)

    def rate(self, flow: Flow) -> float:
        member = self._members[flow]
        if member.rests == NOWHERE:
            return 0
        if member.rests == len(member.path):
            return member.limit * flow.weight
        return member.path[member.rests].clock.speed() * flow.weight

    def left(self, flow: Flow, now: float) -> float:
        member = self._members[flow]
        if member.rests == NOWHERE:
            return member.left * flow.weight
        if member.rests == len(member.path):
            if member.tag <= self._until(now):
                return 0
            return max(0, member.left - member.limit * (now - member.since)) * flow.weight
        clock = member.path[member.rests].clock
        level = clock.speed()
        left = member.tag - clock.at(now)
        if left > 0 and not (level and now + left / level <= now) and not self._is_due(member, now):
            return left * flow.weight
        return 0

    def _is_due(self, member: Member, now: float) -> bool:
        """Return whether a flow that shares was foreseen to end by now, as the first of its resource."""
        if now < self._due_at:
            return False
        branch = member.path[member.rests]
        first = branch.sharing_by_tag.first()
        while first is not None and member.tag <= first.tag:
            group = branch.group
            if branch.clock.leader is None:
                if branch is self._root:
                    return first.tag <= self._due_tag
                return group.tag <= self._due_end
            member, branch = group, group.path[group.rests]
            first = branch.sharing_by_tag.first()
        return False

    def flows(self) -> Iterator[Flow]:
        return iter(self._members)

    def load(self, resource: str) -> float:
        branch = self._branches[resource]
        if branch.capacity == inf:  # it keeps no account of the members that pass
            return sum(
                self.rate(flow) * m.loads[branch.index(m)] / flow.weight
                for flow, m in self._members.items()
                if branch in m.path
            )
        return branch.load()

    def collect(self) -> dict[str, float]:
        held = {}
        for name, branch in self._branches.items():
            leads = branch.sharing and branch.clock.leader is None
            ran = self._now - branch.clock.since if leads else 0
            if branch.bottleneck_s + ran:
                held[name] = branch.bottleneck_s + ran
            branch.bottleneck_s = -ran
        return held

    def _settle_count(self) -> None:
        if not self.count:
            for branches in self._dirty:
                for branch in branches:
                    branch.dirty = False
                branches.clear()
            for branch in self._branches.values():
                if branch.changes or branch.pending:
                    branch.clear()
            self._forget()

    def _start_afresh(self, now: float) -> None:
        """Place all flows anew: a resource has no limit any more, or has one again."""
        lefts = [(flow, member, self.left(flow, now)) for flow, member in self._members.items()]
        for _, member, _ in lefts:
            self._take_out(member, 0)
        self._unlimited = []
        for flow, member, left in lefts:
            member.left = left / flow.weight
            self._wait(member, 0)
