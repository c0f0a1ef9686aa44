"""Routes as the network takes them: which resources they cross, and the checks of what is asked."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Protocol

from cutlayer.suggestion import suggestion

Uses = Sequence[tuple[str, float]]
"""The resources of a route by name, with the consumption per byte of each."""


class NetworkError(ValueError):
    """A request that the network cannot carry out, in one sentence."""


class Route(Protocol):
    """The path of a flow: the resources it crosses, and its propagation delay.

    `resources` pairs a resource's name with the consumption per byte of traffic (1 on a wire, 1/r
    for a Wi-Fi station of rate r on a medium of capacity 1).
    """

    @property
    def resources(self) -> Uses:
        """Pairs of resource name and consumption per byte."""

    @property
    def delay_s(self) -> float:
        """Propagation delay in seconds, which the caller adds to `finish_s` for the arrival."""


def check_capacity(name: str, capacity: float) -> None:
    """Raise NetworkError unless the capacity is 0 or more; infinite is allowed."""
    if not capacity >= 0:
        raise NetworkError(
            f"resource {name!r}: the capacity must be 0 or more, or infinite, got {capacity!r}"
        )


def total_uses(capacities: Mapping[str, float], index: int, route: Route) -> Uses:
    """Return a route's resources with the total consumption per byte of each.

    Raises NetworkError for an unknown resource and for a consumption that is not positive and finite.
    """
    total: dict[str, float] = {}
    for name, amount in route.resources:
        if name not in capacities:
            raise NetworkError(
                f"route {index} crosses an unknown resource {name!r}{suggestion(name, capacities)}"
            )
        if not 0 < amount < inf:
            raise NetworkError(
                f"route {index} on resource {name!r}: the consumption per byte must be positive"
                f" and finite, got {amount!r}"
            )
        total[name] = total.get(name, 0) + amount
    return tuple(total.items())
