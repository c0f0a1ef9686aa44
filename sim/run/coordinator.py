"""Play the methods of all seeds of a run, several at a time if there are worker processes for them.

Each method is played in a world of its own, on this process's thread; its training runs elsewhere. While
a round of one method is trained, the rounds of others are played, so that workers do not wait for the
slowest client of a round. Only as many methods are begun as it takes to keep the workers busy, because
each has states and a world in memory.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from cutlayer.sim.learning.executor import Runtime
from cutlayer.sim.process.interrupts import gently_stopped, held_back, let_in, stop_requested
from cutlayer.sim.run.engine import Steps
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.seed_run import SeedRun

TASKS_PER_WORKER: Final = 2  # one that it performs, and one that it finds when that is done


@dataclass(eq=False)
class _Method:
    """A method that has begun, and the round that it waits for."""

    seed: SeedRun
    steps: Steps
    round: Played | None = None


class Coordinator:
    """Plays the seeds of a run. `begun` are those that have begun, also after an interruption.

    `stack` receives the contexts of the seeds.
    """

    def __init__(self, seeds: Sequence[SeedRun], runtime: Runtime | None, stack: ExitStack) -> None:
        self.begun: list[SeedRun] = []
        self._seeds = seeds
        self._waiting = deque((seed, label) for seed in seeds for label in seed.methods)
        self._active: list[_Method] = []
        self._runtime = runtime
        self._stack = stack

    def play(self) -> None:
        """Play all methods.

        If Ctrl-C requests a stop, the rounds at hand are closed and no method begins. Any other
        interruption raises KeyboardInterrupt at once.
        """
        for seed in self._seeds:
            if seed is self._seeds[0] or not seed.methods:
                self._begin_seed(seed)
        try:
            with let_in(), gently_stopped():
                while self._active or self._waiting:
                    if stop_requested():
                        self._waiting.clear()
                    if self._advance():
                        continue
                    if self._waiting and self._room():
                        self._begin(*self._waiting.popleft())
                    elif self._active:
                        assert self._runtime is not None
                        assert self._runtime.queued, "rounds wait for tasks"
                        self._runtime.wait()
        finally:
            for method in self._active:
                method.steps.close()

    def _advance(self) -> bool:
        """Advance the first method that waits for nothing; return False if there is none."""
        for method in self._active:
            if method.round is None or method.round.done:
                try:
                    method.round = next(method.steps)
                except StopIteration:
                    self._active.remove(method)
                    self._end(method.seed)
                return True
        return False

    def _room(self) -> bool:
        """Return whether another method may begin."""
        if not self._active or self._runtime is None:
            return not self._active
        jobs = self._runtime.jobs
        most = 1 if jobs == 1 else jobs + 1
        return len(self._active) < most and self._runtime.queued < TASKS_PER_WORKER * jobs

    def _begin(self, seed: SeedRun, label: str) -> None:
        if seed not in self.begun:
            self._begin_seed(seed)
        self._active.append(_Method(seed, seed.steps(label)))

    def _begin_seed(self, seed: SeedRun) -> None:
        with held_back():
            self.begun.append(self._stack.enter_context(seed))

    def _end(self, seed: SeedRun) -> None:
        """Write the results of a seed if all its methods have ended and other seeds are not finished."""
        if seed.whole and (self._active or self._waiting):
            seed.finish()
            if seed.result.status == "stopped":  # interrupted while its files were written
                raise KeyboardInterrupt
