"""The load of shared resources over time, taken down whenever rates change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.network.solvers.solver import Solver


@dataclass(frozen=True)
class LoadSeries:
    """A resource's load from each of `times` (s) to the next, and the capacity it was taken from.

    Both are in the resource's own unit: bytes/s, or seconds of airtime per second.
    """

    times: NDArray[np.float64]
    load: NDArray[np.float64]
    capacity: NDArray[np.float64]


class Loads:
    """Notes the load of some shared resources as their solvers settle."""

    def __init__(
        self,
        shared_by: Callable[[], Mapping[str, Solver]],
        capacities: Mapping[str, float],
        names: Sequence[str],
    ) -> None:
        self._shared_by = shared_by
        self._capacities = capacities
        self._points: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}

    def note(self, solver: Solver, now: float) -> None:
        """Take down the loads that hold from `now` on; of several at one instant the last counts."""
        shared_by = self._shared_by()
        for name, points in self._points.items():
            if shared_by.get(name) is not solver:
                continue
            point = (float(now), float(solver.load(name)), float(self._capacities[name]))
            if points and points[-1][0] == now:
                points[-1] = point
            elif not points or points[-1][1:] != point[1:]:
                points.append(point)

    def series(self) -> dict[str, LoadSeries]:
        """Return what was taken down of the resources that had any load."""
        return {
            name: LoadSeries(*np.array(points).T) for name, points in self._points.items() if points
        }
