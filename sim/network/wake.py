"""The event by which the network asks itself to look after a solver."""

from collections.abc import Callable
from typing import Any, Final

from simpy import Environment, Event
from simpy.events import EventPriority

from cutlayer.sim.network.solvers.solver import Solver

AFTER_ALL_ELSE: Final = EventPriority(2)
"""SimPy knows 0 (urgent) and 1 (normal): these events come last of their instant."""
SETTLE: Final = -1
"""The generation of a settle; an end foreseen for later carries the generation of its solve."""

Callbacks = list[Callable[[Any], None]]


class Wake(Event):
    """Reaches `callbacks` in `delay` seconds, after every ordinary event of that instant."""

    def __init__(
        self, env: Environment, callbacks: Callbacks, solver: Solver, generation: int, delay: float
    ) -> None:
        self.env = env
        self.callbacks = callbacks
        self._value = None
        self._ok = True
        self.solver = solver
        self.generation = generation
        env.schedule(self, AFTER_ALL_ELSE, delay)
