"""What held some transfers back, from moment to moment: the bottleneck of each while it was sent."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.solver import Solver

if TYPE_CHECKING:
    from cutlayer.sim.network.network import Network

NEAR: Final = 1 - 1e-9  # of a cap or a capacity counts as all of it
TRANSPORT: Final = "transport"  # its cap holds the transfer, not a link
NOTHING: Final = "nothing"  # no link and no cap holds it


@dataclass(frozen=True)
class Span:
    """From `start_s` on, a transfer ran at `rate` (bytes/s), held back by a link or the transport."""

    start_s: float
    rate: float
    bottleneck: str


@dataclass
class Probed:
    """A transfer that was looked at, with its spans in order of time."""

    flow: Flow
    spans: list[Span] = field(default_factory=list)


class Probe:
    """Looks at the transfers of some routes whenever rates change; an observer of a network."""

    def __init__(self, network: "Network", routes: Collection[int]) -> None:
        self._network = network
        self._routes = frozenset(routes)
        self._probed: dict[int, Probed] = {}

    @property
    def transfers(self) -> list[Probed]:
        """The transfers seen so far, in the order in which they were asked for."""
        return [self._probed[sequence] for sequence in sorted(self._probed)]

    def note(self, solver: Solver, now: float) -> None:
        """Look at the transfers of one solver, whose rates hold from `now` on."""
        for flow in solver.flows():
            if flow.route in self._routes:
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
        if rate >= cap * NEAR:
            return TRANSPORT if holder is None else holder
        uses = self._network.shared_uses(flow.route)
        fullest = max(
            ((solver.load(name) / capacity if capacity else 1.0, name) for name, capacity in uses),
            default=(0.0, NOTHING),
        )
        return fullest[1] if fullest[0] >= NEAR else NOTHING
