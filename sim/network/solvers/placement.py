"""Where each member of a tree rests: at the first resource that holds it back, or above all.

A change takes the groups above it apart, up to the root, and puts them together again with their new
limits: a few heap operations for each resource, and few moves of other members, amortised.
"""

from collections.abc import Mapping
from itertools import count
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.route_runs import ByRun
from cutlayer.sim.network.routes import Uses
from cutlayer.sim.network.solvers.branch import NOWHERE, Branch, Member
from cutlayer.sim.network.solvers.virtual_clock import ClockSolver


class Placement(ClockSolver[Member]):
    """The resources and members of a tree, without the account of the flows.

    `chains` has the resources of each route with its consumption, from the lowest to the root.

    `_dirty` has the resources to renew by depth, `_ends` the members that pass all resources by their
    end, `_unlimited` those that nothing limits.
    """

    def __init__(self, capacities: Mapping[str, float], chains: ByRun[Uses]) -> None:
        super().__init__()
        self._branches: dict[str, Branch] = {}

        def branches_of(chain: Uses) -> tuple[tuple[Branch, ...], tuple[float, ...]]:
            above: Branch | None = None
            for name, _ in reversed(chain):
                branch = self._branches.get(name)
                if branch is None:
                    order = -1 - len(self._branches)  # before all flows
                    branch = self._branches[name] = Branch(name, capacities[name], above, order)
                above = branch
            assert above is not None
            return (above, *above.path), tuple(amount for _, amount in chain)

        self._chains = chains.mapped(branches_of)
        self._root = next(iter(self._branches.values()))
        self._dirty: list[list[Branch]] = [
            [] for _ in range(1 + max(branch.depth for branch in self._branches.values()))
        ]
        self._members: dict[Flow, Member] = {}
        self._turns = count(1)
        self._forget()

    def _forget(self) -> None:
        super()._forget()
        self._running = 0

    def _renew_dirty(self) -> None:
        """Place the waiting members and restore all levels, from the lowest resources up."""
        for branches in reversed(self._dirty):
            for branch in branches:
                branch.dirty = False
                self._renew(branch)
            branches.clear()

    def _renew(self, branch: Branch) -> None:
        """Bring a resource's members and level up to date, and pass its group on."""
        now = self._now
        self._detach(branch)
        if branch.capacity == inf:
            for member in branch.pending:
                index = branch.index(member)
                if member.waits == index:
                    self._go_on(member, index + 1)
            branch.pending.clear()
            return
        if branch.pending:
            self._place(branch)
        level = self._balance(branch)
        if not branch.sharing:
            branch.clock.reset()
            branch.tidy(now)
            return
        branch.tidy(now)
        branch.group.limit = level
        if branch.path:
            self._wait(branch.group, 0)
        else:
            branch.clock.run(now, level)

    def _place(self, branch: Branch) -> None:
        """Let each new member pass or share, by a good guess: a burst needs no moves then."""
        new = []
        load = branch.sharing_load
        for member in branch.pending:
            index = branch.index(member)
            if member.waits == index:
                member.waits = NOWHERE
                new.append((member, index))
                load += member.loads[index]
        branch.pending.clear()
        if new:
            guess = (branch.capacity - branch.passing_load) / load
            for member, index in new:
                if member.limit <= guess and member.limit < inf:
                    branch.let_pass(member, index)
                    self._go_on(member, index + 1)
                else:
                    self._share(branch, member, index)

    def _balance(self, branch: Branch) -> float:
        """Move members until limits of passing <= level < limits of sharing; return the level.

        As in star.py, a member that would be moved back differs by rounding only, and ends the search.
        """
        turn = next(self._turns)
        while True:
            level = branch.full_at()
            sharing = branch.sharing_by_limit
            while sharing.entries and (member := sharing.first()) is not None:
                if member.limit > level or member.turn == turn:
                    break
                member.turn = turn
                index = member.rests
                self._unshare(branch, member)
                branch.let_pass(member, index)
                self._go_on(member, index + 1)
                level = branch.full_at()
            member = branch.passing_by_limit.first()
            if member is None or member.turn == turn:
                return level
            if member.limit <= level and (branch.sharing or branch.passing_load <= branch.capacity):
                return level
            member.turn = turn
            index = branch.index(member)
            self._take_out(member, index + 1)
            branch.block(member, index)
            self._share(branch, member, index)

    def _share(self, branch: Branch, member: Member, index: int) -> None:
        """Let a member share a resource whose group is detached."""
        virtual = branch.clock.at(self._now)
        inner = member.group
        if inner is None:
            member.tag = virtual + member.left
        else:
            clock = inner.clock
            clock.offset = clock.at(self._now) - virtual
            clock.leader = branch.clock
            member.tag = inner.first_due().tag - clock.offset
        branch.share(member, index)

    def _unshare(self, branch: Branch, member: Member) -> None:
        """Remove a member that shares; its clock, or what it has left, stops at the present."""
        if member.group is None:
            member.left = max(0, member.tag - branch.clock.at(self._now))
        else:
            member.group.clock.stop(self._now)
        branch.unshare(member)

    def _detach(self, branch: Branch) -> None:
        """Take a resource's group from all resources above it, and stop its clock."""
        if branch.path:
            if branch.group.rests != NOWHERE:
                self._take_out(branch.group, 0)
            branch.group.waits = NOWHERE
            return
        if self._now != branch.clock.since and branch.sharing:
            branch.bottleneck_s += self._now - branch.clock.since
        branch.clock.stop(self._now)

    def _take_out(self, member: Member, start: int) -> None:
        """Take a member from all resources on its path from `start` on, which become dirty."""
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
        for index in range(start, len(path)):
            if member.passes[index]:
                path[index].block(member, index)
                self._mark(path[index])

    def _go_on(self, member: Member, index: int) -> None:
        """Pass a member on to the next resource, or let it run at its limit."""
        if index < len(member.path):
            self._wait(member, index)
        else:
            self._run(member)

    def _wait(self, member: Member, index: int) -> None:
        member.waits = index
        branch = member.path[index]
        branch.pending.append(member)
        self._mark(branch)

    def _mark(self, branch: Branch) -> None:
        if not branch.dirty:
            branch.dirty = True
            self._dirty[branch.depth].append(branch)

    def _run(self, member: Member) -> None:
        """Let a member run at its limit: no resource above holds it back."""
        now, limit = self._now, member.limit
        member.waits = NOWHERE
        member.rests = len(member.path)
        member.since = now
        if member.group is None:
            if limit == inf:
                member.tag = -inf
                self._unlimited.append(member)
                return
            left = member.left
        else:
            clock = member.group.clock
            left = member.group.first_due().tag - clock.at(now)
            clock.run(now, limit)
        member.tag = now + left / limit if limit else inf if left > 0 else now
        self._running += 1
        self._ends.push(member.tag, member.order, member)

    def _halt(self, member: Member) -> None:
        """Stop a member that ran at its limit."""
        now = self._now
        ran = now - member.since
        member.rests = NOWHERE
        if member.group is not None:
            member.group.bottleneck_s += ran
            member.group.clock.stop(now)
        else:
            assert member.flow is not None
            if member.tag == -inf:
                self._unlimited = [m for m in self._unlimited if m is not member]
                return
            member.flow.capped_s += ran
            member.left = max(0, member.left - member.limit * ran)
        member.number += 1
        self._running -= 1
