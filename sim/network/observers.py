"""Observers of a network: the loads of shared resources, and what held back single transfers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.network import Network
from cutlayer.sim.network.solvers.solver import Solver

FULL: Final = 1 - 1e-9
"""From this share of a cap or a capacity on, it counts as used up."""
TRANSPORT: Final = "transport"
"""The bottleneck of a transfer that runs at the cap of its transport."""
NOTHING: Final = "nothing"
"""The bottleneck of a transfer that neither a link nor a cap holds back."""


@dataclass(frozen=True)
class LoadSeries:
    """A resource's load from each of `times` (s) to the next, and its capacity then.

    Both are in the resource's own unit: bytes/s, or seconds of airtime per second.
    """

    times: NDArray[np.float64]
    load: NDArray[np.float64]
    capacity: NDArray[np.float64]


class Loads:
    """Records the load of some shared resources whenever rates change."""

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        self._network = network
        self._points: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}

    def note(self, solver: Solver, now: float) -> None:
        """Record the loads that hold from `now` on; the last of several at one instant counts."""
        for name, points in self._points.items():
            if self._network.solver_of(name) is not solver:
                continue
            point = (float(now), float(solver.load(name)), float(self._network.capacity(name)))
            if points and points[-1][0] == now:
                points[-1] = point
            elif not points or points[-1][1:] != point[1:]:
                points.append(point)

    def note_all(self, now: float) -> None:
        """Record the loads of the resources that are in use at `now`, when recording begins."""
        for solver in dict.fromkeys(map(self._network.solver_of, self._points)):
            if solver is not None and solver.count:
                self.note(solver, now)

    def series(self, start_s: float = 0.0) -> dict[str, LoadSeries]:
        """Return the series of the resources that had any load, with times since `start_s`."""
        columns = {name: np.array(points).T for name, points in self._points.items() if points}
        return {
            name: LoadSeries(times - start_s, load, capacity)
            for name, (times, load, capacity) in columns.items()
        }


@dataclass(frozen=True)
class Span:
    """From `start_s` on, a transfer ran at `rate` (bytes/s), held back by a link or the transport."""

    start_s: float
    rate: float
    bottleneck: str


@dataclass
class Probed:
    """A transfer with its spans in order of time."""

    flow: Flow
    spans: list[Span] = field(default_factory=list)


class Probe:
    """Records what held back each transfer on some routes while it was sent."""

    def __init__(self, network: Network, routes: Collection[int]) -> None:
        self._network = network
        self._routes = frozenset(routes)
        self._probed: dict[int, Probed] = {}

    @property
    def transfers(self) -> list[Probed]:
        """The transfers seen so far, in the order in which they were started."""
        return [self._probed[sequence] for sequence in sorted(self._probed)]

    def note(self, solver: Solver, now: float) -> None:
        """Record rates and bottlenecks of one solver's transfers, which hold from `now` on."""
        for flow in solver.flows():
            if not self._routes.isdisjoint(self._network.branches(flow.route)):
                probed = self._probed.setdefault(flow.sequence, Probed(flow))
                rate = float(solver.rate(flow))
                span = Span(float(now), rate, self._bottleneck(solver, flow, rate))
                if probed.spans and probed.spans[-1].start_s == now:
                    probed.spans.pop()
                if not probed.spans or (
                    (probed.spans[-1].rate, probed.spans[-1].bottleneck) != (rate, span.bottleneck)
                ):
                    probed.spans.append(span)

    def _bottleneck(self, solver: Solver, flow: Flow, rate: float) -> str:
        cap, holder = self._network.limit(flow)
        if rate >= cap * FULL:
            return TRANSPORT if holder is None else holder
        uses = self._network.shared_uses(flow.route)
        fullest = max(
            ((solver.load(name) / capacity if capacity else 1.0, name) for name, capacity in uses),
            default=(0.0, NOTHING),
        )
        return fullest[1] if fullest[0] >= FULL else NOTHING
