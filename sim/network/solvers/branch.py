"""The parts of a tree of shared resources: its resources, and what shares or passes each of them.

A *member* is a flow, or the flows that share one resource and go on together to those above it (its
*group*). Everything is per weight, as in capped_sharing.py: `limit` is the highest level that a member
reaches (a flow's cap, or the level at which its own resource is full), `loads` is its consumption of
each resource on its path at level 1, from the lowest up.

On its path up, a member passes every resource whose level is at least its limit, and stays at the
first one whose level is below: there it shares. A member that passes them all runs at its limit.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.lazy_heap import TIDY_AFTER, LazyHeap
from cutlayer.sim.network.solvers.virtual_clock import VirtualClock

NOWHERE: Final = -1


class Member:
    """A flow (`flow`) or a resource's group (`group`), and how far it has come on its path.

    `path` has the resources above it, the lowest first. `rests` is the index of the one where it
    shares, `len(path)` if it passes all, or NOWHERE; `waits` is the index of the one that is to place
    it. `tag` is when it ends: a virtual time of the resource where it shares, else a time (-inf if
    nothing limits it). `left` was left at `since`, while it runs at its limit.

    `passes` has its number in the heap of each resource that it passes, else 0; `number` is that of its
    valid entries where it rests.
    """

    __slots__ = (
        "flow",
        "group",
        "left",
        "limit",
        "loads",
        "number",
        "order",
        "passes",
        "path",
        "rests",
        "since",
        "tag",
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
        self.number = 0
        self.turn = 0
        self.tag: float = 0
        self.left: float = 0
        self.since: float = 0


class PassingHeap(LazyHeap[Member]):
    """The members that pass a resource at `depth`, the largest limit first.

    A member passes several resources, so that its valid numbers are in `Member.passes`.
    """

    __slots__ = ("_depth", "_pushed")

    def __init__(self, depth: int) -> None:
        super().__init__()
        self._depth = depth
        self._pushed = 0

    def add(self, member: Member, index: int) -> None:
        """Add a member; the resource has this index on its path."""
        self._pushed += 1
        member.passes[index] = self._pushed
        heappush(self.entries, (-member.limit, member.order, self._pushed, member))

    def first(self) -> Member | None:
        """Return the member with the largest limit, or None if none passes."""
        entries, depth = self.entries, self._depth
        while entries:
            _, _, number, member = entries[0]
            if member.passes[member.path[0].depth - depth] == number:
                return member
            heappop(entries)
        return None

    def _valid(self) -> list[tuple[float, int, int, Member]]:
        depth = self._depth
        return [e for e in self.entries if e[3].passes[e[3].path[0].depth - depth] == e[2]]


class Branch:
    """A shared resource, the members that pass it, and those that share it by one virtual clock.

    Of the members that pass, some share a resource above and run below their limit there: `lent_load`
    has the sum of their loads here by how far above that is, `lent_at_limit` what they would consume
    here at their limits.

    The clock advances at the group's level while the group passes all resources above, else it follows
    the clock of the resource where the group shares.
    """

    def __init__(self, name: str, capacity: float, parent: "Branch | None", order: int) -> None:
        self.name = name
        self.capacity = capacity
        self.path: tuple[Branch, ...] = () if parent is None else (parent, *parent.path)
        self.depth = len(self.path)
        self.group = Member(self.path, [0] * self.depth, order, group=self)
        self.pending: list[Member] = []
        self.passing_by_limit = PassingHeap(self.depth)
        self.sharing_by_limit: LazyHeap[Member] = LazyHeap()  # without those that have no limit
        self.sharing_by_tag: LazyHeap[Member] = LazyHeap()
        self.clock = VirtualClock()
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
        self._forget_lent()
        self.clock.reset()
        self.group.rests = self.group.waits = NOWHERE
        self.group.loads = [0] * self.depth

    def _forget_lent(self) -> None:
        self.lent_load: list[float] = [0] * self.depth
        self.lent_at_limit: list[float] = [0] * self.depth

    def full_at(self) -> float:
        """Return the level at which the members fill the resource; infinite if none shares it."""
        if not self.sharing:
            return inf
        return max(0, (self.capacity - self.passing_load) / self.sharing_load)

    def load(self) -> float:
        """Return the consumption of it per second now."""
        load = self.passing_load
        if self.sharing:
            load += self.sharing_load * self.clock.speed()
        for above, lent, at_limit in zip(
            self.path, self.lent_load, self.lent_at_limit, strict=True
        ):
            if lent and above.sharing:
                load += lent * above.clock.speed() - at_limit
        return max(0, load)

    def index(self, member: Member) -> int:
        """Return the index of this resource on a member's path."""
        return member.path[0].depth - self.depth

    def let_pass(self, member: Member, index: int) -> None:
        """Add a member that passes."""
        self.passing += 1
        self.changes += 1
        self.passing_load += member.loads[index] * member.limit
        self.passing_by_limit.add(member, index)

    def block(self, member: Member, index: int) -> None:
        """Remove a member that passed."""
        member.passes[index] = 0
        self.passing -= 1
        self.changes += 1
        load = self.passing_load - member.loads[index] * member.limit
        # Rounding must not leave less than nothing: flows would creep during an outage.
        self.passing_load = load if self.passing and load > 0 else 0
        if not self.passing:
            self._forget_lent()

    def lend(self, member: Member, index: int, rests: int, sign: int = 1) -> None:
        """Record that a member that passes here, at `index`, shares the resource at `rests`."""
        if self.capacity < inf:
            load = sign * member.loads[index]
            self.lent_load[rests - index - 1] += load
            self.lent_at_limit[rests - index - 1] += load * member.limit

    def share(self, member: Member, index: int) -> None:
        """Add a member, whose tag is set, that shares; the group must be detached."""
        member.rests = index
        self.sharing += 1
        self.changes += 1
        self.sharing_load += member.loads[index]
        loads = self.group.loads
        for above in range(self.depth):
            loads[above] += member.loads[index + 1 + above]
        for below in range(index):
            member.path[below].lend(member, below, index)
        self.sharing_by_tag.push(member.tag, member.order, member)
        if member.limit < inf:
            self.sharing_by_limit.push(member.limit, member.order, member)

    def unshare(self, member: Member) -> None:
        """Remove a member that shared; the group must be detached."""
        index = member.rests
        member.rests = NOWHERE
        member.number += 1
        for below in range(index):
            member.path[below].lend(member, below, index, -1)
        self.sharing -= 1
        self.changes += 1
        loads = self.group.loads
        if self.sharing:
            self.sharing_load -= member.loads[index]
            for above in range(self.depth):
                loads[above] -= member.loads[index + 1 + above]
        else:
            self.sharing_load = 0
            self.group.loads = [0] * self.depth

    def first_due(self) -> Member:
        """Return the member that ends first among those that share; there must be one."""
        first = self.sharing_by_tag.first()
        assert first is not None
        return first

    def tidy(self, now: float) -> None:
        """Drop obsolete entries, set the clock to 0 and add the sums anew, against rounding."""
        if self.changes <= TIDY_AFTER + 4 * (self.passing + self.sharing):
            return
        self.changes = 0
        shift = self.clock.at(now)
        self.clock.value = 0
        members = list(self.sharing_by_tag.items())
        for member in members:
            member.tag -= shift
            if member.group is not None:
                member.group.clock.offset += shift
        self.sharing_load = sum(m.loads[m.rests] for m in members)
        self.group.loads = [
            sum(m.loads[m.rests + 1 + above] for m in members) for above in range(self.depth)
        ]
        self._add_passing(self.passing_by_limit.items())
        self.sharing_by_tag.tidy(lambda member: member.tag)
        self.sharing_by_limit.tidy()
        self.passing_by_limit.tidy()

    def _add_passing(self, members: Iterable[Member]) -> None:
        self.passing_load = 0
        self._forget_lent()
        for member in members:
            index = self.index(member)
            self.passing_load += member.loads[index] * member.limit
            if NOWHERE < member.rests < len(member.path):
                self.lend(member, index, member.rests)
