"""The nodes that compute beside the clients, and the channels between clients and nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cutlayer.sim.compute.queueing import ServerQueue
from cutlayer.sim.compute.work import ServerWork
from cutlayer.sim.log.intervals import NO_CAUSE
from cutlayer.sim.network.propagation import Propagation

NodeType = Literal["server", "edge"]  # of the nodes with which clients exchange messages


@dataclass(frozen=True, eq=False)
class Node:
    """The server, an edge node with a device, or a client that computes for others (a peer).

    The log identifies it by its `number`: -1 is the server, -2, -3, ... are the edge nodes or peers.
    `works` has the work of its operations, by cut.
    """

    name: str
    number: int
    queue: ServerQueue
    works: Mapping[int, ServerWork]


@dataclass(frozen=True, slots=True)
class RouteRef:
    """The index of a route of the network, and its mean delay in seconds."""

    index: int
    delay_s: float


@dataclass(slots=True, eq=False)
class Channel:
    """One direction of a connection in a round, from `actor` to `peer`, by their numbers in the log.

    `latest` is the row of its latest transfer.
    """

    actor: int
    peer: int
    route: RouteRef
    propagation: Propagation | None
    latest: int = NO_CAUSE

    def delay(self, now: float) -> float:
        """Return the propagation delay of a message that leaves at `now`, seconds."""
        return self.route.delay_s if self.propagation is None else self.propagation.delay_s(now)
