"""The resources that a route has for itself: no more than a cap on the one transfer it carries."""

from collections.abc import Mapping, Sequence
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.routes import Uses


class OwnLinks:
    """Per route the cap that its own resources set, and for how long each of them held a transfer.

    `capacities` is the network's and may change; `renew` then brings a route's cap up to date.
    """

    __slots__ = ("_capacities", "_caps", "_held_s", "_private")

    def __init__(self, capacities: Mapping[str, float], private: Sequence[Uses]) -> None:
        self._capacities = capacities
        self._private = private
        self._held_s: dict[str, float] = {}
        self._caps: dict[int, tuple[float, str | None]] = {}

    def renew(self, route: int) -> None:
        """Find a route's cap, bytes/s, and the resource that sets it."""
        cap: float = inf
        narrowest = None
        for name, consumption in self._private[route]:
            offered = self._capacities[name] / consumption
            if offered < cap:
                cap, narrowest = offered, name
        self._caps[route] = cap, narrowest

    def limit(self, flow: Flow) -> tuple[float, str | None]:
        """Return the least cap of a transfer, bytes/s, and the own resource that sets it, or None."""
        if flow.route not in self._caps:
            self.renew(flow.route)
        found = self._caps[flow.route]
        return found if found[0] <= flow.cap else (flow.cap, None)

    def charge(self, flow: Flow) -> None:
        """Charge the time that a transfer has run at its cap since the last call to who set it."""
        held_s = flow.capped_s - flow.charged_s
        if held_s:
            flow.charged_s = flow.capped_s
            name = flow.held_by
            if name is not None:
                flow.own_link_s += held_s
                self._held_s[name] = self._held_s.get(name, 0) + held_s

    def collect(self) -> dict[str, float]:
        """Return the seconds for which each resource held a transfer back, and begin anew."""
        held, self._held_s = self._held_s, {}
        return held

    def restore(self, held_s: Mapping[str, float]) -> None:
        """Go on from what an earlier account had collected."""
        self._held_s = dict(held_s)
