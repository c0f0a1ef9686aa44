"""The record of a closed round: its totals, its critical path, and checks of conservation.

A record numbers the members of a round instead of naming clients, and counts seconds from the start of
the round. Rounds with the same timing can therefore share one record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.energy import NONE, active_times
from cutlayer.sim.log.intervals import NO_CAUSE, PHASES, SERVER, Activity, Intervals, Phase
from cutlayer.sim.log.link_use import Key, LinkUse
from cutlayer.sim.log.node_use import NodeUse, Slots, use_of_node
from cutlayer.sim.log.tiers import tier_uses
from cutlayer.sim.log.traffic import DOWN, UP, Parts, by_category, count_parts
from cutlayer.sim.log.window import WindowEnd
from cutlayer.sim.network.observers import LoadSeries

_Number = TypeVar("_Number", np.int64, np.float64)

TOLERANCE: Final = 1e-9  # of a round's length, for sums of floating-point times


class ConservationError(Exception):
    """The log contradicts itself. This is a defect of the simulator, never of a scenario."""


@dataclass(frozen=True)
class RoundRecord:
    """Totals of one round, in seconds and bytes. Arrays have one entry per member.

    `sent` has the bytes of all messages, also of those between edge nodes and the server. `nodes` has
    the use of the server and of each edge node, `tiers` that of each tier, if edge nodes have devices.
    `active_s` has the seconds of each state of a device, see `active_times`. `barrier_s` is the mean
    time for which a client had finished and waited for the round to close. `server_wait_s` is the sum of
    the waits of all server jobs. `uses` has the use of each link, `loads` the load of shared links over
    time, if it was recorded. `copies` has the rows of multicasts whose bytes are in another row, with
    that row. `wire_by` and `payload_by` have the bytes by category and direction, see
    `cutlayer.sim.log.traffic`.
    """

    intervals: Intervals
    members: int
    duration_s: float
    digest: str
    wasted_bytes: int
    sent: Mapping[str, int]
    wire_up: NDArray[np.int64]
    wire_down: NDArray[np.int64]
    payload_up: NDArray[np.int64]
    payload_down: NDArray[np.int64]
    wire_by: Mapping[str, int]
    payload_by: Mapping[str, int]
    device_busy_s: NDArray[np.float64]
    active_s: Mapping[str, NDArray[np.float64]]
    server_busy_s: float
    server_jobs: int
    server_wait_s: float
    longest_server_wait_s: float
    critical_path_s: dict[str, float]
    straggler: int
    barrier_s: float
    additive_s: dict[str, float]
    nodes: Sequence[NodeUse] = ()
    tiers: Mapping[str, float] = field(default_factory=dict)
    uses: Mapping[Key, LinkUse] = field(default_factory=dict)
    loads: Mapping[str, LoadSeries] = field(default_factory=dict)
    copies: Mapping[int, int] = field(default_factory=dict)

    @property
    def moved_bytes(self) -> NDArray[np.int64]:
        """The bytes on the wire of each row's transfer; a copy has those of its multicast."""
        moved = self.intervals.wire_bytes
        if self.copies:
            moved = moved.copy()
            moved[[*self.copies]] = moved[[*self.copies.values()]]
        return moved


def close_record(
    intervals: Intervals,
    members: int,
    duration_s: float,
    server_slots: int,
    parts: Mapping[int, Parts],
    *,
    interleaves: bool = False,
    edges: Sequence[Slots] = (),
    behind: NDArray[np.bool_] | None = None,
    peers: Mapping[int, int] = NONE,
    window: WindowEnd | None = None,
) -> RoundRecord:
    """Derive a round's totals from its `intervals` and check that they are consistent.

    `parts` has the parts of rows, see `count_parts`. If the server `interleaves` jobs, more of them than
    it has slots may run at once. If edge nodes compute, `edges` are their slots, and `behind` says which
    members have one on their way to the server. `peers` has the members that are nodes themselves, by
    the node's number. `window` says how the window of an asynchronous run closed; it has no barriers,
    and its additive times are those of an update. Raises ConservationError.
    """
    up, down = intervals.of(Phase.UPLINK), intervals.of(Phase.DOWNLINK)
    on_device = intervals.of(Phase.DEVICE_COMPUTE)
    of_members, to_members = intervals.actor >= 0, intervals.peer >= 0
    use = use_of_node(intervals, SERVER)
    path, straggler = critical_path(intervals, duration_s, window)
    waited_s = 0.0
    if members and window is None:
        waited_s = float((duration_s - finished_s(intervals, members)).mean())
    counted = count_parts(intervals, parts)
    active_s = active_times(intervals, members, peers)
    device_busy_s = _per_member(intervals.actor, intervals.duration, on_device, members)
    for member in peers.values():
        device_busy_s[member] = active_s["compute"][member]
    record = RoundRecord(
        intervals=intervals,
        members=members,
        duration_s=duration_s,
        digest=intervals.digest(),
        sent=_sent(intervals, up, down),
        wasted_bytes=int(intervals.wire_bytes[intervals.dropped == 1].sum()),
        wire_up=_per_member(intervals.actor, intervals.wire_bytes, up & of_members, members),
        wire_down=_per_member(intervals.peer, intervals.wire_bytes, down & to_members, members),
        payload_up=_per_member(intervals.actor, intervals.payload_bytes, up & of_members, members),
        payload_down=_per_member(
            intervals.peer, intervals.payload_bytes, down & to_members, members
        ),
        wire_by=by_category(intervals, intervals.wire_bytes, counted),
        payload_by=by_category(intervals, intervals.payload_bytes, counted),
        active_s=active_s,
        device_busy_s=device_busy_s,
        server_busy_s=use.busy_s,
        server_jobs=use.jobs,
        server_wait_s=use.wait_s,
        longest_server_wait_s=use.longest_wait_s,
        critical_path_s=path,
        straggler=straggler,
        barrier_s=waited_s,
        additive_s=_additive_terms(intervals, members if window is None else window.updates),
        nodes=[use, *(use_of_node(intervals, SERVER - 1 - i) for i in range(len(edges)))],
        tiers={} if behind is None else tier_uses(intervals, behind),
    )
    _check_categories(record)
    _check_occupancy(record, on_device, [Slots(server_slots, interleaves), *edges], window)
    return record


def _sent(
    intervals: Intervals, up: NDArray[np.bool_], down: NDArray[np.bool_]
) -> Mapping[str, int]:
    """Return the bytes of all messages by "wire_up", "wire_down", "payload_up", "payload_down"."""
    return {
        f"{name}_{direction}": int(sizes[rows].sum())
        for name, sizes in (("wire", intervals.wire_bytes), ("payload", intervals.payload_bytes))
        for direction, rows in ((UP, up), (DOWN, down))
    }


def critical_path(
    intervals: Intervals, duration_s: float, window: WindowEnd | None = None
) -> tuple[dict[str, float], int]:
    """Return the seconds of each phase on the critical path, and the member that finished last.

    The path follows the causes from the interval that ended the round, or the fold that closed the
    window, back to the start of the round or window, where it is clipped. The gap between the end of a
    transfer and what it caused is its propagation delay and counts towards the transfer's phase. Raises
    ConservationError unless the phases (`PHASES`) add up to `duration_s`.
    """
    phases = dict.fromkeys(PHASES, 0.0)
    straggler, slack = NO_CAUSE, _slack(duration_s, window)
    if len(intervals) == 0:
        return phases, straggler
    delay = intervals.delay
    row = int(np.argmax(intervals.end + delay)) if window is None else window.row
    end = duration_s
    while row != NO_CAUSE and (end > 0 or window is None):
        phase, start = int(intervals.phase[row]), float(intervals.start[row])
        if window is not None:
            start = max(start, 0.0)
        phases[PHASES[phase]] += end - start
        gap = end - float(intervals.end[row])
        if min(abs(gap), abs(gap - delay[row])) > slack:
            raise ConservationError(f"row {row} ends {gap} s before what it caused begins")
        if straggler == NO_CAUSE:
            actor, peer = int(intervals.actor[row]), int(intervals.peer[row])
            straggler = max(actor if actor >= 0 else peer, NO_CAUSE)
        end = start
        row = int(intervals.cause[row])
    if abs(end) > slack:
        raise ConservationError(f"the critical path begins at {end} s, not at the round's start")
    return phases, straggler


def _slack(duration_s: float, window: WindowEnd | None) -> float:
    """Return the tolerance of sums of times, in seconds."""
    return TOLERANCE * max(duration_s, 1.0, 0.0 if window is None else window.elapsed_s)


def finished_s(intervals: Intervals, members: int) -> NDArray[np.float64]:
    """Return for each member when its last interval or transfer ended, seconds; 0 if it has none."""
    last = np.zeros(members)
    member = np.where(intervals.actor < 0, intervals.peer, intervals.actor)
    own = member >= 0
    np.maximum.at(last, member[own], (intervals.end + intervals.delay)[own])
    return last


def _additive_terms(intervals: Intervals, members: int) -> dict[str, float]:
    """Return the six terms of EcoFed's additive round time (public code), mean over clients, s.

    Transfers of clients count with their propagation delay, computing without waiting for the server.
    """
    up = intervals.of(Phase.UPLINK) & (intervals.actor >= 0)
    down = intervals.of(Phase.DOWNLINK) & (intervals.peer >= 0)
    seconds = intervals.duration + intervals.delay
    activity, weights = intervals.activity, intervals.of_weights()
    terms = {
        "weights_down": down & weights,
        "activations_up": up & ~weights,
        "gradients_down": down & ~weights,
        "weights_up": up & weights,
        "device_compute": intervals.of(Phase.DEVICE_COMPUTE),
        "server_compute": intervals.of(Phase.SERVER_COMPUTE)
        & (activity != Activity.AGGREGATE.value),
    }
    return {term: float(seconds[rows].sum()) / max(members, 1) for term, rows in terms.items()}


def _per_member(
    member: NDArray[np.int32], values: NDArray[_Number], rows: NDArray[np.bool_], members: int
) -> NDArray[_Number]:
    totals = np.zeros(members, dtype=values.dtype)
    np.add.at(totals, member[rows], values[rows])
    return totals


def _check_categories(record: RoundRecord) -> None:
    """Check that the bytes of the categories are those of the round, in each direction."""
    for counted, by in (("wire", record.wire_by), ("payload", record.payload_by)):
        for direction in (UP, DOWN):
            total = record.sent[f"{counted}_{direction}"]
            sizes = [size for name, size in by.items() if name.startswith(direction)]
            if sum(sizes) != total or min(sizes, default=0) < 0:
                raise ConservationError(
                    f"the categories of {total} bytes {direction} are {dict(by)}"
                )


def _check_occupancy(
    record: RoundRecord,
    on_device: NDArray[np.bool_],
    nodes: Sequence[Slots],
    window: WindowEnd | None,
) -> None:
    """Check that no actor does two things at once and that every interval lies within the round.

    A row of a window may begin before it.
    """
    intervals, limit = record.intervals, record.duration_s
    slack = _slack(limit, window)
    before = 0.0 if window is None else -min(float(intervals.start.min(initial=0.0)), 0.0)
    if len(intervals) and (
        intervals.start.min() < -before
        or (intervals.end < intervals.start).any()
        or intervals.end.max() > limit + slack
    ):
        raise ConservationError("an interval lies outside its round")
    order = np.lexsort((intervals.start, intervals.actor))
    order = order[on_device[order]]
    same = intervals.actor[order[1:]] == intervals.actor[order[:-1]]
    if (same & (intervals.start[order[1:]] < intervals.end[order[:-1]] - slack)).any():
        raise ConservationError("a device computes two things at once")
    on_slots = intervals.of(Phase.SERVER_COMPUTE)
    if (on_slots & ((intervals.actor >= 0) | (intervals.actor < -len(nodes)))).any():
        raise ConservationError("a job of a node is on no node")
    for index, slots in enumerate(nodes):
        own = on_slots & (intervals.actor == SERVER - index)
        who = "the server" if index == 0 else f"edge node {index}"
        starts, ends = np.sort(intervals.start[own]), np.sort(intervals.end[own])
        running = np.arange(1, len(starts) + 1) - np.searchsorted(
            ends - slack, starts, side="right"
        )
        if len(starts) and running.max() > slots.count and not slots.interleaves:
            raise ConservationError(f"{who} runs more jobs at once than its {slots.count} slots")
        if float((ends - starts).sum()) > slots.count * (before + limit + slack):
            raise ConservationError(f"{who} works for longer than its slots have time")
