"""The engine of synchronous methods: rounds, each from local time 0.

Two rounds have the same timing if their method signatures are equal and their participants have equal
timing classes in the same order. If the method is `reusable`, such a round is not played again: its
record, digest included, is reused, since every round starts at local time 0. Rounds that train tensors
are always played, and so are rounds that change their method or a state while they run.
"""

from collections.abc import Hashable, Mapping
from typing import Any

from cutlayer.sim.learning.digest import Digest
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.log.record import RoundRecord
from cutlayer.sim.methods.method import Method, Round
from cutlayer.sim.methods.signature import UnrepeatableError
from cutlayer.sim.process.interrupts import let_in
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.control import Control
from cutlayer.sim.run.engine import Engine, RoundProgress
from cutlayer.sim.run.one_round import play_round
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.stop_condition import StopCondition


class RoundEngine(Engine):
    """Runs one synchronous method in its world and fills its result.

    With `reuse`, rounds whose timing is known are not played again, unless they have observers.
    `control` decides before every round.
    """

    noun = "round"

    def __init__(
        self,
        method: Method,
        result: MethodResult,
        *,
        reuse: bool = True,
        control: Control | None = None,
        **options: Any,
    ) -> None:
        super().__init__(method, result, **options)
        self._control = control
        world = self.world
        self._reuse = (
            reuse
            and method.reusable
            and not method.cancels
            and world.time_invariant
            and not world.learning.trains
        )
        # Records, and the members that dropped out.
        self._played: dict[Hashable, tuple[RoundRecord, list[int]]] = {}

    def _wait_s(self, index: int, stop: StopCondition) -> float:
        if self._control is not None:
            self._control.decide(index)
        return super()._wait_s(index, stop)

    def _play(
        self, index: int, stop: StopCondition, progress: RoundProgress, waited_s: float
    ) -> Played:
        world, method = self.world, self.method
        with let_in():
            rnd = method.open_round(index)
            self._members = rnd.participants
            record = self._record_of(rnd)
        decisions = [] if self._control is None else self._control.closed(rnd, record)
        start_s = world.clock.epoch_s
        world.clock.rebase(record.duration_s)
        trained = world.learning.close_round(progress.client_trained)
        played = self._issued(rnd, record, start_s, stop, trained, waited_s=waited_s)
        if decisions:
            played.further.append(lambda: self.result.decisions.extend(decisions))
        return played

    def _record_of(self, rnd: Round) -> RoundRecord:
        """Play a round, or return the record of an equal one that was played before."""
        observers = self._observe(self.world, rnd) if self._observe else ()
        loads = self._totals.keeps(rnd.round_type)
        if observers or not self._reuse:
            return play_round(self.method, rnd, observers, record_loads=loads)
        key = self._key(rnd)
        if key is None:
            return play_round(self.method, rnd, record_loads=loads)
        played = self._played.get(key)
        if played is None:
            versions, orders = dict(self.world.learning.versions), _orders(rnd)
            record = play_round(self.method, rnd, record_loads=loads)
            kept = orders == _orders(rnd) and self._states_kept(rnd, versions)
            if self._key(rnd) == key and kept:
                self._played[key] = record, list(rnd.dropped)
            return record
        self.result.reused_rounds += 1
        record, dropped = played
        for member in dropped:
            self.method.drop(rnd, member)
        return record

    def _key(self, rnd: Round) -> Hashable | None:
        """Return the signature of a round's timing, or None if it cannot be compared."""
        clients, cuts = self.world.fleet.clients, self.world.fleet.cuts
        timing_classes = tuple((clients[i].timing_class, cuts[i]) for i in rnd.participants)
        try:
            return self.method.signature(rnd), timing_classes
        except UnrepeatableError:
            return None

    def _states_kept(self, rnd: Round, before: Mapping[StateKey, int]) -> bool:
        """Whether no state changed during a round, except those of dropped members."""
        dropped = {key for member in rnd.dropped for key in rnd.chains[member].writes}
        changed = before.items() ^ self.world.learning.versions.items()
        return all(key in dropped for key, _ in changed)


def _orders(rnd: Round) -> set[Digest]:
    """Return the digests of the orders in which interleaved chains of a round have run so far."""
    return {chain.group.digest for chain in rnd.chains if chain.group is not None}
