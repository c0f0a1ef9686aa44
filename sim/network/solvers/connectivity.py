"""Which shared resources are connected at the moment, by the flows in flight that cross them."""

from collections.abc import Iterable, Iterator
from math import inf

from cutlayer.sim.network.solvers.resource import Resource, Sender


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
