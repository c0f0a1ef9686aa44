"""The private resources of a route, which cap the one transfer that it carries."""

from collections.abc import Mapping
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.route_runs import ByIndex, OnDemand
from cutlayer.sim.network.routes import Uses


class OwnLinks:
    """The cap that each route's own resources set, and for how long each of them held a transfer back.

    `capacities` are the network's, `held_s` the seconds so far. `renew` follows a change of capacity.
    """

    __slots__ = ("_capacities", "_caps", "_held_s", "_private")

    def __init__(
        self,
        capacities: Mapping[str, float],
        private: ByIndex[Uses],
        held_s: dict[str, float],
    ) -> None:
        self._capacities = capacities
        self._private = private
        self._held_s = held_s
        self._caps = OnDemand(self._cap)

    def renew(self, route: int) -> None:
        """Bring a route's cap up to date."""
        self._caps.pop(route, None)

    def _cap(self, route: int) -> tuple[float, str | None]:
        cap: float = inf
        narrowest = None
        for name, consumption in self._private[route]:
            offered = self._capacities[name] / consumption
            if offered < cap:
                cap, narrowest = offered, name
        return cap, narrowest

    def limit(self, flow: Flow) -> tuple[float, str | None]:
        """Return the least cap of a transfer, bytes/s, and the own resource that sets it, or None."""
        own = self._caps[flow.route]
        return own if own[0] <= flow.cap else (flow.cap, None)

    def charge(self, flow: Flow) -> None:
        """Charge the time at its cap since the last call to the resource that set the cap."""
        held_s = flow.capped_s - flow.charged_s
        if held_s:
            flow.charged_s = flow.capped_s
            name = flow.held_by
            if name is not None:
                flow.own_link_s += held_s
                self._held_s[name] = self._held_s.get(name, 0) + held_s

    def collect(self) -> dict[str, float]:
        """Return for how many seconds each resource held a transfer back, and start again at 0."""
        held, self._held_s = self._held_s, {}
        return held
