"""Any graph of shared resources: progressive filling, all flows of the component at every change.

Exact and plain: a solve looks at every flow a few times, and a change costs O(flows), so this is
for components of up to some hundred flows at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import inf

from sim.network.flow import Flow
from sim.network.solver import Solver

Uses = Sequence[tuple[str, float]]


def fill(
    capacities: Mapping[str, float],
    weights: Sequence[float],
    caps: Sequence[float],
    uses: Sequence[Uses],
) -> list[float]:
    """Weighted max-min fair rates of flows with caps; infinite where nothing holds a flow.

    `uses[f]` lists the resources of flow f with its consumption per byte of each. In every pass a
    resource offers its flows the level left / load. Offers only rise while others are settled, so
    two kinds of flow are settled at once: those whose cap is below all offers, and those of a
    resource whose offer is the lowest for each of its flows.
    """
    rates: list[float] = [0] * len(weights)
    left = {name: capacity for name, capacity in capacities.items() if capacity < inf}
    unsettled = list(range(len(weights)))
    while unsettled:
        load: dict[str, float] = {}
        for f in unsettled:
            for name, consumption in uses[f]:
                if name in left:
                    load[name] = load.get(name, 0) + consumption * weights[f]
        offer = {name: left[name] / amount for name, amount in load.items()}
        level = {
            f: min((offer[name] for name, _ in uses[f] if name in left), default=inf)
            for f in unsettled
        }
        held_elsewhere = {
            name
            for f in unsettled
            for name, _ in uses[f]
            if name in left and min(level[f], caps[f] / weights[f]) < offer[name]
        }
        still = []
        for f in unsettled:
            at_cap = caps[f] / weights[f] <= level[f]
            if (
                not at_cap
                and level[f] < inf
                and not any(
                    name in left and offer[name] == level[f] and name not in held_elsewhere
                    for name, _ in uses[f]
                )
            ):
                still.append(f)
                continue
            rates[f] = caps[f] if at_cap else level[f] * weights[f]
            for name, consumption in uses[f]:
                if name in left:
                    left[name] = max(0, left[name] - consumption * rates[f])
        assert len(still) < len(unsettled), "every pass settles the flows of the lowest level"
        unsettled = still
    return rates


class Filling(Solver):
    """The flows on several shared resources; `uses` is per route, its resources and consumption."""

    __slots__ = ("_capacities", "_due_at", "_flows", "_next", "_now", "_uses")

    form = "filling"

    def __init__(self, capacities: Mapping[str, float], uses: Mapping[int, Uses]) -> None:
        super().__init__()
        self._capacities = dict(capacities)
        self._uses = uses
        self._flows: dict[Flow, None] = {}  # in the order in which they came
        self._next: list[Flow] = []
        self._now: float = 0
        self._due_at: float = inf

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        """Take up a flow; it gets its rate in the next `solve`."""
        self._advance(now)
        flow.left = left_bytes
        flow.limit = cap
        flow.rate = 0
        self._flows[flow] = None
        self.count += 1

    def remove(self, flow: Flow, now: float) -> float:
        """Let go of a flow and return the bytes that it had left."""
        left = self.left(flow, now)
        self._advance(now)
        del self._flows[flow]
        self._settle_count()
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        """Change the cap of a flow in flight, in bytes/s."""
        self._advance(now)
        flow.limit = cap

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        """Change the capacity of one of the shared resources."""
        assert resource in self._capacities
        if self.count:
            self._advance(now)
        self._capacities[resource] = capacity

    def due(self, now: float) -> list[Flow]:
        """Let go of the flows that end at `now`, in sequence order."""
        self._advance(now)
        found = [
            flow
            for flow in self._flows
            if flow.left <= 0 or (flow.rate and now + flow.left / flow.rate <= now)
        ]
        for flow in found:
            del self._flows[flow]
        self._settle_count()
        return sorted(found, key=_sequence)

    def solve(self, now: float) -> float:
        """Share out anew; return the seconds until the next flow ends."""
        self._advance(now)
        flows = list(self._flows)
        rates = fill(
            self._capacities,
            [flow.weight for flow in flows],
            [flow.limit for flow in flows],
            [self._uses[flow.route] for flow in flows],
        )
        delays: list[float] = []
        for flow, rate in zip(flows, rates, strict=True):
            flow.rate = rate
            delays.append(flow.left / rate if rate else inf if flow.left else 0)
        delay = min(delays, default=inf)
        self._next = [flow for flow, wait in zip(flows, delays, strict=True) if wait == delay]
        self._due_at = now + delay
        return delay

    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""
        return flow.rate

    def left(self, flow: Flow, now: float) -> float:
        """Bytes that a flow in flight has left at `now`; less than the clock resolves is none."""
        left, rate = flow.left, flow.rate
        if now != self._now:
            left = left - rate * (now - self._now)
        if now >= self._due_at and flow in self._next:
            return 0
        return 0 if left <= 0 or (rate and now + left / rate <= now) else left

    def flows(self) -> Iterator[Flow]:
        """All flows in flight."""
        return iter(self._flows)

    def _advance(self, now: float) -> None:
        """Take off what has been sent; the flows foreseen to end by now have nothing left."""
        if now != self._now:
            elapsed = now - self._now
            for flow in self._flows:
                flow.left = max(0, flow.left - flow.rate * elapsed)
            self._now = now
        if now >= self._due_at:
            for flow in self._next:
                flow.left = 0
            self._next = []
            self._due_at = inf

    def _settle_count(self) -> None:
        """Note how many are in flight, and forget all times once there are none."""
        self.count = len(self._flows)
        if not self.count:
            self._now = 0
            self._next = []
            self._due_at = inf


def _sequence(flow: Flow) -> int:
    return flow.sequence
