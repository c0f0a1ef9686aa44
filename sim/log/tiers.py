"""The traffic of a round by tier, where nodes with a device stand between clients and the server.

The access tier lies between the clients and the first node with a device on their way to the server, the
backhaul between these edge nodes and the server. A message between a client and the server that passes
an edge node crosses both tiers, and counts in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import SERVER, Activity, Intervals, Phase
from cutlayer.sim.log.link_use import occupancy

ACCESS, BACKHAUL = "access", "backhaul"
TIERS: Final = (ACCESS, BACKHAUL)


@dataclass(frozen=True)
class TierUse:
    """The wire bytes that crossed a tier, and for how many seconds a transfer was on it."""

    wire_up: int = 0
    wire_down: int = 0
    busy_s: float = 0.0


def tier_uses(intervals: Intervals, behind: NDArray[np.bool_]) -> Mapping[str, TierUse]:
    """Return the use of each tier; `behind` says which members have an edge node on their way."""
    up, down = intervals.of(Phase.UPLINK), intervals.of(Phase.DOWNLINK)
    moves = (up | down) & (intervals.activity != Activity.CONNECT.value)
    member = np.maximum(intervals.actor, intervals.peer)
    of_client = member >= 0
    passes = np.zeros(len(intervals), dtype=np.bool_)
    passes[of_client] = behind[member[of_client]]
    passes &= np.minimum(intervals.actor, intervals.peer) == SERVER
    rows = {ACCESS: moves & of_client, BACKHAUL: moves & (~of_client | passes)}
    return {
        tier: TierUse(
            int(intervals.wire_bytes[on & up].sum()),
            int(intervals.wire_bytes[on & down].sum()),
            occupancy(intervals.start[on], intervals.end[on])[0],
        )
        for tier, on in rows.items()
    }
