"""A rooted tree of shared resources (client, edge, region, server): O(depth log n) a change, exact.

Each resource is a star of its own (see star.py): of its members some pass it, each at its limit, and
the others share what these leave. Those that share it go on to the resource above as one member, the
group, whose limit is the level at which the resource is full; those that pass go on by themselves. So

    rate of f = weight * min(cap / weight, level of every resource on the path)

A change of a transfer takes the groups above it apart, up to the root, and puts them together again
with their new limits: some heap operations a resource, and amortised few moves of other members.
"""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.route_runs import mapped
from cutlayer.sim.network.solvers.branch import NOWHERE, TIDY_AFTER, Branch, Entry, Member
from cutlayer.sim.network.solvers.solver import Solver

Chain = Sequence[tuple[str, float]]


class Tree(Solver):
    """The flows of a tree; `chains` lists each route's resources with consumption, the root last."""

    __slots__ = (
        "_branches",
        "_chains",
        "_dirty",
        "_due_at",
        "_due_end",
        "_due_tag",
        "_ends",
        "_members",
        "_now",
        "_root",
        "_running",
        "_tickets",
        "_turns",
        "_unlimited",
    )

    form = "tree"

    def __init__(self, capacities: Mapping[str, float], chains: Mapping[int, Chain]) -> None:
        super().__init__()
        self._branches: dict[str, Branch] = {}
        self._chains: dict[int, tuple[tuple[Branch, ...], tuple[float, ...]]]

        def grown(chain: Chain) -> tuple[tuple[Branch, ...], tuple[float, ...]]:
            above: Branch | None = None
            for name, _ in reversed(chain):
                branch = self._branches.get(name)
                if branch is None:
                    order = -1 - len(self._branches)  # before all flows
                    branch = self._branches[name] = Branch(name, capacities[name], above, order)
                above = branch
            assert above is not None
            return (above, *above.path), tuple(amount for _, amount in chain)

        self._chains = mapped(chains, grown)
        self._root = next(iter(self._branches.values()))
        self._dirty: list[list[Branch]] = [
            [] for _ in range(1 + max(branch.depth for branch in self._branches.values()))
        ]
        self._members: dict[Flow, Member] = {}
        self._ends: list[Entry] = []  # of those that pass everything
        self._unlimited: list[Member] = []
        self._running = 0
        self._tickets = count(1)
        self._turns = count(1)
        self._forget()

    def _forget(self) -> None:
        """Forget all times: what happens after an idle time does not depend on what was before."""
        self._now: float = 0
        self._due_at: float = inf
        self._due_end: float = -inf
        self._due_tag: float = -inf
        self._running = 0
        self._ends.clear()

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        """Take up a flow; it gets its place in the next `solve`."""
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
        """Let go of a flow and return the bytes that it had left."""
        self._now = now
        left = self.left(flow, now)
        self._take_out(self._members.pop(flow), 0)
        self.count -= 1
        self._settle_count()
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        """Change the cap of a flow in flight, in bytes/s."""
        self._now = now
        member = self._members[flow]
        left = self.left(flow, now)
        self._take_out(member, 0)
        member.left = left / flow.weight
        member.limit = cap / flow.weight
        self._wait(member, 0)

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        """Change the capacity of one of the shared resources."""
        branch = self._branches[resource]
        self._now = now if self.count else 0
        if inf in (branch.capacity, capacity) and branch.capacity != capacity:
            self._start_afresh(now)
        branch.capacity = capacity
        if self.count:
            self._mark(branch)

    def due(self, now: float) -> list[Flow]:
        """Let go of the flows that end at `now`, in sequence order."""
        self._now = now
        found = self._unlimited
        self._unlimited = []
        foreseen = now >= self._due_at
        if self._root.sharing and self._root.capacity < inf:
            virtual = self._root.virtual(now)
            bound = max(virtual, self._due_tag) if foreseen else virtual
            self._gather(self._root, bound, self._root.level, virtual, found)
        horizon = max(now, self._due_end) if foreseen else now
        while (member := self._next_running()) is not None and member.tag <= horizon:
            heappop(self._ends)
            if member.group is None:
                found.append(member)
            else:
                branch = member.group
                virtual = branch.virtual(now)
                first = branch.next_due()
                assert first is not None
                self._gather(branch, max(virtual, first.tag), branch.level, virtual, found)
        for member in found:
            assert member.flow is not None
            self._take_out(member, 0)
            del self._members[member.flow]
        self.count -= len(found)
        self._settle_count()
        return sorted((m.flow for m in found if m.flow is not None), key=_sequence)

    def _gather(
        self, branch: Branch, bound: float, level: float, virtual: float, found: list[Member]
    ) -> None:
        """Collect the transfers that end by the virtual time `bound` among those that share.

        One that is nearer than the clock resolves ends too.
        """
        now = self._now
        while (member := branch.next_due()) is not None:
            tag = member.tag
            if tag > bound and (not level or now + (tag - virtual) / level > now):
                return
            heappop(branch.sharing_by_tag)
            if member.group is None:
                found.append(member)
            else:
                inner = member.group
                first = inner.next_due()
                assert first is not None
                own_bound = max(bound + inner.offset, first.tag)
                self._gather(inner, own_bound, level, virtual + inner.offset, found)

    def solve(self, now: float) -> float:
        """Place the new flows, restore all levels, return the seconds to the next end."""
        self._now = now
        for branches in reversed(self._dirty):
            for branch in branches:
                branch.dirty = False
                self._renew(branch, now)
            branches.clear()
        return self._next_end(now)

    def _renew(self, branch: Branch, now: float) -> None:
        """Bring a resource's members and level up to date, and its group to the one above."""
        self._detach(branch)
        if branch.capacity == inf:
            for member in branch.pending:
                place = branch.index(member)
                if member.waits == place:
                    self._go_on(member, place + 1)
            branch.pending.clear()
            return
        if branch.pending:
            self._place(branch)
        level = self._balance(branch)
        if not branch.sharing:
            branch.base = branch.since = 0
            branch.tidy(now)
            return
        branch.tidy(now)
        group = branch.group
        group.limit = level
        if branch.path:
            self._wait(group, 0)
        else:
            branch.since = now
            branch.level = level

    def _place(self, branch: Branch) -> None:
        """Give each new member the place that it will probably keep: a burst needs no moves then."""
        new = []
        load = branch.sharing_load
        for member in branch.pending:
            place = branch.index(member)
            if member.waits == place:
                member.waits = NOWHERE
                new.append((member, place))
                load += member.loads[place]
        branch.pending.clear()
        if new:
            guess = (branch.capacity - branch.passing_load) / load
            for member, place in new:
                if member.limit <= guess and member.limit < inf:
                    branch.let_pass(member, place, next(self._tickets))
                    self._go_on(member, place + 1)
                else:
                    self._share(branch, member, place)

    def _balance(self, branch: Branch) -> float:
        """Move members over the boundary until limits of passing <= level < limits of sharing.

        As in star.py: a member that would be moved back shows nothing but rounding, and ends the
        search.
        """
        turn = next(self._turns)
        while True:
            level = branch.full_at()
            while (member := branch.next_sharing()) is not None:
                if member.limit > level or member.turn == turn:
                    break
                member.turn = turn
                place = member.rests
                self._unshare(branch, member)
                branch.let_pass(member, place, next(self._tickets))
                self._go_on(member, place + 1)
                level = branch.full_at()
            member = branch.next_passing()
            if member is None or member.turn == turn:
                return level
            if member.limit <= level and (branch.sharing or branch.passing_load <= branch.capacity):
                return level
            member.turn = turn
            place = branch.index(member)
            self._take_out(member, place + 1)
            branch.block(member, place)
            self._share(branch, member, place)

    def _share(self, branch: Branch, member: Member, place: int) -> None:
        """Let a member share a resource whose group is detached."""
        now = self._now
        here = branch.virtual(now)
        inner = member.group
        if inner is None:
            member.tag = here + member.left
        else:
            first = inner.next_due()
            assert first is not None
            inner.offset = inner.virtual(now) - here
            inner.leader = branch
            member.tag = first.tag - inner.offset
        branch.share(member, place, next(self._tickets))

    def _unshare(self, branch: Branch, member: Member) -> None:
        """Take a member from those that share; its own clock, or what it has left, stands still."""
        if member.group is None:
            member.left = max(0, member.tag - branch.virtual(self._now))
        else:
            self._stop(member.group)
        branch.unshare(member)

    def _stop(self, branch: Branch) -> None:
        """Let the clock of a group stand still at the present."""
        branch.base = branch.virtual(self._now)
        branch.leader = None
        branch.since = self._now
        branch.level = 0

    def _detach(self, branch: Branch) -> None:
        """Take a resource's group from all resources above it, and let its clock stand still."""
        if branch.path:
            if branch.group.rests != NOWHERE:
                self._take_out(branch.group, 0)
            branch.group.waits = NOWHERE
            return
        if self._now != branch.since and branch.sharing:
            branch.bottleneck_s += self._now - branch.since
        self._stop(branch)

    def _take_out(self, member: Member, start: int) -> None:
        """Take a member from all resources on its path from `start` on; those are to be renewed."""
        member.waits = NOWHERE
        path = member.path
        rests = member.rests
        if rests == len(path):
            self._halt(member)
        elif rests != NOWHERE:
            branch = path[rests]
            self._detach(branch)
            self._unshare(branch, member)
            self._mark(branch)
        for place in range(start, len(path)):
            if member.passes[place]:
                path[place].block(member, place)
                self._mark(path[place])

    def _go_on(self, member: Member, place: int) -> None:
        """Hand a member that passes on to the next resource, or let it run at its limit."""
        if place < len(member.path):
            self._wait(member, place)
        else:
            self._run(member)

    def _wait(self, member: Member, place: int) -> None:
        member.waits = place
        branch = member.path[place]
        branch.pending.append(member)
        self._mark(branch)

    def _mark(self, branch: Branch) -> None:
        if not branch.dirty:
            branch.dirty = True
            self._dirty[branch.depth].append(branch)

    def _run(self, member: Member) -> None:
        """Let a member run at its limit: nothing above holds it."""
        now, limit = self._now, member.limit
        member.waits = NOWHERE
        member.rests = len(member.path)
        member.since = now
        if member.group is None:
            if limit == inf:
                self._unlimited.append(member)
                return
            left = member.left
        else:
            branch = member.group
            first = branch.next_due()
            assert first is not None
            left = first.tag - branch.virtual(now)
            branch.since = now
            branch.level = limit
        member.tag = now + left / limit if limit else inf if left > 0 else now
        member.ticket = next(self._tickets)
        self._running += 1
        heappush(self._ends, (member.tag, member.order, member.ticket, member))

    def _halt(self, member: Member) -> None:
        """Stop a member that ran at its limit."""
        now = self._now
        ran = now - member.since
        member.rests = NOWHERE
        if member.group is not None:
            member.group.bottleneck_s += ran
            self._stop(member.group)
        else:
            assert member.flow is not None
            if not member.ticket:
                self._unlimited = [m for m in self._unlimited if m is not member]
                return
            member.flow.capped_s += ran
            member.left = max(0, member.left - member.limit * ran)
        member.ticket = 0
        self._running -= 1

    def _next_running(self) -> Member | None:
        ends = self._ends
        if len(ends) > TIDY_AFTER + 4 * self._running:
            ends[:] = [entry for entry in ends if entry[3].ticket == entry[2]]
            heapify(ends)
        while ends:
            _, _, ticket, member = ends[0]
            if member.ticket == ticket:
                return member
            heappop(ends)
        return None

    def _next_end(self, now: float) -> float:
        """Seconds to the next end; note which it is, so that rounding cannot miss it then."""
        delay: float = 0 if self._unlimited else inf
        self._due_tag = self._due_end = -inf
        root = self._root
        first = root.next_due() if root.capacity < inf else None
        if first is not None:
            left = first.tag - root.virtual(now)
            wait = left / root.level if root.level else inf if left > 0 else 0
            if wait <= delay:
                delay = max(0, wait)
                self._due_tag = first.tag
        running = self._next_running()
        if running is not None and running.tag - now <= delay:
            if running.tag - now < delay:
                self._due_tag = -inf
            delay = max(0, running.tag - now)
            self._due_end = running.tag
        self._due_at = now + delay
        return delay

    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""
        member = self._members[flow]
        if member.rests == NOWHERE:
            return 0
        if member.rests == len(member.path):
            return member.limit * flow.weight
        return member.path[member.rests].speed() * flow.weight

    def left(self, flow: Flow, now: float) -> float:
        """Bytes that a flow in flight has left at `now`; less than the clock resolves is none."""
        member = self._members[flow]
        if member.rests == NOWHERE:
            return member.left * flow.weight
        if member.rests == len(member.path):
            horizon = max(now, self._due_end) if now >= self._due_at else now
            if not member.ticket or member.tag <= horizon:
                return 0
            return max(0, member.left - member.limit * (now - member.since)) * flow.weight
        branch = member.path[member.rests]
        level = branch.speed()
        left = member.tag - branch.virtual(now)
        if left > 0 and not (level and now + left / level <= now) and not self._is_due(member, now):
            return left * flow.weight
        return 0

    def _is_due(self, member: Member, now: float) -> bool:
        """Whether a flow that shares was foreseen to end by now, as the first of its resource."""
        if now < self._due_at:
            return False
        branch = member.path[member.rests]
        first = branch.next_due()
        while first is not None and member.tag <= first.tag:
            if branch.leader is None:
                if branch is self._root:
                    return first.tag <= self._due_tag
                return branch.group.tag <= self._due_end
            member, branch = branch.group, branch.leader
            first = branch.next_due()
        return False

    def flows(self) -> Iterator[Flow]:
        """All flows in flight, in the order in which they came."""
        return iter(self._members)

    def load(self, resource: str) -> float:
        """Consumption per second of a shared resource, as of the latest solve."""
        branch = self._branches[resource]
        if branch.capacity == inf:  # who passes it is not counted
            return sum(
                self.rate(flow) * m.loads[branch.index(m)] / flow.weight
                for flow, m in self._members.items()
                if branch in m.path
            )
        return branch.load()

    def collect(self) -> dict[str, float]:
        """Return for how long each resource was a bottleneck since the last call."""
        found = {}
        for name, branch in self._branches.items():
            leads = branch.sharing and branch.leader is None
            ran = self._now - branch.since if leads else 0
            if branch.bottleneck_s + ran:
                found[name] = branch.bottleneck_s + ran
            branch.bottleneck_s = -ran
        return found

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
        """Place all flows anew: a resource has no limit any more, or one again."""
        lefts = [(flow, member, self.left(flow, now)) for flow, member in self._members.items()]
        for _, member, _ in lefts:
            self._take_out(member, 0)
        self._unlimited = []
        for flow, member, left in lefts:
            member.left = left / flow.weight
            self._wait(member, 0)


def _sequence(flow: Flow) -> int:
    return flow.sequence
