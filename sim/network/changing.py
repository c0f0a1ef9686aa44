"""Capacities that change with time, evaluated only while transfers cross the resource.

The network follows a profile from the moment at which a transfer begins to cross the resource until
none does: a trace of an hour in steps of a millisecond costs nothing without transfers.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Protocol

from simpy import Event

from cutlayer.sim.clock import Clock
from cutlayer.sim.network.route_runs import OnDemand
from cutlayer.sim.network.routes import Uses


class Profile(Protocol):
    """A piecewise-constant capacity over virtual time."""

    def piece(self, t: float) -> tuple[float, float]:
        """Return the capacity at `t` (seconds since the run began) and when it ends, above `t`."""


class _Followed:
    """A resource with its profile; `users` are the transfers that cross it now."""

    __slots__ = ("generation", "name", "profile", "until", "users", "value")

    def __init__(self, name: str, profile: Profile) -> None:
        self.name = name
        self.profile = profile
        self.users = 0
        self.generation = 0
        self.until = 0.0
        self.value = -1.0


class Changing:
    """Follows the profiles of resources, and calls `set_capacity` at every change."""

    def __init__(
        self,
        clock: Clock,
        profiles: Mapping[str, Profile],
        uses: Mapping[int, Uses],
        set_capacity: Callable[[str, float], None],
    ) -> None:
        self._clock = clock
        self._set_capacity = set_capacity
        self.profiles = dict(profiles)
        followed = {name: _Followed(name, profile) for name, profile in profiles.items()}
        self._of_route: OnDemand[int, tuple[_Followed, ...]] = OnDemand(
            lambda route: tuple(followed[name] for name, _ in uses[route] if name in followed)
        )

    def begins(self, route: int) -> None:
        """Bring the resources of a route up to date, before a transfer begins on it."""
        for resource in self._of_route[route]:
            resource.users += 1
            if resource.users == 1:
                resource.generation += 1
                self._follow(resource, self._clock.elapsed_s)

    def ends(self, route: int) -> None:
        """Stop following for a transfer that had begun on a route and is over."""
        for resource in self._of_route[route]:
            resource.users -= 1

    def _follow(self, resource: _Followed, at: float) -> None:
        value, resource.until = resource.profile.piece(at)
        if value != resource.value:
            resource.value = value
            self._set_capacity(resource.name, value)
        if resource.until < inf:
            generation = resource.generation

            def turn(_: Event) -> None:
                if resource.users and resource.generation == generation:
                    # Rounding may leave the clock just before the end of the piece.
                    self._follow(resource, max(resource.until, self._clock.elapsed_s))

            timer = self._clock.timeout(max(0.0, resource.until - self._clock.elapsed_s))
            assert timer.callbacks is not None
            timer.callbacks.append(turn)


def integral(profile: Profile, until_s: float, since_s: float = 0.0) -> float:
    """Return the integral of a profile from `since_s` to `until_s`."""
    total, at = 0.0, since_s
    while at < until_s:
        value, end = profile.piece(at)
        total += value * (min(end, until_s) - at)
        at = end
    return total
