"""The loop of one method's run: play a round or window on the clock, train, evaluate, log."""

import gc
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from math import inf
from typing import Any, ClassVar, Final

from cutlayer.sim.clock import EndlessRoundError, TooManyEventsError
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Progress as ChainProgress
from cutlayer.sim.learning.pending import Mark, TrainedRound
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.log.intervals import NO_CAUSE
from cutlayer.sim.log.record import RoundRecord
from cutlayer.sim.methods.method import Method, Round
from cutlayer.sim.network.settling import Observer
from cutlayer.sim.process.interrupts import held_back, let_in, stop_requested
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.one_round import UnfinishedRoundError, obstacle
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.stop_condition import MetricLimits, StopCondition
from cutlayer.sim.run.totals import Totals
from cutlayer.sim.run.trained_figures import trained_figures

Observe = Callable[[World, Round], Sequence[Observer]]
Steps = Generator[Played, None, bool]  # returns whether the run was played to its end

COLLECTING: Final = (50_000, 20, 100)  # thresholds of `gc`; Python's own are (700, 10, 10)


@contextmanager
def collecting_less() -> Iterator[None]:
    """Collect cyclic garbage less often.

    Events, processes and rows of the log live so long that Python's collector would examine them many
    times, for up to half of the time of a run without tensors.
    """
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTING)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(frozen=True)
class RoundProgress:
    """Callbacks: for every closed round, and for every client trained within a round.

    `committed` is called before `round_closed`, with the round's training; its states are kept until the
    next round is committed. `ended` is called once, after the last round that was committed, while its
    states are kept.
    """

    round_closed: Callable[[RoundResult], None] = lambda _: None
    client_trained: ChainProgress | None = None
    committed: Callable[[Played, RoundResult], None] = lambda *_: None
    ended: Callable[[], None] = lambda: None


class Engine(ABC):
    """Runs one method in its world and fills its result; a subclass plays its rounds or windows.

    `observe` returns the network observers of a round. `learned` has the figures by round of a
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
        learned: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        self.world = method.world
        self.method = method
        self.result = result
        self._observe = observe
        self._learned = learned or {}
        self._totals = Totals(self.world, result, keep_all=keep_all)
        self._members: Sequence[int] = ()  # of the current round
        self._digest = self.world.learning.run_digest  # of the last committed round
        self._mark: Mark | None = None

    def run(self, stop: StopCondition, progress: RoundProgress) -> None:
        """Play and train rounds until a limit is reached; see `steps`."""
        for played in self.steps(stop, progress):
            with let_in():
                played.wait()

    def steps(self, stop: StopCondition, progress: RoundProgress) -> Steps:
        """Play and train rounds until a limit is reached; yield each round that has to be waited for.

        The caller continues once the round is done. The result is up to date after every round: it has
        the figures of a round that is committed, and none of one that is not. When Ctrl-C has requested
        a stop, the round at hand is closed and no other; the generator then returns False.

        A round begins as soon as an eligible client is online. If none will ever be, the run ends and
        `result.ended` says why.
        """
        with nullcontext() if self.world.learning.trains else collecting_less():
            return (yield from self._steps(stop, progress))

    def _steps(self, stop: StopCondition, progress: RoundProgress) -> Steps:
        executor = self.world.learning.executor
        ahead = 0 if stop.by_metric or executor is None else executor.ahead
        limits = MetricLimits(stop)
        waiting: deque[Played] = deque()
        whole = True
        for index in range(stop.rounds):
            if stop_requested():
                whole = False
                break
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
                with held_back():  # a round is played as a whole or not at all
                    waiting.append(self._play(index, stop, progress, waited_s))
            except (TooManyEventsError, UnfinishedRoundError) as error:
                where = f"{self.result.label}, {self.noun} {index}"
                raise type(error)(f"{where}: {error}") from None
            except EndlessRoundError:
                self.result.ended = (
                    f"{self.noun} {index} never ends: {obstacle(self.world, len(self._members))}"
                )
                self.result.stalled = True
                break
            late = waiting[-1].row.virtual_time_s >= stop.virtual_time_s
            reached = False
            while len(waiting) > ahead:
                closed = yield from self._close_first(waiting, progress)
                if waiting and stop_requested():
                    return False
                reached = limits.reached(closed)
            if late or reached or self.world.clock.events >= stop.events:
                break
        while waiting:
            yield from self._close_first(waiting, progress)
            if waiting and stop_requested():
                return False
        return whole

    def _close_first(
        self, waiting: deque[Played], progress: RoundProgress
    ) -> Generator[Played, None, RoundResult]:
        """Commit the first of the played rounds once it is done."""
        if not waiting[0].done:
            yield waiting[0]
        return self._commit(waiting.popleft(), progress)

    def _commit(self, played: Played, progress: RoundProgress) -> RoundResult:
        """Add a round that is done to the result, as a whole or not at all."""
        with held_back():
            played.trained.result()
            evaluation = None if played.evaluation is None else played.evaluation.result()
            personal = None if played.personal is None else played.personal.result()
            trained = trained_figures(played.trained, evaluation, personal)
            figures = {**played.learned, **trained}
            for effect in (*played.effects, *played.further):
                effect()
            closed = replace(played.row, **figures, energy_j=played.energy_j())
            if evaluation is not None:
                self.result.confusion = evaluation.confusion or None
                if self.result.diverged_in_round is None and not evaluation.finite:
                    self.result.diverged_in_round = closed.index
            self.result.rounds.append(closed)
            self._digest, before = played.trained.digest, self._mark
            self._mark = played.trained.mark
            if before is not None:
                before.release()
            progress.committed(played, closed)
            progress.round_closed(closed)
        return closed

    def finish(self) -> None:
        """Store the digests, the capacities of links and the last kept rounds in the result."""
        result = self.result
        self._totals.finish()
        result.learning_digest = self._digest
        if self._mark is not None:
            result.weights_digest = self._mark.weights_digest()
        if self.world.learning.executor is not None:
            self.world.learning.executor.close()

    def _wait_s(self, index: int, stop: StopCondition) -> float:  # noqa: ARG002
        """Return the seconds until an eligible client is online."""
        return self.world.fleet.wait_s(self.method.eligible(index))

    @abstractmethod
    def _play(
        self, index: int, stop: StopCondition, progress: RoundProgress, waited_s: float
    ) -> Played:
        """Play a round or window and issue its training."""

    def _issued(
        self,
        rnd: Round,
        record: RoundRecord,
        start_s: float,
        stop: StopCondition,
        trained: TrainedRound,
        *,
        waited_s: float = 0.0,
    ) -> Played:
        """Return a round that has been played; issue its evaluation if it has one."""
        world, index = self.world, rnd.index
        last = index == stop.rounds - 1 or world.clock.elapsed_s >= stop.virtual_time_s
        evaluated = last or (index + 1) % stop.evaluate_every == 0
        executor, models = world.learning.executor, self._models(rnd)
        evaluation = personal = None
        if evaluated and executor is not None:
            evaluation = executor.evaluate(*models)
            if own := world.learning.personal.of(models[0]):
                personal = executor.evaluate(own, [1] * len(own))
        straggler = record.straggler
        elapsed_s = [self._elapsed_s(member, record) for member in range(len(rnd.participants))]
        available_s = self._available_s(rnd, record)
        add, utilisation = self._totals.measure(rnd, record, start_s, available_s)
        row = RoundResult(
            index=index,
            round_type=rnd.round_type,
            clients=len(rnd.participants),
            round_time_s=record.duration_s,
            virtual_time_s=world.clock.elapsed_s,
            additive_round_time_s=sum(record.additive_s.values()),
            wire_up=record.sent["wire_up"],
            wire_down=record.sent["wire_down"],
            payload_up=record.sent["payload_up"],
            payload_down=record.sent["payload_down"],
            wire_by=record.wire_by,
            payload_by=record.payload_by,
            critical_path_s=record.critical_path_s,
            additive_s=record.additive_s,
            barrier_s=record.barrier_s,
            waited_s=waited_s,
            clients_dropped=len(rnd.dropped),
            wasted_bytes=record.wasted_bytes,
            server_jobs=record.server_jobs,
            server_wait_s=record.server_wait_s,
            longest_server_wait_s=record.longest_server_wait_s,
            utilisation=utilisation,
            tiers=record.tiers,
            straggler=(
                world.fleet.clients[rnd.participants[straggler]].name
                if straggler != NO_CAUSE and rnd.participants
                else None
            ),
        )
        return Played(
            row,
            trained,
            self._totals.energy_j(rnd, record, elapsed_s),
            (add,),
            evaluation=evaluation,
            personal=personal,
            learned=self._learned.get(index, {}),
            models=models[0],
        )

    def _models(self, rnd: Round) -> tuple[Sequence[tuple[StateKey, ...]], Sequence[int]]:
        """Return the models that an evaluation after a round uses, and the weight of each."""
        fleet, learning = self.world.fleet, self.world.learning
        if not learning.trains:
            return (), ()
        differ = learning.mixed is not None and learning.mixed.freezes_device
        cuts = Counter(fleet.cuts[client] for client in fleet.able) if differ else {}
        return learning.models(self.method.evaluated(rnd), cuts)

    def _available_s(self, rnd: Round, record: RoundRecord) -> float:  # noqa: ARG002
        """Return the time of all members together for the method's work, in seconds."""
        return record.duration_s * record.members

    def _elapsed_s(self, member: int, record: RoundRecord) -> float:  # noqa: ARG002
        """Return the seconds of a member's device that are charged with energy."""
        return record.duration_s
