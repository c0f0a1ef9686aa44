"""A scenario made concrete for one method: clock, network, server, fleet, costs and learning."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cutlayer.sim.clock import Clock
from cutlayer.sim.codecs.codecs import Codecs
from cutlayer.sim.compute.queueing import ServerQueue
from cutlayer.sim.endpoints.fleet import Fleet
from cutlayer.sim.endpoints.nodes import Channel, Node, RouteRef
from cutlayer.sim.endpoints.payload import (
    CLASS_LABEL,
    Payload,
    TensorSpec,
    frozen_weights,
    weights,
)
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.learning import Learning
from cutlayer.sim.log.intervals import NO_CAUSE, Interval
from cutlayer.sim.log.link_use import ClientRoutes
from cutlayer.sim.log.traffic import Parts
from cutlayer.sim.network import Network, Transport


class Stays(NamedTuple):
    """What stays at a client of a part: see `Costs` for the fields."""

    parameters: int
    tensors: int
    buffer_bytes: int
    trained: int


@dataclass(frozen=True)
class Costs:
    """Sizes of the model and the data at one cut.

    Shapes are per sample. `parameters`, `tensors` (`trained` of them are parameters, the others
    buffers) and `buffer_bytes` are by part: "device", "server" and, if the method has one, "head".
    They count what is trained. `stays` is what is not sent of that; `frozen` has the bytes and the
    number of the device block's tensors that are not trained.
    `classes` is the number of values in an output, `label` that of one sample.
    """

    input_shape: tuple[int, ...]
    activation_shape: tuple[int, ...]
    classes: int
    pooled_batches: Iterable[Batch]
    parameters: Mapping[str, int]
    tensors: Mapping[str, int]
    buffer_bytes: Mapping[str, int]
    trained: Mapping[str, int]
    stays: Mapping[str, Stays] = field(default_factory=dict)
    frozen: tuple[int, int] = (0, 0)
    label: TensorSpec = CLASS_LABEL
    takes_tokens: bool = False

    def weights(self, *parts: str) -> Payload:
        """Return the weights and buffers (BatchNorm's statistics) of these parts that are sent."""
        return weights(
            self._sent("parameters", parts),
            self._sent("tensors", parts),
            self._sent("buffer_bytes", parts),
        )

    def sent_parameters(self, *parts: str) -> tuple[int, int]:
        """Return the number of values in the parameters that are sent, and the number of tensors."""
        return self._sent("parameters", parts), self._sent("trained", parts)

    def _sent(self, what: str, parts: tuple[str, ...]) -> int:
        total: int = sum(getattr(self, what)[part] for part in parts)
        stays: int = sum(getattr(self.stays[p], what) for p in parts if p in self.stays)
        return total - stays


@dataclass(frozen=True)
class Closing:
    """When a round closes although clients are still working.

    It closes `deadline_s` after its start, or later once `min_participants` are done, or as soon as
    `first` are done.
    """

    deadline_s: float | None
    first: int | None
    min_participants: int
    late: Literal["drop", "next"] = "drop"


@dataclass
class RoundLog:
    """The intervals of the current round, and its bytes: at the end, sent = delivered + dropped.

    `parts` has the parts of the messages that arrive whole, by row, see `cutlayer.sim.log.traffic`. A
    multicast has a row for each receiver, of which the first has the bytes; `copies` has that row for
    each of the others.
    """

    rows: list[Interval] = field(default_factory=list)
    bytes_sent: int = 0
    bytes_delivered: int = 0
    bytes_dropped: int = 0
    parts: dict[int, Parts] = field(default_factory=dict)
    copies: dict[int, int] = field(default_factory=dict)

    def add(self, interval: Interval) -> int:
        """Log an interval and return its row number."""
        self.rows.append(interval)
        return len(self.rows) - 1

    def end_s(self, row: int) -> float:
        """Return when a row ended; the round's start for `NO_CAUSE`."""
        return 0.0 if row == NO_CAUSE else self.rows[row].end

    def change(self, row: int, change: Callable[[Interval], Interval]) -> None:
        """Replace a row that ends now or later."""
        self.rows[row] = change(self.rows[row])


@dataclass
class World:
    """Everything that a method uses. Built by `cutlayer.sim.build.world`.

    `nodes` are the server, first, and the edge nodes or peers that compute, by name. `route` returns
    the route from a client (its index) or node (its number) to another. `costs` is by cut; an endpoint
    has those at its client's cut. `framing` multiplies the bytes of a message beyond its payload. If
    `downloads_frozen`, a client downloads the frozen tensors of its device block once; `downloaded` has
    the cut up to which each client has them. `constant_rates` says that no link changes its rate,
    `has_edges` that edge nodes have devices (used or not) or that there are peers. The engine gives
    every round a `log` of its own.
    """

    clock: Clock
    network: Network
    transport: Transport | None
    client_routes: ClientRoutes
    nodes: Mapping[str, Node]
    route: Callable[[int, int], RouteRef]
    fleet: Fleet
    costs: Mapping[int, Costs]
    learning: Learning
    uploads_outstanding: int
    framing: float
    constant_rates: bool
    has_edges: bool = False
    closing: Closing | None = None
    codecs: Codecs = field(default_factory=Codecs)
    downloads_frozen: bool = False
    downloaded: dict[int, int] = field(default_factory=dict)
    log: RoundLog = field(default_factory=RoundLog)

    @property
    def server_node(self) -> Node:
        """The server."""
        return next(iter(self.nodes.values()))

    @property
    def server(self) -> ServerQueue:
        """The server's queue."""
        return self.server_node.queue

    @property
    def idle(self) -> bool:
        """Whether no node has a job."""
        return all(node.queue.idle for node in self.nodes.values())

    def frozen_for(self, client: int) -> Payload | None:
        """Return the frozen tensors that a client has to download, None if there are none."""
        if not self.downloads_frozen:
            return None
        cut, known = self.fleet.cuts[client], self.downloaded.get(client, 0)
        if cut <= known:
            return None
        (size, tensors), before = self.costs[cut].frozen, self.costs[known].frozen
        added = tensors - before[1]
        return frozen_weights(size - before[0], added) if added else None

    def channel(
        self,
        source: int,
        target: int,
        round_index: int,
        *,
        actor: int | None = None,
        peer: int | None = None,
    ) -> Channel:
        """Return the channel from a client or node to another, with the ends' numbers in the log.

        `actor` and `peer` are by default the numbers of nodes.
        """
        route = self.route(source, target)
        propagation = self.fleet.propagation(route.index, round_index)
        return Channel(
            source if actor is None else actor,
            target if peer is None else peer,
            route,
            propagation,
        )

    @property
    def time_invariant(self) -> bool:
        """Whether equal rounds take equal times, whenever they begin."""
        return self.constant_rates and self.fleet.time_invariant
