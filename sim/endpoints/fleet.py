"""The clients of a world: their work, sampling and presence, and what varies between rounds.

Every draw has a random stream of its own, named by the seed, the client or route, and the round.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Final, Literal, Protocol

from cutlayer.sim.clock import Clock
from cutlayer.sim.compute.variability import Variability, VariabilitySettings
from cutlayer.sim.compute.work import DeviceWork
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.network.propagation import Jitters, Propagation
from cutlayer.streams import generator
from cutlayer.topologies import DeviceProfile
from cutlayer.topologies.bandwidth import Profile

OnDisconnect = Literal["drop", "resume"]
EDGES: Final = 4  # types of client routes: up, down, to and from edges; routes of edges follow
FROM_EDGES: Final = 3  # the type of routes from edges to clients
DRAWS: Final = 16  # of one idle client, before all are searched
RESOLUTION_S: Final = 1e-9  # a change of presence that is nearer than this has happened


class PresenceProfile(Protocol):
    """1 while a client is online, 0 while it is offline."""

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at t (virtual seconds since the run began) and the time of its end."""


@dataclass(frozen=True)
class Presence:
    """When a client is online, and what happens if it goes offline during a round."""

    profile: PresenceProfile
    on_disconnect: OnDisconnect


@dataclass(frozen=True)
class Client:
    """A client: its device, the device's work by cut, its batches, its routes to and from the server.

    `edge` is the number of the first node with a device on its way to the server, if there is one.
    Clients with equal `timing_class` have devices and links of equal timing.
    """

    index: int
    name: str
    profile: DeviceProfile
    works: Mapping[int, DeviceWork]
    samples: int
    batches: tuple[Batch, ...]
    batch_sizes: tuple[int, ...]
    up: int
    down: int
    up_delay_s: float
    down_delay_s: float
    timing_class: Hashable
    edge: int | None = None


@dataclass
class Fleet:
    """The clients, and what varies between clients and between rounds.

    `able` are the clients that have a batch to train on, in order; the others never take part.
    `presences` and `variability_settings` are by client, for those that have any. `jitters` has, by
    route, the mean delay (seconds) and the jitters of its links; `fading` has, by client, the rates of
    its links that are drawn in each of its rounds. `cuts` has each client's cut. A controller sets it
    and, for clients whose batches it makes smaller, `batch_sizes`; `participants` are the clients that
    it chose, if any.
    """

    clock: Clock
    seed: int
    clients: Sequence[Client]
    cuts: Sequence[int] | dict[int, int]
    clients_per_round: int
    able: Sequence[int]
    presences: Mapping[int, Presence] = field(default_factory=dict)
    variability_settings: Mapping[int, VariabilitySettings] = field(default_factory=dict)
    jitters: Mapping[int, tuple[float, Jitters]] = field(default_factory=dict)
    fading: Mapping[int, Sequence[Profile]] = field(default_factory=dict)
    batch_sizes: dict[int, int] = field(default_factory=dict)
    participants: Sequence[int] | None = None
    busy: Collection[int] = ()

    def batches(self, client: int) -> tuple[Batch, ...]:
        """Return the batches of a client's next round, over all local epochs.

        Smaller batches are as many in each epoch as those of the scenario's size.
        """
        planned, size = self.clients[client].batches, self.batch_sizes.get(client)
        if size is None or not planned:
            return planned
        epochs = planned[-1].epoch + 1
        count, samples = len(planned) // epochs, self.clients[client].samples
        smaller = PlannedBatches(samples, size, epochs, 1)
        kept = [batch for batch in smaller if batch.position < count]
        return tuple(batch._replace(number=number) for number, batch in enumerate(kept))

    def sizes(self, client: int) -> tuple[int, ...]:
        """Return the sizes of `batches`."""
        if client not in self.batch_sizes:
            return self.clients[client].batch_sizes
        return tuple(batch.size for batch in self.batches(client))

    @property
    def time_invariant(self) -> bool:
        """Whether the clients give equal rounds equal times, whenever they begin."""
        return not (self.presences or self.jitters) and all(
            settings.time_invariant for settings in self.variability_settings.values()
        )

    @cached_property
    def _able_set(self) -> frozenset[int]:
        return frozenset(self.able)

    @property
    def now(self) -> float:
        """The moment at which presence is looked up, virtual seconds since the run began."""
        return self.clock.elapsed_s + RESOLUTION_S

    def sample(self, round_index: int, among: Sequence[int] | None = None) -> tuple[int, ...]:
        """Draw the round's clients without replacement; return them in client order.

        Candidates are the clients in `among` (default: all) that have a batch to train on and are
        online; if there are no more than `clients_per_round`, all of them take part. The draw depends
        only on the seed, the round and the candidates.
        """
        candidates = self.able
        if among is not None and len(self.able) == len(self.clients):
            candidates = among
        elif among is not None:
            candidates = [client for client in among if client in self._able_set]
        if self.participants is not None:
            candidates = self._chosen(candidates)
        if self.busy:
            candidates = [client for client in candidates if client not in self.busy]
        if self.presences:
            candidates = [client for client in candidates if self.online(client)]
        count = min(self.clients_per_round, len(candidates))
        if count == len(candidates):
            return tuple(candidates)
        stream = generator(self.seed, "sample", round_index)
        chosen = stream.choice(len(candidates), size=count, replace=False)
        return tuple(sorted(candidates[int(i)] for i in chosen))

    def draw(self, dispatch: int, idle: Sequence[int], count: int) -> list[int]:
        """Draw up to `count` of the idle clients that are online; return them in client order.

        `dispatch` is the number of the dispatch in the run. The draw depends only on the seed, this
        number and the candidates.
        """
        if count >= len(idle) and not self.presences:
            return list(idle)
        stream = generator(self.seed, "dispatch", dispatch)
        candidates = idle
        if self.presences:
            for _ in range(DRAWS if count == 1 else 0):  # usually one of the first draws is online
                client = idle[int(stream.integers(len(idle)))]
                if self.online(client):
                    return [client]
            candidates = [client for client in idle if self.online(client)]
        if count >= len(candidates):
            return list(candidates)
        chosen = stream.choice(len(candidates), size=count, replace=False)
        return sorted(candidates[int(i)] for i in chosen)

    def _chosen(self, clients: Iterable[int]) -> Sequence[int]:
        """Return the clients that the controller chose."""
        chosen = {*(self.participants or ())}
        return [client for client in clients if client in chosen]

    def online(self, client: int) -> bool:
        """Return whether a client is online now."""
        presence = self.presences.get(client)
        return presence is None or presence.profile.piece(self.now)[0] > 0

    def wait_s(self, clients: Iterable[int]) -> float:
        """Return the seconds until the first of the clients is online; infinite if none ever is."""
        wait = inf if self.presences else 0.0
        for client in clients if self.participants is None else self._chosen(clients):
            if self.online(client):
                return 0.0
            start, value = self.now, 0.0
            while value <= 0 and start < inf:
                at = start
                value, start = self.presences[client].profile.piece(at)
            if value > 0:
                wait = min(wait, at - self.clock.elapsed_s)
        return wait

    def variability(self, client: int, round_index: int) -> Variability | None:
        """Return the variability of a client's device in a round, or None if it has none."""
        settings = self.variability_settings.get(client)
        if settings is None:
            return None
        stream = generator(self.seed, "computing", client, round_index)
        return Variability(settings, stream, self.clock.epoch_s)

    def begin_round(self, client: int, round_index: int) -> None:
        """Draw the rates of a client's links for a round that begins now, if they fade."""
        for rate in self.fading.get(client, ()):
            rate.begin_round(round_index, self.clock.elapsed_s)

    def propagation(self, route: int, round_index: int) -> Propagation | None:
        """Return the delays of a round's messages on a route, or None if they are constant."""
        if route not in self.jitters:
            return None
        mean_s, jitters = self.jitters[route]
        route_type, position = divmod(route, len(self.clients))
        if route_type < EDGES:
            stream = generator(self.seed, "jitter", position, route_type, round_index)
        else:
            position = route - EDGES * len(self.clients)
            stream = generator(self.seed, "jitter of edges", position, round_index)
        return Propagation(mean_s, jitters, stream)


@dataclass(frozen=True)
class PlannedBatches:
    """The batches of a round over a number of samples, created while they are iterated."""

    samples: int
    batch_size: int
    epochs: int
    min_batch: int

    def __iter__(self) -> Iterator[Batch]:
        full, rest = divmod(self.samples, self.batch_size)
        sizes = [self.batch_size] * full + ([rest] if rest and rest >= self.min_batch else [])
        for epoch in range(self.epochs):
            for position, size in enumerate(sizes):
                yield Batch(epoch * len(sizes) + position, epoch, position, size)
