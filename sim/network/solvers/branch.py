"""The parts of a tree of shared resources: its resources, and who shares or passes each of them.

A *member* is a transfer, or the transfers that share one resource and go on together to those above
it (its *group*). Everything is per weight, as in sides.py: `limit` is the level that a member reaches
at most (a transfer's cap, or the level at which its own resource is full), `loads` what it consumes
of each resource on its path, from the lowest up, at level 1.

On its path up, a member passes every resource whose level is at least its limit, and stays at the first
one whose level is below: there it shares. One that passes them all runs at its limit.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow

NOWHERE: Final = -1
TIDY_AFTER: Final = 64

Entry = tuple[float, int, int, "Member"]  # key, order, ticket, member


class Member:
    """A transfer (`flow`) or a resource's group (`group`), with its place on its path up.

    `path` are the resources above it, the lowest first. `rests` is the index of the one where it
    shares, `len(path)` if it passes all, or NOWHERE; `waits` the index of the one that is to place it.
    `passes` has a ticket for each resource that it passes, `ticket` is for where it rests. `tag` is
    when it ends: a virtual time of the resource where it shares, else a time. `left` was left at
    `since`, while it runs at its limit.
    """

    __slots__ = (
        "flow",
        "group",
        "left",
        "limit",
        "loads",
        "order",
        "passes",
        "path",
        "rests",
        "since",
        "tag",
        "ticket",
        "turn",
        "waits",
    )

    def __init__(
        self,
        path: tuple["Branch", ...],
        loads: list[float],
        order: int,
        flow: Flow | None = None,
        group: "Branch | None" = None,
    ) -> None:
        self.path = path
        self.loads = loads
        self.order = order
        self.flow = flow
        self.group = group
        self.limit: float = inf
        self.passes = [0] * len(path)
        self.rests = NOWHERE
        self.waits = NOWHERE
        self.ticket = 0
        self.turn = 0
        self.tag: float = 0
        self.left: float = 0
        self.since: float = 0


class Branch:
    """A shared resource: who passes it and who shares it, with the virtual clock of those that share.

    Of those that pass, some share a resource above and run below their limit there: `lent_load` has
    the sum of their loads here by how far above that is, `lent_at_limit` what they would take here at
    their limits.

    The clock advances at the group's level: its own while the group passes all resources above
    (`leader` is None), else that of `leader`, where the group shares, from which it is `offset` away.
    """

    __slots__ = (
        "base",
        "bottleneck_s",
        "capacity",
        "changes",
        "depth",
        "dirty",
        "group",
        "leader",
        "lent_at_limit",
        "lent_load",
        "level",
        "name",
        "offset",
        "passing",
        "passing_by_limit",
        "passing_load",
        "path",
        "pending",
        "sharing",
        "sharing_by_limit",
        "sharing_by_tag",
        "sharing_load",
        "since",
    )

    def __init__(self, name: str, capacity: float, parent: "Branch | None", order: int) -> None:
        self.name = name
        self.capacity = capacity
        self.path: tuple[Branch, ...] = () if parent is None else (parent, *parent.path)
        self.depth = len(self.path)
        self.group = Member(self.path, [0] * self.depth, order, group=self)
        self.pending: list[Member] = []
        self.passing_by_limit: list[Entry] = []  # keys negative: the largest first
        self.sharing_by_limit: list[Entry] = []  # without those that have no limit
        self.sharing_by_tag: list[Entry] = []
        self.bottleneck_s: float = 0
        self.dirty = False
        self.clear()

    def clear(self) -> None:
        """Forget all members and times."""
        for heap in (self.passing_by_limit, self.sharing_by_limit, self.sharing_by_tag):
            heap.clear()
        self.pending.clear()
        self.passing = self.sharing = self.changes = 0
        self.passing_load: float = 0
        self.sharing_load: float = 0
        self.lent_load: list[float] = [0] * self.depth
        self.lent_at_limit: list[float] = [0] * self.depth
        self.leader: Branch | None = None
        self.offset: float = 0
        self.base: float = 0
        self.since: float = 0
        self.level: float = 0
        self.group.rests = self.group.waits = NOWHERE
        self.group.loads = [0] * self.depth

    def full_at(self) -> float:
        """Return the level at which the members fill the resource; infinite if none shares it."""
        if not self.sharing:
            return inf
        return max(0, (self.capacity - self.passing_load) / self.sharing_load)

    def virtual(self, now: float) -> float:
        """Return the virtual time of those that share it."""
        if self.leader is not None:
            return self.leader.virtual(now) + self.offset
        if now == self.since:
            return self.base
        return self.base + self.level * (now - self.since)

    def speed(self) -> float:
        """Return the level at which those that share it run now."""
        branch = self
        while branch.leader is not None:
            branch = branch.leader
        return branch.level

    def load(self) -> float:
        """Return what is consumed of it per second now."""
        load = self.passing_load
        if self.sharing:
            load += self.sharing_load * self.speed()
        for above, lent, at_limit in zip(
            self.path, self.lent_load, self.lent_at_limit, strict=True
        ):
            if lent and above.sharing:
                load += lent * above.speed() - at_limit
        return max(0, load)

    def index(self, member: Member) -> int:
        """Return the place of this resource on a member's path."""
        return member.path[0].depth - self.depth

    def let_pass(self, member: Member, place: int, ticket: int) -> None:
        """Take a member as one that passes."""
        member.passes[place] = ticket
        self.passing += 1
        self.changes += 1
        self.passing_load += member.loads[place] * member.limit
        heappush(self.passing_by_limit, (-member.limit, member.order, ticket, member))

    def block(self, member: Member, place: int) -> None:
        """Take away a member that passed."""
        member.passes[place] = 0
        self.passing -= 1
        self.changes += 1
        load = self.passing_load - member.loads[place] * member.limit
        # Rounding must not leave less than nothing: an outage would let transfers creep.
        self.passing_load = load if self.passing and load > 0 else 0
        if not self.passing:
            self.lent_load = [0] * self.depth
            self.lent_at_limit = [0] * self.depth

    def lend(self, member: Member, place: int, rests: int, sign: int = 1) -> None:
        """Note that a member that passes here, on its place, shares the resource `rests` above."""
        if self.capacity < inf:
            load = sign * member.loads[place]
            self.lent_load[rests - place - 1] += load
            self.lent_at_limit[rests - place - 1] += load * member.limit

    def share(self, member: Member, place: int, ticket: int) -> None:
        """Take a member, whose tag is set, as one that shares; the group must be detached."""
        member.rests = place
        member.ticket = ticket
        self.sharing += 1
        self.changes += 1
        self.sharing_load += member.loads[place]
        loads = self.group.loads
        for above in range(self.depth):
            loads[above] += member.loads[place + 1 + above]
        for below in range(place):
            member.path[below].lend(member, below, place)
        heappush(self.sharing_by_tag, (member.tag, member.order, ticket, member))
        if member.limit < inf:
            heappush(self.sharing_by_limit, (member.limit, member.order, ticket, member))

    def unshare(self, member: Member) -> None:
        """Take away a member that shared; the group must be detached."""
        place = member.rests
        member.rests = NOWHERE
        member.ticket = 0
        for below in range(place):
            member.path[below].lend(member, below, place, -1)
        self.sharing -= 1
        self.changes += 1
        loads = self.group.loads
        if self.sharing:
            self.sharing_load -= member.loads[place]
            for above in range(self.depth):
                loads[above] -= member.loads[place + 1 + above]
        else:
            self.sharing_load = 0
            self.group.loads = [0] * self.depth

    def next_passing(self) -> Member | None:
        """Return the member with the largest limit among those that pass."""
        heap = self.passing_by_limit
        while heap:
            _, _, ticket, member = heap[0]
            if member.passes[self.index(member)] == ticket:
                return member
            heappop(heap)
        return None

    def next_sharing(self) -> Member | None:
        """Return the member with the least limit among those that share."""
        return _first(self.sharing_by_limit)

    def next_due(self) -> Member | None:
        """Return the member that ends next among those that share."""
        return _first(self.sharing_by_tag)

    def sharers(self) -> Iterator[Member]:
        """Yield the members that share, in no particular order."""
        return (m for _, _, ticket, m in self.sharing_by_tag if m.ticket == ticket)

    def tidy(self, now: float) -> None:
        """Drop stale entries, put the clock back to 0 and add the sums afresh, against rounding."""
        if self.changes <= TIDY_AFTER + 4 * (self.passing + self.sharing):
            return
        self.changes = 0
        shift = self.virtual(now)
        self.base = 0
        members = list(self.sharers())
        for member in members:
            member.tag -= shift
            if member.group is not None:
                member.group.offset += shift
        self.sharing_by_tag[:] = [(m.tag, m.order, m.ticket, m) for m in members]
        self.sharing_by_limit[:] = [
            (m.limit, m.order, m.ticket, m) for m in members if m.limit < inf
        ]
        self.passing_by_limit[:] = [
            entry
            for entry in self.passing_by_limit
            if entry[3].passes[self.index(entry[3])] == entry[2]
        ]
        self.sharing_load = sum(m.loads[m.rests] for m in members)
        self.group.loads = [
            sum(m.loads[m.rests + 1 + above] for m in members) for above in range(self.depth)
        ]
        passing = [entry[3] for entry in self.passing_by_limit]
        self.passing_load = sum(m.loads[self.index(m)] * m.limit for m in passing)
        self.lent_load = [0] * self.depth
        self.lent_at_limit = [0] * self.depth
        for member in passing:
            if NOWHERE < member.rests < len(member.path):
                self.lend(member, self.index(member), member.rests)
        for heap in (self.sharing_by_tag, self.sharing_by_limit, self.passing_by_limit):
            heapify(heap)


def _first(heap: list[Entry]) -> Member | None:
    while heap:
        _, _, ticket, member = heap[0]
        if member.ticket == ticket:
            return member
        heappop(heap)
    return None
