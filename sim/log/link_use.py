"""The use of links and media by a round's transfers, derived from the round's log.

A shared resource is identified by its name. A resource that only one client uses (its access link) is
identified by the member's number and an index among the client's own resources, so that equal rounds of
other clients can share a record.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import SERVER, Activity, Intervals, Phase
from cutlayer.sim.network.route_runs import OnDemand, Runs
from cutlayer.sim.network.routes import Uses

Key = str | tuple[int, int]  # a shared resource, or (member, index among the client's own)
Direction = Literal["up", "down", "both"]

NO_COPIES: Final[Mapping[int, int]] = MappingProxyType({})
ACCESS: Final[Mapping[Direction, str]] = {
    "up": "access links, up",
    "down": "access links, down",
    "both": "access links",
}


@dataclass
class LinkTotals:
    """The use of one resource in a round or a run.

    `wire_bytes` crossed it and consumed `consumed` of its capacity (capacity x seconds). For `busy_s`
    seconds at least one transfer was on it, `flow_s` is the sum of the transfers' seconds, `peak` the
    largest number of transfers at a time. For `bottleneck_s` seconds it limited a transfer.
    """

    wire_bytes: int = 0
    consumed: float = 0.0
    busy_s: float = 0.0
    flow_s: float = 0.0
    peak: int = 0
    bottleneck_s: float = 0.0

    def add(self, use: "LinkTotals") -> None:
        """Add a round's use."""
        self.wire_bytes += use.wire_bytes
        self.consumed += use.consumed
        self.busy_s += use.busy_s
        self.flow_s += use.flow_s
        self.peak = max(self.peak, use.peak)
        self.bottleneck_s += use.bottleneck_s


@dataclass
class LinkUse(LinkTotals):
    """A round's use of one resource, by transfers in one direction or both."""

    direction: Direction = "both"

    def series(self, key: Key) -> str:
        """Return the resource's name in a round's utilisation, where access links count together."""
        return key if isinstance(key, str) else ACCESS[self.direction]


@dataclass(frozen=True)
class EdgeRoutes:
    """The resources that messages cross between each client and its edge node, up and down.

    `node_ups` and `node_downs` are those between each edge node and the server.
    """

    ups: Sequence[Uses]
    downs: Sequence[Uses]
    node_ups: Sequence[Uses]
    node_downs: Sequence[Uses]


class ClientRoutes:
    """The resources that each client's messages cross, up and down.

    `edges` has those of messages to and from edge nodes, if a method sends any. `clients` has the number
    of clients whose messages cross each resource, 1 if it is unknown. All clients in one of the `runs`
    cross the same shared resources; each also has resources of its own.
    """

    def __init__(
        self,
        ups: Sequence[Uses],
        downs: Sequence[Uses],
        runs: Runs | None = None,
        edges: EdgeRoutes | None = None,
    ) -> None:
        assert len(ups) == len(downs)
        self._ups, self._downs, self._edges = ups, downs, edges
        between = (*edges.node_ups, *edges.node_downs) if edges else ()
        self._of_edges = dict.fromkeys(name for uses in between for name, _ in uses)
        runs = Runs.apart(len(ups)) if runs is None else runs
        self.clients: defaultdict[str, int] = defaultdict(lambda: 1)
        for start, size in zip(runs.starts, runs.sizes(), strict=True):
            names = self._names(start)
            own = names.keys() - self._names(start + 1).keys() if size > 1 else ()
            for name in names:
                self.clients[name] = self.clients.get(name, 0) + (1 if name in own else size)
        self._own = OnDemand(self._own_of)

    @property
    def of_edges(self) -> Sequence[str]:
        """The resources that messages cross between edge nodes and the server."""
        return tuple(self._of_edges)

    def _names(self, client: int) -> dict[str, None]:
        """Return the resources that a client's messages cross, in order."""
        routes = [self._ups[client], self._downs[client]]
        if self._edges is not None:
            routes += [self._edges.ups[client], self._edges.downs[client]]
        return {name: None for route in routes for name, _ in route}

    def _own_of(self, client: int) -> tuple[str, ...]:
        names = (name for name in self._names(client) if self.clients[name] == 1)
        return tuple(name for name in names if name not in self._of_edges)

    def name(self, key: Key, participants: Sequence[int]) -> str:
        """Return the name of the resource that a key identifies in a round of these participants."""
        return key if isinstance(key, str) else self._own[participants[key[0]]][key[1]]

    def uses(
        self,
        intervals: Intervals,
        participants: Sequence[int],
        bottleneck_s: Mapping[str, float],
        copies: Mapping[int, int] = NO_COPIES,
    ) -> dict[Key, LinkUse]:
        """Return the use of every resource that a transfer of the round crossed.

        `copies` has the rows of multicasts that have their bytes in another row, and that row. Each
        resource carries a multicast once, at the largest consumption per byte of its receivers.
        """
        uses: dict[Key, LinkUse] = {}
        up = intervals.of(Phase.UPLINK)
        for key, rows, consumption in self._crossings(intervals, participants):
            if copies:
                rows, consumption = _merged(rows, consumption, copies)
            start, end = intervals.start[rows], intervals.end[rows]
            wire = intervals.wire_bytes[rows]
            busy, peak = occupancy(start, end)
            uses[key] = LinkUse(
                wire_bytes=int(wire.sum()),
                consumed=float((wire * consumption).sum()),
                busy_s=busy,
                flow_s=float((end - start).sum()),
                peak=peak,
                bottleneck_s=bottleneck_s.get(self.name(key, participants), 0.0),
                direction="up" if up[rows].all() else "both" if up[rows].any() else "down",
            )
        return uses

    def _crossings(
        self, intervals: Intervals, participants: Sequence[int]
    ) -> Iterable[tuple[Key, NDArray[np.intp], NDArray[np.float64]]]:
        """Yield each resource with the rows of the transfers on it and what a byte consumes."""
        moves = intervals.activity != Activity.CONNECT.value
        up, down = intervals.of(Phase.UPLINK) & moves, intervals.of(Phase.DOWNLINK) & moves
        actor, peer, members = intervals.actor, intervals.peer, len(participants)

        def by_member(rows: NDArray[np.bool_], member: NDArray[Any]) -> list[NDArray[np.intp]]:
            found = np.flatnonzero(rows)
            return _grouped(found, member[found], members)

        kinds = [
            (self._ups, by_member(up & (peer == SERVER), actor)),
            (self._downs, by_member(down & (actor == SERVER), peer)),
        ]
        if self._edges is not None:
            kinds += [
                (self._edges.ups, by_member(up & (peer < SERVER), actor)),
                (self._edges.downs, by_member(down & (actor < SERVER), peer)),
            ]
        crossed: dict[Key, list[tuple[NDArray[np.intp], float]]] = {}
        for member, client in enumerate(participants):
            own = {name: (member, index) for index, name in enumerate(self._own[client])}
            for routes, groups in kinds:
                if len(groups[member]):
                    for name, consumption in routes[client]:
                        crossed.setdefault(own.get(name, name), []).append(
                            (groups[member], consumption)
                        )
        for moved, end, routes in self._between_nodes(up, down, intervals):
            for node, uses in enumerate(routes):
                rows = np.flatnonzero(moved & (end == SERVER - 1 - node))
                for name, consumption in uses if len(rows) else ():
                    crossed.setdefault(name, []).append((rows, consumption))
        for key, parts in crossed.items():
            rows = np.concatenate([rows for rows, _ in parts])
            yield key, rows, np.concatenate([np.full(len(rows), a) for rows, a in parts])

    def _between_nodes(
        self, up: NDArray[np.bool_], down: NDArray[np.bool_], intervals: Intervals
    ) -> Iterable[tuple[NDArray[np.bool_], NDArray[np.int32], Sequence[Uses]]]:
        """Yield the transfers between edge nodes and the server, their edge nodes, and the routes."""
        if self._edges is not None:
            yield up & (intervals.actor < 0), intervals.actor, self._edges.node_ups
            yield down & (intervals.peer < 0), intervals.peer, self._edges.node_downs


def _merged(
    rows: NDArray[np.intp], consumption: NDArray[np.float64], copies: Mapping[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the rows on a resource with each multicast once, by the row that has its bytes."""
    largest: dict[int, float] = {}
    for row, amount in zip(rows.tolist(), consumption.tolist(), strict=True):
        carrier = copies.get(row, row)
        largest[carrier] = max(amount, largest.get(carrier, 0.0))
    return np.array([*largest], np.intp), np.array([*largest.values()])


def _grouped(rows: NDArray[np.intp], member: NDArray[Any], members: int) -> list[NDArray[np.intp]]:
    order = np.argsort(member, kind="stable")
    edges = np.searchsorted(member[order], np.arange(members + 1))
    return [rows[order[edges[i] : edges[i + 1]]] for i in range(members)]


def occupancy(start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[float, int]:
    """Return the seconds in which any interval runs, and the largest number at a time."""
    times = np.concatenate([start, end])
    steps = np.concatenate([np.ones(len(start), int), -np.ones(len(end), int)])
    order = np.lexsort((steps, times))  # at equal times, ends come first
    count = np.cumsum(steps[order])
    spans = np.diff(times[order])
    return float(spans[count[:-1] > 0].sum()), int(count.max(initial=0))
