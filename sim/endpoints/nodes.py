"""The nodes that compute beside the clients, and the ways between them all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cutlayer.sim.compute.queueing import ServerQueue
from cutlayer.sim.compute.work import ServerWork
from cutlayer.sim.log.intervals import NO_CAUSE
from cutlayer.sim.network.propagation import Propagation

Peer = Literal["server", "edge"]  # with what a client exchanges messages


@dataclass(frozen=True, eq=False)
class Node:
    """The server, an edge node with a device, or a client that computes for others (a peer).

    `number` stands for it in the log: -1 is the server, -2, -3, ... are the edge nodes or peers. `works`
    has what its operations take, by cut.
    """

    name: str
    number: int
    queue: ServerQueue
    works: Mapping[int, ServerWork]


@dataclass(frozen=True, slots=True)
class Way:
    """A route of the network, with its mean delay in seconds."""

    route: int
    delay_s: float


@dataclass(slots=True, eq=False)
class Line:
    """One direction of a connection in a round: its way, and both ends as the log numbers them.

    `latest` is the log's row of its latest transfer.
    """

    here: int
    there: int
    way: Way
    propagation: Propagation | None
    latest: int = NO_CAUSE

    def delay(self, now: float) -> float:
        """Return the propagation delay of a message that leaves at `now`, seconds."""
        return self.way.delay_s if self.propagation is None else self.propagation.delay_s(now)
