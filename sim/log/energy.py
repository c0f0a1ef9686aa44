"""Energy of devices, from their power states and the time they spent in each.

    E = idle x elapsed + sum over states of max(P(state) - idle, 0) x time in the state

A state's power is that of the whole board in that state. States that overlap each add their power above
idle. A state without a figure counts as idle, which makes E a lower bound. Without a figure for `idle`
or `compute`, E is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import Intervals, Phase

IDLE: Final = "idle"
NEEDED: Final = (IDLE, "compute")
STATES: Final = ("compute", "send", "receive")
NONE: Final[Mapping[int, int]] = MappingProxyType({})


def active_times(
    intervals: Intervals, members: int, peers: Mapping[int, int] = NONE
) -> dict[str, NDArray[np.float64]]:
    """Return the seconds that each member's device spent in each of `STATES` during a round.

    Intervals that overlap count once. `peers` has the members whose devices are nodes, by the node's
    number: the computing of these nodes is that of their devices.
    """
    of, actor, peer = intervals.of, intervals.actor, intervals.peer
    computes, sends, receives = of(Phase.DEVICE_COMPUTE), of(Phase.UPLINK), of(Phase.DOWNLINK)
    if peers:
        computes, sends = computes | of(Phase.SERVER_COMPUTE), sends | receives
        receives = sends
        actor, peer = actor.copy(), peer.copy()
        for node, member in peers.items():
            actor[intervals.actor == node] = peer[intervals.peer == node] = member
    return {
        "compute": covered(intervals, actor, computes & (actor >= 0), members),
        "send": covered(intervals, actor, sends & (actor >= 0), members),
        "receive": covered(intervals, peer, receives & (peer >= 0), members),
    }


def covered(
    intervals: Intervals, owner: NDArray[np.int32], rows: NDArray[np.bool_], members: int
) -> NDArray[np.float64]:
    """Return for each member the length of the union of its intervals, seconds."""
    member = owner[rows].astype(np.int64)
    order = np.lexsort((intervals.start[rows], member))
    member = member[order]
    start, end = intervals.start[rows][order], intervals.end[rows][order]
    total = np.zeros(members)
    if len(member) == 0:
        return total
    # Members are laid out one after another, so that one running maximum serves them all.
    offset = member * (float(end.max()) - min(float(start.min()), 0.0) + 1.0)
    reached = np.maximum.accumulate(end + offset)
    before = np.concatenate(([-np.inf], reached[:-1]))
    fresh = np.maximum(end + offset - np.maximum(start + offset, before), 0.0)
    np.add.at(total, member, fresh)
    return total


def energy_j(
    power_w: Mapping[str, float], elapsed_s: float, active_s: Mapping[str, float]
) -> float | None:
    """Return the joules of a device, None if a figure it needs is unknown."""
    if any(state not in power_w for state in NEEDED):
        return None
    idle = power_w[IDLE]
    extra = sum(
        max(power_w.get(state, idle) - idle, 0.0) * seconds for state, seconds in active_s.items()
    )
    return idle * elapsed_s + extra


@dataclass
class DeviceUse:
    """Seconds and joules of one client's device in the rounds that it took part in.

    `samples` is the size of the client's data, `updates` the number of its updates that were folded;
    None of a method with rounds.
    """

    device: str
    rounds: int = 0
    elapsed_s: float = 0.0
    compute_s: float = 0.0
    send_s: float = 0.0
    receive_s: float = 0.0
    energy_j: float | None = 0.0
    samples: int | None = None
    updates: int | None = None

    @property
    def idle_fraction(self) -> float | None:
        """The share of the time in which the device did not compute."""
        return 1 - self.compute_s / self.elapsed_s if self.elapsed_s else None

    def add(
        self, power_w: Mapping[str, float], elapsed_s: float, active_s: Mapping[str, float]
    ) -> float | None:
        """Add a round with the seconds in each of `STATES`; return its energy in joules."""
        joules = energy_j(power_w, elapsed_s, active_s)
        self.rounds += 1
        self.elapsed_s += elapsed_s
        self.compute_s += active_s["compute"]
        self.send_s += active_s["send"]
        self.receive_s += active_s["receive"]
        if self.energy_j is not None:
            self.energy_j = None if joules is None else self.energy_j + joules
        return joules
