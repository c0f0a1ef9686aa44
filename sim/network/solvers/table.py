"""The account of the flows of a large component, in arrays that stay from one solve to the next."""

from collections.abc import Iterator, Sequence
from itertools import count
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.network.solvers.max_min_arrays import (
    NO_RESOURCE,
    Indices,
    Marks,
    Numbers,
    fill_arrays,
)
from cutlayer.sim.network.solvers.resource import Resource, Sender

SPARE: Final = 64
"""Resources are numbered anew once more than this many of them have no user."""


class Table:
    """A row for each flow, in the order in which they came, and one for each use of a resource.

    `Sender.row` is a flow's number here, from 1 on; numbers rise from row to row. A flow that is
    taken out has the number 0; the next `update` drops its row, and adds rows for new flows.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._gone: list[int] = []
        self._senders: NDArray[np.object_] = np.empty(0, object)
        self._number: Indices = np.empty(0, np.intp)
        self._bind(np.empty((5, 0)))
        self._capped: Marks = np.empty(0, bool)
        self._next: Indices = np.empty(0, np.intp)  # the rows that end first
        # The uses of each flow, a column each as in fill_arrays.py; a resource is an index in the lists:
        self._resource: Indices = np.empty((1, 0), np.intp)
        self._consumption: Numbers = np.empty((1, 0))
        self._resources: list[Resource | None] = [None]
        self._capacity: Numbers = np.array([inf])
        self._index_of: dict[Resource, int] = {}
        self._loads: Numbers | None = None

    def _bind(self, account: Numbers) -> None:
        self._account = account
        self._weight, self._limit, self._left, self._rate, self._capped_s = account

    def senders(self) -> Iterator[Sender]:
        """Return the flows that were not taken out."""
        return (sender for sender in self._senders if sender.row)

    def advance(self, elapsed: float) -> None:
        """Subtract what has been sent in `elapsed` seconds."""
        self._left -= self._rate * elapsed
        np.maximum(self._left, 0, out=self._left)
        self._capped_s += self._capped * elapsed

    def end_next(self) -> None:
        """Leave nothing to the flows that were foreseen to end first."""
        self._left[self._next] = 0

    def rate(self, sender: Sender) -> float:
        """Return the rate of a flow, bytes/s."""
        return float(self._rate[self._row(sender)])

    def account(self, sender: Sender) -> tuple[float, float, bool]:
        """Return the bytes that a flow has left, its rate, and whether it was foreseen to end first."""
        row = self._row(sender)
        return float(self._left[row]), float(self._rate[row]), row in self._next

    def set_limit(self, sender: Sender, limit: float) -> None:
        """Change the cap of a flow, and add the time at its old cap to its account."""
        row = self._row(sender)
        self._limit[row] = limit
        sender.flow.capped_s += float(self._capped_s[row])
        self._capped_s[row] = 0

    def set_capacity(self, resource: Resource) -> None:
        """Use the new capacity of a resource."""
        index = self._index_of.get(resource)
        if index is not None:
            self._capacity[index] = resource.capacity

    def take_out(self, sender: Sender) -> None:
        """Copy the account of a flow to the flow; its row is dropped later."""
        row = self._row(sender)
        self._gone.append(sender.row)
        sender.row = 0
        sender.left = float(self._left[row])
        sender.rate = float(self._rate[row])
        sender.flow.capped_s += float(self._capped_s[row])

    def ended(self, now: float) -> list[Sender]:
        """Return the flows with nothing left that the clock could resolve, unless taken out."""
        over = now + self._waits() <= now
        return [sender for sender in self._senders[over] if sender.row]

    def update(self, new: Sequence[Sender]) -> None:
        """Drop the rows of the flows taken out, add rows for new ones."""
        if self._gone:
            self._drop()
        if new:
            self._add(new)

    def _drop(self) -> None:
        keep = np.ones(len(self._number), bool)
        keep[np.searchsorted(self._number, self._gone)] = False
        self._gone.clear()
        self._senders, self._number = self._senders[keep], self._number[keep]
        self._bind(self._account[:, keep])
        self._resource, self._consumption = self._resource[:, keep], self._consumption[:, keep]
        if len(self._capacity) > SPARE + self._resource.size:
            self._renumber()

    def _renumber(self) -> None:
        """Forget resources without a user."""
        used, indices = np.unique(np.append(NO_RESOURCE, self._resource), return_inverse=True)
        self._resource = indices.ravel()[1:].reshape(self._resource.shape)
        self._capacity = self._capacity[used]
        self._resources = [self._resources[k] for k in used]
        self._index_of = {r: k for k, r in enumerate(self._resources) if r is not None}

    def _add(self, new: Sequence[Sender]) -> None:
        most = max(len(sender.uses) for sender in new)
        if most > len(self._resource):
            below = ((0, most - len(self._resource)), (0, 0))
            self._resource = np.pad(self._resource, below)
            self._consumption = np.pad(self._consumption, below)
        resource = np.full((len(new), len(self._resource)), NO_RESOURCE)
        consumption = np.zeros(resource.shape)
        capacities: dict[int, float] = {}
        for row, (sender, number) in enumerate(zip(new, self._numbers, strict=False)):
            sender.row = number
            uses = [(used, a) for used, a in sender.uses if used.capacity < inf]
            for k, (used, a) in enumerate(uses):
                index = self._index_of.setdefault(used, 1 + len(self._index_of))
                resource[row, k], consumption[row, k] = index, a
                capacities[index] = used.capacity
        self._resource = np.hstack((self._resource, resource.T))
        self._consumption = np.hstack((self._consumption, consumption.T))
        rows = [(s.flow.weight, s.limit, s.left, s.rate, 0.0) for s in new]
        self._bind(np.hstack((self._account, np.array(rows, float).T)))
        self._senders = np.append(self._senders, _objects(new))
        self._number = np.append(self._number, [sender.row for sender in new])
        self._resources = [None, *self._index_of]
        unknown = len(self._resources) - len(self._capacity)
        self._capacity = np.append(self._capacity, np.empty(unknown))
        # Known capacities may have changed while no flow in the table crossed the resource.
        self._capacity[list(capacities)] = list(capacities.values())

    def solve(self) -> tuple[float, list[Resource]]:
        """Share out anew; return the seconds to the first end, and the bottlenecks."""
        self._rate[:], full = fill_arrays(
            self._capacity, self._weight, self._limit, self._resource, self._consumption
        )
        self._capped = self._rate >= self._limit
        self._loads = None
        wait = self._waits()
        delay = wait.min()
        self._next = np.flatnonzero(wait == delay)
        bottlenecks = (self._resources[k] for k in np.flatnonzero(full))
        return float(delay), [resource for resource in bottlenecks if resource is not None]

    def load(self, resource: Resource) -> float:
        """Return the consumption per second of a resource, as of the latest solve."""
        loads = self._loads
        if loads is None:
            used = (self._consumption * self._rate).ravel()
            loads = np.bincount(self._resource.ravel(), used, len(self._resources)).astype(float)
            self._loads = loads
        index = self._index_of.get(resource)
        return 0.0 if index is None else float(loads[index])

    def _waits(self) -> Numbers:
        wait = np.where(self._left > 0, inf, 0.0)
        np.divide(self._left, self._rate, out=wait, where=self._rate > 0)
        return wait

    def _row(self, sender: Sender) -> int:
        return int(np.searchsorted(self._number, sender.row))


def _objects(senders: Sequence[Sender]) -> NDArray[np.object_]:
    array = np.empty(len(senders), object)
    array[:] = senders
    return array
