"""The proof that rates are max-min fair, without a second solver.

Rates are weighted max-min fair if and only if they are feasible and every flow has a bottleneck: it
is at its cap, or it crosses a saturated resource on which no flow has a larger rate / weight.
"""

from collections.abc import Mapping, Sequence
from math import inf

from cutlayer.sim.network.routes import Uses


class AllocationError(AssertionError):
    """Rates that are not feasible, or not max-min fair: a defect of a solver."""


def check_allocation(
    capacities: Mapping[str, float],
    weights: Sequence[float],
    caps: Sequence[float],
    uses: Sequence[Uses],
    rates: Sequence[float],
    tolerance: float = 1e-9,
) -> None:
    """Raise AllocationError unless `rates` (bytes/s, one a flow) are weighted max-min fair.

    `uses[f]` lists the resources of flow f with its consumption per byte; `tolerance` is relative.
    """
    load: dict[str, float] = {}
    top: dict[str, float] = {}
    for weight, used, rate in zip(weights, uses, rates, strict=True):
        for name, consumption in used:
            load[name] = load.get(name, 0) + consumption * rate
            top[name] = max(top.get(name, 0), rate / weight)
    for name, amount in load.items():
        if amount > capacities[name] * (1 + tolerance):
            raise AllocationError(f"resource {name} carries {amount} of {capacities[name]}")
    for f, (weight, cap, used, rate) in enumerate(zip(weights, caps, uses, rates, strict=True)):
        if not 0 <= rate <= cap * (1 + tolerance):
            raise AllocationError(f"flow {f} runs at {rate} with a cap of {cap}")
        if rate >= cap * (1 - tolerance) or rate == inf:
            continue
        if not any(
            load[name] >= capacities[name] * (1 - tolerance)
            and rate / weight >= top[name] * (1 - tolerance)
            for name, _ in used
        ):
            raise AllocationError(f"flow {f} runs at {rate} and has neither cap nor bottleneck")
