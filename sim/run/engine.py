"""The round loop of one method: open, play on the clock, learn, check, log.

A round whose timing is decided by what an earlier round had alike (same method signature, same kinds
of clients in the same order) need not be played again: its record is reused, and its digests are the
same, since every round starts at local time 0. That is done only where no tensors are trained.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from cutlayer.errors import UserError
from cutlayer.sim.clock import EndlessRoundError, TooManyEventsError
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.layer import Progress as ChainProgress
from cutlayer.sim.log.energy import DeviceUse
from cutlayer.sim.log.intervals import NO_CAUSE, Intervals
from cutlayer.sim.log.link_use import Key, LinkTotals
from cutlayer.sim.log.record import ConservationError, RoundRecord, close_record
from cutlayer.sim.methods.method import Method, Round
from cutlayer.sim.network.observers import Loads
from cutlayer.sim.network.settling import Observer
from cutlayer.sim.process.interrupts import held_back, let_in
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import KeptRound, RoundResult

MOST_NAMED: Final = 3  # links of a round that never ends
MOST_RECORDED: Final = 32  # shared links whose load over time is taken down


class UnfinishedRoundError(UserError):
    """A method closed a round while some of its clients were still at work."""


Observe = Callable[[World, Round], Sequence[Observer]]


@dataclass(frozen=True)
class StopCondition:
    """When to stop: after so many rounds, at a virtual time (seconds), at a test accuracy.

    The last two, and a number of events of the clock, end the run with the first round that closes at
    or beyond them.
    """

    rounds: int
    virtual_time_s: float | None = None
    target_accuracy: float | None = None
    evaluate_every: int = 1
    events: float = inf

    def passed(self, virtual_time_s: float) -> bool:
        """Whether the limit of virtual time is reached; the end of time is beyond any."""
        limit = inf if self.virtual_time_s is None else self.virtual_time_s
        return virtual_time_s >= limit


@dataclass(frozen=True)
class RoundProgress:
    """Callbacks: one for every closed round, one for every client trained within a round."""

    round_closed: Callable[[RoundResult], None] = lambda _: None
    client_trained: ChainProgress | None = None


class Engine:
    """Runs one method in its world and keeps what the log says of it.

    `watched` says who looks on in a round; such a round is played even if its timing is known.
    `learned` has accuracies by round, of a training with the same digest; they are not checked here.
    """

    def __init__(
        self,
        method: Method,
        result: MethodResult,
        *,
        reuse: bool = True,
        keep_all: bool = False,
        observe: Observe | None = None,
        learned: Mapping[int, float] | None = None,
    ) -> None:
        self.world = world = method.world
        self.method = method
        self.result = result
        self.keep_all = keep_all
        self._observe = observe
        self._learned = learned or {}
        self._reuse = (
            reuse and method.synchronous and world.time_invariant and not world.learning.trains
        )
        self._records: dict[Hashable, RoundRecord] = {}
        self._last_of_type: dict[str, KeptRound] = {}
        self._events = hashlib.blake2b(digest_size=16)
        self._members: Sequence[int] = ()  # of the round under way

    def run(self, stop_condition: StopCondition, progress: RoundProgress) -> None:
        """Play rounds until a limit is reached; `result` is up to date after every round.

        A round begins as soon as a client that could take part is online. Where none ever will be,
        the run ends, and `result.ended` says so.
        """
        for index in range(stop_condition.rounds):
            waited_s = self._wait_for_clients(index)
            if waited_s and stop_condition.passed(self.world.clock.elapsed_s + waited_s):
                self.result.ended = (
                    f"no client could take part in round {index}: none is online"
                    f" {'any more' if waited_s == inf else 'before the time limit'}"
                )
                self.result.stalled = waited_s == inf and stop_condition.virtual_time_s is None
                break
            if waited_s:
                self.world.clock.rebase(waited_s)
            try:
                with held_back():  # a round is accounted for and reported as a whole, or not at all
                    closed = self._play(index, stop_condition, progress, waited_s)
                    self.result.rounds.append(closed)
                    progress.round_closed(closed)
            except TooManyEventsError as error:
                raise TooManyEventsError(f"{self.result.label}, round {index}: {error}") from None
            except EndlessRoundError:
                self.result.ended = f"round {index} never ends: {self._obstacle()}"
                self.result.stalled = True
                break
            late = stop_condition.passed(closed.virtual_time_s)
            reached = (
                stop_condition.target_accuracy is not None
                and closed.accuracy is not None
                and closed.accuracy >= stop_condition.target_accuracy
            )
            if late or reached or self.world.clock.events >= stop_condition.events:
                break

    def finish(self) -> None:
        """Take down the digests and the last kept rounds."""
        result, learning = self.result, self.world.learning
        first = {kept.index for kept in result.kept}
        result.kept.extend(k for k in self._last_of_type.values() if k.index not in first)
        result.capacity_s = {
            name: self.world.network.capacity_seconds(name, result.virtual_time_s)
            for name in result.links
        }
        result.link_clients = {
            name: self.world.client_routes.clients[name] for name in result.links
        }
        result.kept.sort(key=lambda kept: kept.index)
        result.event_digest = self._events.hexdigest()
        result.learning_digest = learning.run_digest
        if learning.executor is not None and result.rounds:
            result.weights_digest = learning.executor.weights_digest()

    def _wait_for_clients(self, index: int) -> float:
        churn = self.world.churn
        return 0.0 if churn is None else churn.wait_s(self.method.eligible(index))

    def _play(
        self, index: int, stop_condition: StopCondition, progress: RoundProgress, waited_s: float
    ) -> RoundResult:
        world, method = self.world, self.method
        with let_in():
            rnd = method.open_round(index)
            self._members = rnd.participants
            record = self._record_of(rnd)
        start_s = world.clock.epoch_s
        world.clock.rebase(record.duration_s)
        world.learning.close_round(progress.client_trained)
        last = index == stop_condition.rounds - 1 or stop_condition.passed(world.clock.elapsed_s)
        accuracy = self._learned.get(index)
        if last or (index + 1) % stop_condition.evaluate_every == 0:
            accuracy = self._evaluated(rnd, accuracy)
        utilisation = self._log(rnd, record, start_s)
        energy = self._energy(rnd, record)
        straggler = record.straggler
        return RoundResult(
            index=index,
            round_type=rnd.round_type,
            clients=len(rnd.participants),
            round_time_s=record.duration_s,
            virtual_time_s=world.clock.elapsed_s,
            additive_round_time_s=sum(record.additive_s.values()),
            wire_up=int(record.wire_up.sum()),
            wire_down=int(record.wire_down.sum()),
            payload_up=int(record.payload_up.sum()),
            payload_down=int(record.payload_down.sum()),
            critical_path_s=record.critical_path_s,
            additive_s=record.additive_s,
            barrier_s=record.barrier_s,
            waited_s=waited_s,
            clients_dropped=len(rnd.dropped),
            wasted_bytes=record.wasted_bytes,
            energy_j=energy,
            server_jobs=record.server_jobs,
            server_wait_s=record.server_wait_s,
            longest_server_wait_s=record.longest_server_wait_s,
            utilisation=utilisation,
            straggler=(
                world.clients[rnd.participants[straggler]].name
                if straggler != NO_CAUSE and rnd.participants
                else None
            ),
            accuracy=accuracy,
        )

    def _evaluated(self, rnd: Round, learned: float | None) -> float | None:
        """Return the accuracy after a round; `learned` where nothing is trained here."""
        learning = self.world.learning
        if learning.executor is None:
            return learned
        parts = self.method.evaluated(rnd)
        try:
            with let_in():
                accuracy = learning.executor.accuracy(parts)
                finite = learning.executor.finite(parts)
        except KeyboardInterrupt:
            learning.undo_round()
            raise
        if self.result.diverged_in_round is None and not finite:
            self.result.diverged_in_round = rnd.index
        return accuracy

    def _obstacle(self) -> str:
        """Return why nothing is left to happen in a round that is not over."""
        network, clients = self.world.network, len(self.world.clients)
        held = {flow.route % clients for flow in network.in_flight()}
        links = network.without_capacity()
        if held and links:
            more = f" and {len(links) - MOST_NAMED} more" if len(links) > MOST_NAMED else ""
            has = "its link has" if len(held) == 1 else "their links have"
            names = ", ".join(links[:MOST_NAMED]) + more
            return f"{self._who(len(held))} finish, {has} zero capacity ({names})"
        if held:
            return f"{self._who(len(held))} finish"
        if self.world.churn is not None:
            return "a client that went offline does not come back"
        return "it waits for something that never happens"

    def _who(self, held: int) -> str:
        """Return how many of the round's clients can never do something, up to the verb."""
        taking_part = len(self._members)
        if held >= taking_part:
            return "no client can" if taking_part > 1 else "its client can never"
        return f"{held} of {taking_part} clients can never"

    def _record_of(self, rnd: Round) -> RoundRecord:
        observers = self._observe(self.world, rnd) if self._observe else ()
        if observers or not self._reuse:
            return self._simulate(rnd, observers)
        timing_classes = tuple(
            self.world.clients[client].timing_class for client in rnd.participants
        )
        key = (self.method.signature(rnd), timing_classes)
        if key in self._records:
            self.result.reused_rounds += 1
        else:
            self._records[key] = self._simulate(rnd, ())
        return self._records[key]

    def _recording(self, rnd: Round, observers: Sequence[Observer]) -> Loads | None:
        """Take down the loads of shared links in the rounds whose intervals are surely kept."""
        network = self.world.network
        if self.keep_all or rnd.round_type not in self._last_of_type:
            loads = Loads(network, network.shared[:MOST_RECORDED])
            network.observe(loads, *observers)
            return loads
        network.observe(*observers)
        return None

    def _simulate(self, rnd: Round, observers: Sequence[Observer]) -> RoundRecord:
        world = self.world
        world.rows = []
        world.bytes_sent = world.bytes_delivered = world.bytes_dropped = 0
        if world.transport is not None:
            world.transport.open_round()
        if world.churn is not None:
            world.churn.open_round(lambda member: self.method.drop(rnd, member))
        loads = self._recording(rnd, observers)
        world.clock.play(world.clock.process(self.method.run_round(rnd)))
        self._check_finished(rnd)
        intervals = Intervals.from_rows(world.rows)
        logged, sent = int(intervals.wire_bytes.sum()), world.bytes_sent
        delivered, dropped = world.bytes_delivered, world.bytes_dropped
        if not sent == logged == delivered + dropped:
            raise ConservationError(
                f"{sent} bytes were sent, {logged} logged, {delivered} delivered, {dropped} dropped"
            )
        members = len(rnd.participants)
        record = close_record(
            intervals,
            members,
            world.clock.now,
            world.server.slots,
            interleaves=world.server.interleaves,
        )
        held = world.network.collect_bottlenecks()
        uses = world.client_routes.uses(intervals, rnd.participants, held)
        return replace(record, uses=uses, loads={} if loads is None else loads.series())

    def _check_finished(self, rnd: Round) -> None:
        """Check that nothing of a round goes on when its method closes it."""
        world = self.world
        under_way = len(world.network.in_flight())
        travelling = world.bytes_sent - world.bytes_delivered - world.bytes_dropped
        computing = sum(row.end > world.clock.now for row in world.rows)
        if not (under_way or travelling or computing or not world.server.idle):
            return
        raise UnfinishedRoundError(
            f"{self.result.label}: round {rnd.index} was closed at {world.clock.now:.6g} s with"
            f" {under_way} transfers in flight, {travelling} bytes not delivered, {computing}"
            f" computations running and the server {'idle' if world.server.idle else 'busy'}; a method"
            " that closes a round early cancels the clients that are not done (Method.cancel)"
        )

    def _log(self, rnd: Round, record: RoundRecord, start_s: float) -> dict[str, float]:
        """Take a round down in the result; return its `utilisation`."""
        result, world = self.result, self.world
        names = tuple(world.clients[client].name for client in rnd.participants)
        self._events.update(
            repr(
                (rnd.index, rnd.round_type, names, start_s, record.duration_s, record.digest)
            ).encode()
        )
        links = {key: world.client_routes.name(key, rnd.participants) for key in record.uses}
        for key, use in record.uses.items():
            result.links.setdefault(links[key], LinkTotals()).add(use)
        result.clients_busy_s += float(record.device_busy_s.sum())
        result.clients_available_s += record.duration_s * record.members
        result.server_busy_s += record.server_busy_s
        result.server_available_s += record.duration_s * world.server.slots
        kept = KeptRound(rnd.index, rnd.round_type, start_s, names, record, links)
        if self.keep_all or rnd.round_type not in self._last_of_type:
            result.kept.append(kept)
        self._last_of_type[rnd.round_type] = kept
        return self._utilisation(links, record, start_s)

    def _energy(self, rnd: Round, record: RoundRecord) -> float | None:
        """Count the round for every participant's device; return the energy of all."""
        total: float | None = 0.0
        for member, client in enumerate(rnd.participants):
            who = self.world.clients[client]
            profile = who.work.profile
            use = self.result.devices.setdefault(who.name, DeviceUse(profile.name))
            joules = use.add(profile.power_w, record.duration_s, record.active, member)
            total = None if joules is None or total is None else total + joules
        return total

    def _utilisation(
        self, links: Mapping[Key, str], record: RoundRecord, start_s: float
    ) -> dict[str, float]:
        network, recorded = self.world.network, set(self.world.network.shared[:MOST_RECORDED])
        used: dict[str, float] = {}
        offered: dict[str, float] = {}
        for key, use in record.uses.items():
            if not isinstance(key, str) or key in recorded:
                line, end_s = use.line(key), start_s + record.duration_s
                capacity = network.capacity_seconds(links[key], end_s, start_s)
                used[line] = used.get(line, 0.0) + use.consumed
                offered[line] = offered.get(line, 0.0) + capacity
        return {line: used[line] / offered[line] for line in used if 0 < offered[line] < inf}
