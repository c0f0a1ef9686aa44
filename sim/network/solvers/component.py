"""The flows that are connected at the moment: a change of one may change the rates of all of them.

A component's account stands at `now`, the time of its latest change, and is advanced from there at
the next one. A few flows have an account each; those of a large component are in a table.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import inf
from typing import Final

from cutlayer.sim.network.solvers.max_min import share_out
from cutlayer.sim.network.solvers.resource import Resource, Sender
from cutlayer.sim.network.solvers.table import Table

TABLE_FROM: Final = 40
"""From this many flows on a table is faster; with less than half as many it is given up."""


class Component:
    """Flows that share resources with each other, and with no flow of another component.

    `due_at` is when the first of them ends, as of the latest solve; `number` is that of its entry in
    the solver's heap of ends. `torn` are resources that lost a flow which crossed others as well: they
    may be connected no more.
    """

    def __init__(self, now: float) -> None:
        self.count = 0
        self.now = now
        self.due_at: float = inf
        self.number = 0
        self.torn: dict[Resource, None] = {}
        self._loose: dict[Sender, None] = {}  # not in the table
        self._table: Table | None = None
        self._next: Sequence[Sender] = ()
        self._bottlenecks: Sequence[Resource] = ()

    def senders(self) -> Iterator[Sender]:
        """Return all its flows, in a reproducible order."""
        return chain(() if self._table is None else self._table.senders(), self._loose)

    def advance(self, now: float, horizon: float) -> None:
        """Subtract what has been sent; flows foreseen to end by `horizon` have nothing left."""
        if now != self.now:
            elapsed = now - self.now
            if self._table is not None:
                self._table.advance(float(elapsed))
            for sender in self._loose:
                sender.left = max(0, sender.left - sender.rate * elapsed)
                if sender.rate >= sender.limit:
                    sender.flow.capped_s += elapsed
            for resource in self._bottlenecks:
                resource.bottleneck_s += elapsed
            self.now = now
        if self.due_at <= horizon:
            self.due_at = inf
            if self._table is not None:
                self._table.end_next()
            for sender in self._next:
                sender.left = 0

    def join(self, sender: Sender) -> None:
        """Add a flow, whose account is as of now."""
        self._loose[sender] = None
        self.count += 1

    def leave(self, sender: Sender) -> None:
        """Remove a flow; its account is as of now."""
        if sender.row:
            assert self._table is not None
            self._table.take_out(sender)
        else:
            del self._loose[sender]
        self.count -= 1

    def set_limit(self, sender: Sender, limit: float) -> None:
        """Change the cap of a flow, from now on."""
        sender.limit = limit
        if sender.row:
            assert self._table is not None
            self._table.set_limit(sender, limit)

    def set_capacity(self, resource: Resource) -> None:
        """Use the new capacity of a resource, from now on."""
        if self._table is not None:
            self._table.set_capacity(resource)

    def ended(self) -> list[Sender]:
        """Return the flows with nothing left that the clock could resolve."""
        over = [] if self._table is None else self._table.ended(float(self.now))
        for sender in self._loose:
            left, rate = sender.left, sender.rate
            if left <= 0 or (rate and self.now + left / rate <= self.now):
                over.append(sender)
        return over

    def solve(self) -> None:
        """Share out anew, from now on."""
        if self._wants_table():
            if self._table is None:
                self._table = Table()
            self._table.update(list(self._loose))
            self._loose.clear()
            self._next = ()
            delay, self._bottlenecks = self._table.solve()
        else:
            if self._table is not None:
                for sender in list(self._table.senders()):
                    self._table.take_out(sender)
                    self._loose[sender] = None
                self._table = None
            delay = self._solve_loose()
        self.due_at = self.now + delay

    def _wants_table(self) -> bool:
        if self._table is not None:
            return 2 * self.count >= TABLE_FROM
        return self.count >= TABLE_FROM and all(
            isinstance(number, int | float)
            for sender in self._loose
            for number in (
                sender.left,
                sender.limit,
                sender.flow.weight,
                *(n for used, a in sender.uses for n in (a, used.capacity)),
            )
        )

    def _solve_loose(self) -> float:
        senders = list(self._loose)
        rates, self._bottlenecks = share_out(
            {resource: resource.capacity for sender in senders for resource, _ in sender.uses},
            [sender.flow.weight for sender in senders],
            [sender.limit for sender in senders],
            [sender.uses for sender in senders],
        )
        waits: list[float] = []
        for sender, rate in zip(senders, rates, strict=True):
            sender.rate = rate
            waits.append(sender.left / rate if rate else inf if sender.left else 0)
        delay = min(waits)
        self._next = [s for s, wait in zip(senders, waits, strict=True) if wait == delay]
        return delay

    def rate(self, sender: Sender) -> float:
        """Return the rate of a flow in bytes/s, as of the latest solve."""
        if sender.row:
            assert self._table is not None
            return self._table.rate(sender)
        return sender.rate

    def left(self, sender: Sender, now: float, horizon: float) -> float:
        """Return the bytes that a flow has left at `now`; less than the clock resolves is none."""
        if sender.row:
            assert self._table is not None
            left, rate, first = self._table.account(sender)
        else:
            left, rate, first = sender.left, sender.rate, sender in self._next
        if self.due_at <= horizon and first:
            return 0
        if now != self.now:
            left = left - rate * (now - self.now)
        return 0 if left <= 0 or (rate and now + left / rate <= now) else left

    def load(self, resource: Resource) -> float:
        """Return the consumption per second of one of its resources, as of the latest solve."""
        if self._table is not None:
            return self._table.load(resource)
        return sum(
            a * sender.rate
            for sender in resource.users
            for used, a in sender.uses
            if used is resource
        )

    def bottlenecks(self) -> Sequence[Resource]:
        """Return the resources that hold a flow back below its cap, as of the latest solve."""
        return self._bottlenecks
