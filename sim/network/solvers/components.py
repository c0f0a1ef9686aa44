"""Which shared resources hang together at the moment: those that a flow in flight crosses do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

from cutlayer.sim.network.flow import Flow

if TYPE_CHECKING:
    from cutlayer.sim.network.solvers.component import Group


class Resource:
    """A shared resource, the flows in flight that cross it, and the group that they belong to.

    `group` is None without users, and while the capacity is infinite: nobody is held here then.
    `bottleneck_s` is for how many seconds it held a flow back that was below its cap.
    """

    __slots__ = ("bottleneck_s", "capacity", "group", "name", "users")

    def __init__(self, name: str, capacity: float) -> None:
        self.name = name
        self.capacity = capacity
        self.users: dict[Flow, None] = {}
        self.group: Group | None = None
        self.bottleneck_s: float = 0


Links = Mapping[int, Sequence[tuple[Resource, float]]]
"""Per route its shared resources, with the consumption per byte of each."""


class _Search:
    """What was found from one start or, after meetings, from several; `ahead` is still to be seen."""

    __slots__ = ("ahead", "found")

    def __init__(self, start: Resource) -> None:
        self.found = [start]
        self.ahead: list[Iterator[Flow]] = [iter(start.users)]


def separated(starts: Iterable[Resource], links: Links) -> list[list[Resource]]:
    """Return the connected parts that `starts` lie in, but for one of the larger ones.

    The starts are searched from in turns, a flow each. Searches that meet go on as one, one that
    comes to its end has found a part, and the last one left is not carried on: a few steps where
    all hangs together still, else in proportion to the smaller parts.
    """
    owner = {start: _Search(start) for start in starts}
    live = dict.fromkeys(owner.values())
    parts = []
    while len(live) > 1:
        for search in list(live):
            if search in live and len(live) > 1 and not _step(search, links, owner, live):
                parts.append(search.found)
                del live[search]
    return parts


def _step(
    search: _Search, links: Links, owner: dict[Resource, _Search], live: dict[_Search, None]
) -> bool:
    """Look at one more flow; returns False if there is none."""
    while search.ahead:
        flow = next(search.ahead[-1], None)
        if flow is None:
            search.ahead.pop()
            continue
        for resource, _ in links[flow.route]:
            other = owner.get(resource)
            if other is search or resource.capacity == inf:
                continue
            if other is None:
                owner[resource] = search
                search.found.append(resource)
                search.ahead.append(iter(resource.users))
                continue
            small, search = sorted((search, other), key=_size)
            owner.update(dict.fromkeys(small.found, search))
            search.found += small.found
            search.ahead += small.ahead
            del live[small]
        return True
    return False


def _size(search: _Search) -> int:
    return len(search.found)
