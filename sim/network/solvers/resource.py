"""Shared resources and the flows in flight on them, and which of them are connected at the moment."""

from collections.abc import Iterable, Iterator
from math import inf

from cutlayer.sim.network.flow import Flow


class Sender:
    """A flow in flight and the shared resources it crosses, with the consumption per byte of each.

    `row` is its number in a table (see table.py), 0 outside. The account of a flow in a table is
    kept there, that of another one here: at the time of its component it has `left` bytes to send
    and runs at `rate` bytes/s, at most `limit`.
    """

    __slots__ = ("flow", "left", "limit", "rate", "row", "uses")

    def __init__(
        self, flow: Flow, uses: "tuple[tuple[Resource, float], ...]", left: float, limit: float
    ) -> None:
        self.flow = flow
        self.uses = uses
        self.left = left
        self.limit = limit
        self.rate: float = 0
        self.row = 0


class Resource:
    """A shared resource and the flows in flight that cross it.

    `bottleneck_s` is for how many seconds it held back a flow that was below its cap.
    """

    __slots__ = ("bottleneck_s", "capacity", "name", "users")

    def __init__(self, name: str, capacity: float) -> None:
        self.name = name
        self.capacity = capacity
        self.users: dict[Sender, None] = {}
        self.bottleneck_s: float = 0


class _Search:
    """What one start reaches, or several whose searches met; `ahead` is still to be looked at."""

    __slots__ = ("ahead", "reached")

    def __init__(self, start: Resource) -> None:
        self.reached = [start]
        self.ahead: list[Iterator[Sender]] = [iter(start.users)]


def separated(starts: Iterable[Resource]) -> list[list[Resource]]:
    """Return the connected parts that `starts` lie in, except one of the larger parts.

    All starts are searched from in turns, a flow each. Searches that meet are merged, a search that
    comes to its end has found a part, and the last one left is given up. The cost is a few steps
    while everything is connected, else it is in proportion to the smaller parts.
    """
    owner = {start: _Search(start) for start in starts}
    live = dict.fromkeys(owner.values())
    parts = []
    while len(live) > 1:
        for search in list(live):
            if search in live and len(live) > 1 and not _step(search, owner, live):
                parts.append(search.reached)
                del live[search]
    return parts


def _step(search: _Search, owner: dict[Resource, _Search], live: dict[_Search, None]) -> bool:
    """Look at one more flow; return False if there is none."""
    while search.ahead:
        sender = next(search.ahead[-1], None)
        if sender is None:
            search.ahead.pop()
            continue
        for resource, _ in sender.uses:
            other = owner.get(resource)
            if other is search or resource.capacity == inf:
                continue
            if other is None:
                owner[resource] = search
                search.reached.append(resource)
                search.ahead.append(iter(resource.users))
                continue
            small, search = sorted((search, other), key=_size)
            owner.update(dict.fromkeys(small.reached, search))
            search.reached += small.reached
            search.ahead += small.ahead
            del live[small]
        return True
    return False


def _size(search: _Search) -> int:
    return len(search.reached)
