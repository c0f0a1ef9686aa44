"""The loop of one method's run: play a round or window on the clock, train, evaluate, log."""

import gc
import hashlib
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import inf
from typing import ClassVar, Final

from cutlayer.sim.clock import EndlessRoundError, TooManyEventsError
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Progress as ChainProgress
from cutlayer.sim.log.energy import DeviceUse
from cutlayer.sim.log.intervals import NO_CAUSE
from cutlayer.sim.log.link_use import Key, LinkTotals
from cutlayer.sim.log.node_use import NodeTotals
from cutlayer.sim.log.record import RoundRecord
from cutlayer.sim.methods.method import Method, Round
from cutlayer.sim.network.settling import Observer
from cutlayer.sim.process.interrupts import held_back, let_in
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import KeptRound, RoundResult
from cutlayer.sim.run.one_round import (
    MAX_LINKS_RECORDED,
    UnfinishedRoundError,
    obstacle,
    recorded_links,
)

Observe = Callable[[World, Round], Sequence[Observer]]


COLLECTING: Final = (50_000, 20, 100)  # thresholds of `gc`; Python's own are (700, 10, 10)


@contextmanager
def collecting_less() -> Iterator[None]:
    """Collect cyclic garbage less often.

    Events, processes and rows of the log live as long as many others take to play, so that Python's
    collector would look at them again and again: up to half of the time of a run without tensors.
    """
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTING)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(frozen=True)
class StopCondition:
    """When a run stops: after `rounds` rounds, or with the first round that reaches another limit.

    The other limits are a virtual time (seconds), a test accuracy, and a number of the clock's events.
    """

    rounds: int
    virtual_time_s: float = inf
    target_accuracy: float = inf
    evaluate_every: int = 1
    events: float = inf


@dataclass(frozen=True)
class RoundProgress:
    """Callbacks: one for every closed round, one for every client trained within a round."""

    round_closed: Callable[[RoundResult], None] = lambda _: None
    client_trained: ChainProgress | None = None


class Engine(ABC):
    """Runs one method in its world and fills its result; a subclass plays its rounds or windows.

    `observe` returns the network observers of a round. `learned` has the accuracies by round of a
    training with the same learning digest. `keep_all` keeps the intervals of every round, not only of
    the first and last of each type.
    """

    noun: ClassVar[str]

    def __init__(
        self,
        method: Method,
        result: MethodResult,
        *,
        keep_all: bool = False,
        observe: Observe | None = None,
        learned: Mapping[int, float] | None = None,
    ) -> None:
        self.world = method.world
        self.method = method
        self.result = result
        self.keep_all = keep_all
        self._observe = observe
        self._learned = learned or {}
        self._last_of_type: dict[str, KeptRound] = {}
        self._events = hashlib.blake2b(digest_size=16)
        self._members: Sequence[int] = ()  # of the current round

    def run(self, stop: StopCondition, progress: RoundProgress) -> None:
        """Play rounds until a limit is reached; the result is up to date after every round.

        A round begins as soon as an eligible client is online. If none will ever be, the run ends and
        `result.ended` says why.
        """
        with nullcontext() if self.world.learning.trains else collecting_less():
            self._run(stop, progress)

    def _run(self, stop: StopCondition, progress: RoundProgress) -> None:
        for index in range(stop.rounds):
            waited_s = self._wait_s(index, stop)
            if waited_s and self.world.clock.elapsed_s + waited_s >= stop.virtual_time_s:
                self.result.ended = (
                    f"no client could take part in {self.noun} {index}: none is online"
                    f" {'any more' if waited_s == inf else 'before the time limit'}"
                )
                self.result.stalled = waited_s == stop.virtual_time_s == inf
                break
            if waited_s:
                self.world.clock.rebase(waited_s)
            try:
                with held_back():  # a round is counted and reported as a whole or not at all
                    closed = self._play(index, stop, progress, waited_s)
                    self.result.rounds.append(closed)
                    progress.round_closed(closed)
            except (TooManyEventsError, UnfinishedRoundError) as error:
                where = f"{self.result.label}, {self.noun} {index}"
                raise type(error)(f"{where}: {error}") from None
            except EndlessRoundError:
                self.result.ended = (
                    f"{self.noun} {index} never ends: {obstacle(self.world, len(self._members))}"
                )
                self.result.stalled = True
                break
            late = closed.virtual_time_s >= stop.virtual_time_s
            reached = closed.accuracy is not None and closed.accuracy >= stop.target_accuracy
            if late or reached or self.world.clock.events >= stop.events:
                break

    def finish(self) -> None:
        """Store the digests, the capacities of links and the last kept rounds in the result."""
        result, learning = self.result, self.world.learning
        first = {kept.index for kept in result.kept}
        result.kept.extend(k for k in self._last_of_type.values() if k.index not in first)
        network, clients = self.world.network, self.world.client_routes.clients
        for name in result.links:
            result.capacity_s[name] = network.capacity_seconds(name, result.virtual_time_s)
            result.link_clients[name] = clients[name]
        result.kept.sort(key=lambda kept: kept.index)
        result.event_digest = self._events.hexdigest()
        result.learning_digest = learning.run_digest
        if learning.executor is not None and result.rounds:
            result.weights_digest = learning.executor.weights_digest()

    def _wait_s(self, index: int, stop: StopCondition) -> float:  # noqa: ARG002
        """Return the seconds until an eligible client is online."""
        return self.world.fleet.wait_s(self.method.eligible(index))

    @abstractmethod
    def _play(
        self, index: int, stop: StopCondition, progress: RoundProgress, waited_s: float
    ) -> RoundResult:
        """Play a round or window and return its figures."""

    def _closed(
        self,
        rnd: Round,
        record: RoundRecord,
        start_s: float,
        stop: StopCondition,
        *,
        waited_s: float = 0.0,
    ) -> RoundResult:
        """Evaluate a round that has been played, add it to the result, and return its figures."""
        world, index = self.world, rnd.index
        last = index == stop.rounds - 1 or world.clock.elapsed_s >= stop.virtual_time_s
        accuracy = self._learned.get(index)
        if last or (index + 1) % stop.evaluate_every == 0:
            accuracy = self._evaluated(rnd, accuracy)
        straggler = record.straggler
        return RoundResult(
            index=index,
            round_type=rnd.round_type,
            clients=len(rnd.participants),
            round_time_s=record.duration_s,
            virtual_time_s=world.clock.elapsed_s,
            additive_round_time_s=sum(record.additive_s.values()),
            **record.sent,
            wire_by=record.wire_by,
            payload_by=record.payload_by,
            critical_path_s=record.critical_path_s,
            additive_s=record.additive_s,
            barrier_s=record.barrier_s,
            waited_s=waited_s,
            clients_dropped=len(rnd.dropped),
            wasted_bytes=record.wasted_bytes,
            energy_j=self._energy(rnd, record),
            server_jobs=record.server_jobs,
            server_wait_s=record.server_wait_s,
            longest_server_wait_s=record.longest_server_wait_s,
            utilisation=self._log(rnd, record, start_s),
            tiers=record.tiers,
            straggler=(
                world.fleet.clients[rnd.participants[straggler]].name
                if straggler != NO_CAUSE and rnd.participants
                else None
            ),
            accuracy=accuracy,
        )

    def _evaluated(self, rnd: Round, learned: float | None) -> float | None:
        """Return the accuracy after a round, or `learned` if nothing is trained here."""
        learning = self.world.learning
        if learning.executor is None:
            return learned
        fleet, mixed = self.world.fleet, learning.mixed
        differ = mixed is not None and mixed.freezes_device  # the models of different cuts
        cuts = Counter(fleet.cuts[client] for client in fleet.able) if differ else {}
        models, weights = learning.models(self.method.evaluated(rnd), cuts)
        try:
            with let_in():
                accuracy = learning.executor.accuracy(models, weights)
                finite = learning.executor.finite(models)
        except KeyboardInterrupt:
            learning.undo(last_round=True)
            raise
        if self.result.diverged_in_round is None and not finite:
            self.result.diverged_in_round = rnd.index
        return accuracy

    def _log(self, rnd: Round, record: RoundRecord, start_s: float) -> dict[str, float]:
        """Add a round to the totals of the result; return its `utilisation`."""
        result, world = self.result, self.world
        names = tuple(world.fleet.clients[client].name for client in rnd.participants)
        entry = rnd.index, rnd.round_type, names, start_s, record.duration_s, record.digest
        self._events.update(repr(entry).encode())
        links = {key: world.client_routes.name(key, rnd.participants) for key in record.uses}
        for key, use in record.uses.items():
            result.links.setdefault(links[key], LinkTotals()).add(use)
        result.clients_busy_s += float(record.device_busy_s.sum())
        result.clients_available_s += self._available_s(rnd, record)
        result.server_busy_s += record.server_busy_s
        result.server_available_s += record.duration_s * world.server.slots
        edges = tuple(world.nodes)[1:]
        for name, use_of_node in zip(world.nodes, record.nodes, strict=True) if edges else ():
            totals = result.nodes.setdefault(name, NodeTotals(world.nodes[name].queue.slots))
            totals.add(use_of_node, record.duration_s)
        kept = KeptRound(rnd.index, rnd.round_type, start_s, names, record, links, edges)
        if self.keep_all or rnd.round_type not in self._last_of_type:
            result.kept.append(kept)
        self._last_of_type[rnd.round_type] = kept
        return self._utilisation(links, record, start_s)

    def _available_s(self, rnd: Round, record: RoundRecord) -> float:  # noqa: ARG002
        """Return the time of all members together for the method's work, in seconds."""
        return record.duration_s * record.members

    def _elapsed_s(self, member: int, record: RoundRecord) -> float:  # noqa: ARG002
        """Return the seconds of a member's device that are charged with energy."""
        return record.duration_s

    def _energy(self, rnd: Round, record: RoundRecord) -> float | None:
        """Add the round to every participant's device; return the energy of all of them, joules."""
        total: float | None = 0.0
        for member, client in enumerate(rnd.participants):
            participant = self.world.fleet.clients[client]
            profile = participant.profile
            use = self.result.devices.setdefault(participant.name, DeviceUse(profile.name))
            active_s = {state: float(times[member]) for state, times in record.active_s.items()}
            joules = use.add(profile.power_w, self._elapsed_s(member, record), active_s)
            total = None if joules is None or total is None else total + joules
        return total

    def _utilisation(
        self, links: Mapping[Key, str], record: RoundRecord, start_s: float
    ) -> dict[str, float]:
        network, of_edges = self.world.network, self.world.client_routes.of_edges
        recorded = {*recorded_links(self.world), *of_edges[:MAX_LINKS_RECORDED]}
        used: defaultdict[str, float] = defaultdict(float)
        offered: defaultdict[str, float] = defaultdict(float)
        for key, use in record.uses.items():
            if not isinstance(key, str) or key in recorded:
                series, end_s = use.series(key), start_s + record.duration_s
                used[series] += use.consumed
                offered[series] += network.capacity_seconds(links[key], end_s, start_s)
        return {name: used[name] / offered[name] for name in used if 0 < offered[name] < inf}
