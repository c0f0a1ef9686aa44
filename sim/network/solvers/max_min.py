"""Progressive filling in plain Python: for few flows, and for numbers of any type."""

from collections.abc import Hashable, Mapping, Sequence
from math import inf
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def share_out(
    capacities: Mapping[Name, float],
    weights: Sequence[float],
    caps: Sequence[float],
    uses: Sequence[Sequence[tuple[Name, float]]],
) -> tuple[list[float], list[Name]]:
    """Return weighted max-min fair rates, infinite without any limit, and which resources bind.

    `uses[f]` has the resources of flow f with its consumption per byte of each. A resource binds if it
    holds a flow below its cap. Exact for any type of number.

    In every pass a resource offers its flows the level left / load. Offers only rise while flows are
    settled. So each pass settles all flows whose cap is below all their offers, and all flows of a
    resource whose offer is the lowest for each of its flows.
    """
    rates: list[float] = [0] * len(weights)
    bottlenecks: dict[Name, None] = {}
    left = {name: capacities[name] for used in uses for name, _ in used if capacities[name] < inf}
    uses = [[use for use in used if use[0] in left] for used in uses]
    top = [cap / weight for cap, weight in zip(caps, weights, strict=True)]
    unsettled = list(range(len(weights)))
    while unsettled:
        load: dict[Name, float] = {}
        for f in unsettled:
            for name, consumption in uses[f]:
                load[name] = load.get(name, 0) + consumption * weights[f]
        offer = {name: left[name] / amount for name, amount in load.items()}
        level = {f: min([offer[name] for name, _ in uses[f]], default=inf) for f in unsettled}
        held_elsewhere = {
            name
            for f in unsettled
            for name, _ in uses[f]
            if offer[name] > level[f] or offer[name] > top[f]
        }
        still = []
        for f in unsettled:
            at_cap = top[f] <= level[f]
            if not at_cap and level[f] < inf:
                full = [
                    name
                    for name, _ in uses[f]
                    if offer[name] == level[f] and name not in held_elsewhere
                ]
                if not full:
                    still.append(f)
                    continue
                bottlenecks.update(dict.fromkeys(full))
            rates[f] = caps[f] if at_cap else level[f] * weights[f]
            for name, consumption in uses[f]:
                left[name] = max(0, left[name] - consumption * rates[f])
        assert len(still) < len(unsettled), "every pass settles the flows of the lowest level"
        unsettled = still
    return rates, list(bottlenecks)
