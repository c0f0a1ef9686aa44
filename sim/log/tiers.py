"""The traffic of a round by tier, if there are nodes with a device between clients and the server.

The access tier lies between the clients and the first node with a device on their way to the server, the
backhaul between these edge nodes and the server. Peers, which compute for other clients, count as edge
nodes. A message between a client and the server that passes an edge node counts in both tiers.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import SERVER, Activity, Intervals, Phase
from cutlayer.sim.log.link_use import occupancy

ACCESS, BACKHAUL = "access", "backhaul"
TIERS: Final = (ACCESS, BACKHAUL)
FIGURES: Final = tuple(
    f"{tier}_{of}" for tier in TIERS for of in ("bytes_up", "bytes_down", "busy_s")
)


def tier_uses(intervals: Intervals, behind: NDArray[np.bool_]) -> Mapping[str, float]:
    """Return `FIGURES`: wire bytes, and the seconds in which a transfer was on a tier.

    `behind` says which members have an edge node on their way to the server.
    """
    up, down = intervals.of(Phase.UPLINK), intervals.of(Phase.DOWNLINK)
    moves = (up | down) & (intervals.activity != Activity.CONNECT.value)
    member = np.maximum(intervals.actor, intervals.peer)
    of_client = member >= 0
    passes = np.zeros(len(intervals), dtype=np.bool_)
    passes[of_client] = behind[member[of_client]]
    passes &= np.minimum(intervals.actor, intervals.peer) == SERVER
    rows = {ACCESS: moves & of_client, BACKHAUL: moves & (~of_client | passes)}
    figures: dict[str, float] = {}
    for tier, on in rows.items():
        figures[f"{tier}_bytes_up"] = int(intervals.wire_bytes[on & up].sum())
        figures[f"{tier}_bytes_down"] = int(intervals.wire_bytes[on & down].sum())
        figures[f"{tier}_busy_s"], _ = occupancy(intervals.start[on], intervals.end[on])
    return figures
