"""A scenario made concrete for one method: clock, network, server, clients and learning."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, overload

from cutlayer.sim.clock import Clock
from cutlayer.sim.compute.queueing import ServerQueue
from cutlayer.sim.compute.variability import Variability, VariabilitySettings
from cutlayer.sim.compute.work import DeviceWork, ServerWork
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.layer import Learning
from cutlayer.sim.log.intervals import Interval
from cutlayer.sim.log.link_use import ClientRoutes
from cutlayer.sim.network import Network, Transport
from cutlayer.sim.network.propagation import Jitters, Propagation
from cutlayer.streams import generator

if TYPE_CHECKING:
    from cutlayer.sim.endpoints.churn import Churn


@dataclass(frozen=True)
class Client:
    """A client: its device's work, its shard's batches, and its two routes in the network.

    `timing_class` is equal for clients whose devices and links cannot be told apart by the clock.
    """

    index: int
    name: str
    work: DeviceWork
    samples: int
    batches: tuple[Batch, ...]
    first_epoch: tuple[Batch, ...]
    batch_sizes: tuple[int, ...]
    up: int
    down: int
    up_delay_s: float
    down_delay_s: float
    timing_class: Hashable


@dataclass
class World:
    """Everything that one method meets. Built by `cutlayer.sim.build.world`, used by methods.

    `parameters` and `tensors` count those of each part ("device", "server", "head") at the method's
    cut, buffers among the tensors, whose bytes are `buffer_bytes`; `activation_shape` is per sample.
    `rows` collects the current round's log. `client_routes` knows which links a client's messages cross.
    `jitters` has, by route, the mean delay (seconds) and the jitters of its links, where there are
    any; `churn` is there if a client can go offline. Where `time_invariant`, equal rounds take
    equal times, whenever they are.
    """

    clock: Clock
    network: Network
    server: ServerQueue
    clients: Sequence[Client]
    clients_per_round: int
    server_work: ServerWork
    learning: Learning
    seed: int
    input_shape: tuple[int, ...]
    activation_shape: tuple[int, ...]
    classes: int
    parameters: dict[str, int]
    tensors: dict[str, int]
    pooled_batches: Sequence[Batch]
    uploads_outstanding: int
    framing: float  # times the bytes of a message beyond its payload
    rows: list[Interval]
    client_routes: ClientRoutes
    transport: Transport | None = None
    jitters: Mapping[int, tuple[float, Jitters]] = field(default_factory=dict)
    churn: "Churn | None" = None
    variability: Mapping[int, VariabilitySettings] = field(default_factory=dict)
    time_invariant: bool = True
    able_clients: Sequence[int] | None = None
    buffer_bytes: Mapping[str, int] = field(default_factory=dict)
    bytes_sent: int = 0
    bytes_delivered: int = 0
    bytes_dropped: int = 0

    @cached_property
    def _able_set(self) -> frozenset[int]:
        return frozenset(self.able)

    @cached_property
    def able(self) -> Sequence[int]:
        """The clients that have a batch to train on, in client order; the others take no part."""
        if self.able_clients is not None:
            return self.able_clients
        able = [client.index for client in self.clients if client.batches]
        return range(len(self.clients)) if len(able) == len(self.clients) else able

    def sample(self, round_index: int, among: Sequence[int] | None = None) -> tuple[int, ...]:
        """Draw the round's clients without replacement, all if there are too few; in client order.

        The draw depends on the seed, the round and who can be drawn (of `among`, those that have a
        batch to train on and are online), on nothing else.
        """
        candidates = self.able
        if among is not None and len(self.able) == len(self.clients):
            candidates = among
        elif among is not None:
            candidates = [client for client in among if client in self._able_set]
        if self.churn is not None:
            candidates = [client for client in candidates if self.churn.online(client)]
        wanted = min(self.clients_per_round, len(candidates))
        if wanted == len(candidates):
            return tuple(candidates)
        stream = generator(self.seed, "sample", round_index)
        chosen = stream.choice(len(candidates), size=wanted, replace=False)
        return tuple(sorted(candidates[int(i)] for i in chosen))

    def variability_of(self, client: int, round_index: int) -> Variability | None:
        """Return what a client's computing is like in a round, None where it is as its profile says."""
        settings = self.variability.get(client)
        if settings is None:
            return None
        stream = generator(self.seed, "computing", client, round_index)
        return Variability(settings, stream, self.clock.epoch_s)

    def propagation(self, route: int, round_index: int) -> Propagation | None:
        """Return the delays of a round's messages on a route, or None where they are constant."""
        if route not in self.jitters:
            return None
        mean_s, jitters = self.jitters[route]
        down, client = divmod(route, len(self.clients))
        stream = generator(self.seed, "jitter", client, down, round_index)
        return Propagation(mean_s, jitters, stream)


class PlannedBatches(Sequence[Batch]):
    """The batches of a round over `samples` samples, made as they are asked for."""

    def __init__(self, samples: int, batch_size: int, epochs: int, min_batch: int) -> None:
        full, rest = divmod(samples, batch_size)
        self._rest = rest if rest >= min_batch else 0
        self._size = batch_size
        self._per_epoch = full + (self._rest > 0)
        self._count = epochs * self._per_epoch

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Batch: ...
    @overload
    def __getitem__(self, number: slice) -> list[Batch]: ...
    def __getitem__(self, number: int | slice) -> Batch | list[Batch]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(self._count))]
        if not 0 <= number < self._count:
            raise IndexError(number)
        epoch, position = divmod(number, self._per_epoch)
        last = position == self._per_epoch - 1 and self._rest
        return Batch(number, epoch, position, self._rest if last else self._size)


def plan_batches(samples: int, batch_size: int, epochs: int, min_batch: int) -> tuple[Batch, ...]:
    """Return the batches of a round over `samples` samples."""
    return tuple(PlannedBatches(samples, batch_size, epochs, min_batch))
