"""Quantities that are constant between moments: loads of links over virtual time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutlayer.sim.log.intervals import SERVER, Activity, Phase
from cutlayer.sim.log.link_use import ACCESS
from cutlayer.sim.network.observers import LoadSeries
from cutlayer.sim.results.round import KeptRound, RoundResult

ROUNDING: Final = 1e-9  # of the largest value is nothing


@dataclass(frozen=True)
class Steps:
    """`values[i]` holds from `times[i]` to `times[i + 1]` (seconds)."""

    times: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def sum_of(cls, start: ArrayLike, end: ArrayLike, value: ArrayLike, until_s: float) -> "Steps":
        """Return the sum of values that each hold from a start to an end, from 0 to `until_s`."""
        start, end, value = (np.asarray(part, dtype=np.float64) for part in (start, end, value))
        changes = np.concatenate([start, end])
        times, places = np.unique(np.concatenate([[0.0, until_s], changes]), return_inverse=True)
        change = np.zeros(len(times))
        np.add.at(change, places[2:], np.concatenate([value, -value]))
        total = np.cumsum(change)[:-1]
        total[total < ROUNDING * value.max(initial=0.0)] = 0.0
        return cls(times, total)

    @property
    def integral(self) -> float:
        """The area below, value times seconds."""
        return float((self.values * np.diff(self.times)).sum())

    def thinned(self, count: int) -> "Steps":
        """Return means over `count` equal spans if there are more steps than that; same area."""
        if len(self.values) <= count:
            return self
        area = np.concatenate([[0.0], np.cumsum(self.values * np.diff(self.times))])
        edges = np.linspace(self.times[0], self.times[-1], count + 1)
        return Steps(edges, np.diff(np.interp(edges, self.times, area)) / np.diff(edges))


def load_steps(series: LoadSeries, until_s: float) -> Steps:
    """Return the load of a shared link over a round that took `until_s`; 0 before it is known."""
    times, load = series.times, series.load
    if len(times) == 0 or times[0] > 0:
        times, load = np.concatenate([[0.0], times]), np.concatenate([[0.0], load])
    inside = times < until_s
    return Steps(np.append(times[inside], until_s), load[inside])


def shared_steps(series: LoadSeries, until_s: float) -> Steps:
    """Return the share of its capacity of the moment that a shared link carried; 0 in an outage."""
    share = np.divide(
        series.load, series.capacity, out=np.zeros(len(series.load)), where=series.capacity > 0
    )
    return load_steps(LoadSeries(series.times, share, series.capacity), until_s)


def access_steps(kept: KeptRound, line: str, capacities: Mapping[str, float]) -> Steps:
    """Return the mean share in use of a round's access links of one `line` of `LinkUse.series`.

    `capacities` are the links' means over the run; a transfer counts with its mean rate.
    """
    log, until_s = kept.record.intervals, kept.record.duration_s
    used = {
        key: use
        for key, use in kept.record.uses.items()
        if not isinstance(key, str) and use.series(key) == line and use.wire_bytes
    }
    member_of = np.where(log.actor == SERVER, log.peer, log.actor)
    moves = (log.activity != Activity.CONNECT) & (log.duration > 0)
    phases = {ACCESS["up"]: (Phase.UPLINK,), ACCESS["down"]: (Phase.DOWNLINK,)}
    moves &= np.isin(log.phase, phases.get(line, (Phase.UPLINK, Phase.DOWNLINK)))
    found = []
    for place in sorted({key[1] for key in used if not isinstance(key, str)}):
        share_of_rate = np.zeros(kept.record.members)
        for key, use in used.items():
            if not isinstance(key, str) and key[1] == place:
                capacity = capacities[kept.links[key]]
                share_of_rate[key[0]] = use.consumed / use.wire_bytes / capacity
        rows = np.flatnonzero(moves)
        rows = rows[share_of_rate[member_of[rows]] > 0]
        rate = log.wire_bytes[rows] / log.duration[rows]
        found.append((log.start[rows], log.end[rows], rate * share_of_rate[member_of[rows]]))
    if not found:
        return Steps(np.array([0.0, until_s]), np.zeros(1))
    starts, ends, shares = (np.concatenate(column) for column in zip(*found, strict=True))
    steps = Steps.sum_of(starts, ends, shares, until_s)
    return Steps(steps.times, steps.values / len(used))


def run_steps(rounds: Sequence[RoundResult], line: str) -> Steps:
    """Return a line's utilisation round by round over a run; 0 between rounds."""
    ends = [rnd.virtual_time_s for rnd in rounds]
    starts = [max(0.0, rnd.virtual_time_s - rnd.round_time_s) for rnd in rounds]
    values = [rnd.utilisation.get(line, 0.0) for rnd in rounds]
    return Steps.sum_of(starts, ends, values, ends[-1])
