"""Progressive filling of many flows in arrays, with the same passes as in max_min.py."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Indices = NDArray[np.intp]
Marks = NDArray[np.bool_]

NO_RESOURCE: Final = 0
"""The index that pads the uses of a flow with fewer than others; its capacity is infinite."""


def fill_arrays(
    capacity: Numbers, weight: Numbers, cap: Numbers, resource: Indices, consumption: Numbers
) -> tuple[Numbers, Marks]:
    """Return weighted max-min fair rates, and which resources hold a flow below its cap.

    Column f of `resource` and `consumption` has the uses of flow f, and below them NO_RESOURCE and 0.
    All other capacities are finite; `weight` and `cap` are as in max_min.py. A pass is linear in the
    flows that are not settled yet. The number of passes depends on the graph: ten to thirty where flows
    cross one of many edges and one of a few cores, up to one for each bottleneck where they cross
    links at random.
    """
    rate = cap.copy()  # of the flows that use nothing
    left = capacity.copy()
    bottleneck = np.zeros(len(capacity), bool)
    flow = np.flatnonzero(resource[0] != NO_RESOURCE)
    if len(flow) < len(cap):
        weight, cap = weight[flow], cap[flow]
        resource, consumption = resource[:, flow], consumption[:, flow]
    top = cap / weight
    load = consumption * weight
    while flow.size:
        total = np.bincount(resource.ravel(), load.ravel(), len(left))
        offer = np.divide(left, total, out=np.full_like(left, np.inf), where=total > 0)
        offered = offer.take(resource)
        level = offered.min(axis=0)
        lower = offered > np.minimum(top, level)
        held_elsewhere = np.zeros(len(left), bool)
        held_elsewhere[resource[lower]] = True
        full = ~(lower | held_elsewhere.take(resource))
        at_cap = top <= level
        settled = at_cap | full.any(axis=0)
        bottleneck[resource[full & ~at_cap]] = True

        over = np.flatnonzero(settled)
        assert over.size, "every pass settles the flows of the lowest level"
        rates = np.where(at_cap[over], cap[over], level[over] * weight[over])
        rate[flow[over]] = rates
        taken = consumption.take(over, axis=1) * rates
        crossed = resource.take(over, axis=1)
        left -= np.bincount(crossed.ravel(), taken.ravel(), len(left))
        np.maximum(left, 0, out=left)

        still = np.flatnonzero(~settled)
        flow, weight, cap, top = flow[still], weight[still], cap[still], top[still]
        resource, consumption = resource.take(still, axis=1), consumption.take(still, axis=1)
        load = load.take(still, axis=1)
    return rate, bottleneck
