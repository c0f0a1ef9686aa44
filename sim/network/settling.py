"""When solvers share out anew, and when their flows end: once per instant, after all its changes."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol

from simpy import Environment

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.solver import Solver
from cutlayer.sim.network.wake import SETTLE, Callbacks, Wake


class Observer(Protocol):
    """Who looks on as rates change."""

    def note(self, solver: Solver, now: float) -> None:
        """Take note that the rates of a solver hold from `now` on."""


class Settling:
    """Wakes solvers. `ended` is called with the flows of one solver that end at an instant.

    `settles` is called for every settle, with the time. `solves` counts those in which flows with a
    common resource were given new rates. Each of `observers` is told when a solver's rates hold anew.
    """

    __slots__ = ("_callbacks", "_ended", "_env", "_settles", "observers", "solves")

    def __init__(
        self,
        env: Environment,
        ended: Callable[[Sequence[Flow], float], None],
        settles: Callable[[float], None],
    ) -> None:
        self._env = env
        self._ended = ended
        self._settles = settles
        self._callbacks: Callbacks = [self._look_after]
        self.observers: tuple[Observer, ...] = ()
        self.solves = 0

    def touch(self, solver: Solver, now: float) -> None:
        """Have a changed solver solve once, when all changes of this instant are made."""
        if solver.at_once:
            self._solve(solver, now)
        elif not solver.touched:
            solver.touched = True
            Wake(self._env, self._callbacks, solver, SETTLE, 0)

    def forget(self, solver: Solver) -> None:
        """Let nothing that was foreseen for a solver count, even if the clock is put back."""
        solver.generation += 1
        solver.wake_at = inf
        solver.touched = False

    def lost(self, solver: Solver, now: float) -> None:
        """A flow was taken from a solver: settle the others."""
        if solver.count:
            self.touch(solver, now)
        else:
            for observer in self.observers:
                observer.note(solver, now)

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
        solver = wake.solver
        if wake.generation == SETTLE:
            if not solver.touched:
                return
            solver.touched = False
        elif wake.generation == solver.generation:
            solver.wake_at = inf
        else:
            return
        now = self._env.now
        self._settles(now)
        due = solver.due(now)
        if due:
            self._ended(due, now)
            if not solver.at_once or not solver.count:
                self.lost(solver, now)
        elif solver.count and not solver.touched:
            if not solver.at_once:
                self.solves += 1
            self._solve(solver, now)
