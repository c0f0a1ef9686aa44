"""When solvers share out anew, and when their flows end: once per instant, after all its changes."""

from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any, Final, Protocol

from simpy import Environment, Event
from simpy.events import EventPriority

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.solver import Solver

AFTER_ALL_ELSE: Final = EventPriority(2)
"""SimPy has 0 (urgent) and 1 (normal): events of this priority come last of their instant."""
SETTLE: Final = -1
"""The generation of a settle; an end foreseen for later carries the generation of its solve."""


class StalledClockError(RuntimeError):
    """The clock stopped advancing: too many settles of the network at one instant."""


class Observer(Protocol):
    """Receives the rates of a solver whenever they change."""

    def note(self, solver: Solver, now: float) -> None:
        """Record the rates of a solver, which hold from `now` on."""


class Wake(Event):
    """Calls `callbacks` in `delay` seconds; `generation` shows whether it is still valid then."""

    def __init__(
        self,
        env: Environment,
        callbacks: list[Callable[[Any], None]],
        target: Any,
        generation: int,
        delay: float,
        priority: EventPriority = AFTER_ALL_ELSE,
    ) -> None:
        self.env = env
        self.callbacks = callbacks
        self._value = None
        self._ok = True
        self.target = target
        self.generation = generation
        env.schedule(self, priority, delay)


class Settling:
    """Wakes solvers and collects the flows that end.

    `ended` is called with the flows of one solver that end at an instant. More than `limit` settles
    at one instant raise a StalledClockError, with what `state` returns. `solves` counts the settles
    in which flows with a common resource were given new rates. `observers` are called after each.
    """

    def __init__(
        self,
        env: Environment,
        ended: Callable[[Sequence[Flow], float], None],
        limit: int,
        state: Callable[[], str],
    ) -> None:
        self._env = env
        self._ended = ended
        self._limit = limit
        self._state = state
        self._instant: float = nan
        self._at_instant = 0
        self._callbacks: list[Callable[[Any], None]] = [self._look_after]
        self.observers: tuple[Observer, ...] = ()
        self.solves = 0

    def touch(self, solver: Solver, now: float) -> None:
        """Have a changed solver solve once, after all changes of this instant."""
        if solver.at_once:
            self._solve(solver, now)
        elif not solver.touched:
            solver.touched = True
            Wake(self._env, self._callbacks, solver, SETTLE, 0)

    def forget(self, solver: Solver) -> None:
        """Cancel what was foreseen for a solver, even if the clock is put back."""
        solver.generation += 1
        solver.wake_at = inf
        solver.touched = False

    def removed(self, solver: Solver, now: float) -> None:
        """Settle the flows that are left in a solver after one was removed."""
        if solver.count:
            self.touch(solver, now)
        else:
            for observer in self.observers:
                observer.note(solver, now)

    def count(self, now: float) -> None:
        """Count a settle at `now`. Raises StalledClockError after too many at one instant."""
        if now != self._instant:
            self._instant = now
            self._at_instant = 0
        self._at_instant += 1
        if self._at_instant > self._limit:
            raise StalledClockError(
                f"the clock has stopped at {now} s: {self._at_instant} settles of the network at"
                f" this instant; {self._state()}"
            )

    def _solve(self, solver: Solver, now: float) -> None:
        delay = solver.solve(now)
        for observer in self.observers:
            observer.note(solver, now)
        wake_at = now + delay
        if wake_at != solver.wake_at:
            solver.generation += 1
            solver.wake_at = wake_at
            if wake_at < inf:
                Wake(self._env, self._callbacks, solver, solver.generation, delay)

    def _look_after(self, wake: Wake) -> None:
        solver: Solver = wake.target
        if wake.generation == SETTLE:
            if not solver.touched:
                return
            solver.touched = False
        elif wake.generation == solver.generation:
            solver.wake_at = inf
        else:
            return
        now = self._env.now
        self.count(now)
        due = solver.due(now)
        if due:
            self._ended(due, now)
            if not solver.at_once or not solver.count:
                self.removed(solver, now)
        elif solver.count and not solver.touched:
            if not solver.at_once:
                self.solves += 1
            self._solve(solver, now)
