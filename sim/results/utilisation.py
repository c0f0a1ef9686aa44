"""The share of their capacity that links use over virtual time: of a run, and within one round.

Links that several clients use stand for themselves, access links for the mean over those in use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.log.link_use import ACCESS
from cutlayer.sim.network.observers import LoadSeries
from cutlayer.sim.results.columns import RUN_TABLES, Row
from cutlayer.sim.results.round import KeptRound, RoundResult

ROUNDING: Final = 1e-9  # of the largest value counts as 0
MOST_LINES: Final = 6  # of a method
MOST_STEPS: Final = 900  # of a round; finer steps are averaged


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
    member_of = np.maximum(log.actor, log.peer)
    moves = (log.activity != Activity.CONNECT) & (log.duration > 0) & (member_of >= 0)
    phases = {ACCESS["up"]: (Phase.UPLINK,), ACCESS["down"]: (Phase.DOWNLINK,)}
    moves &= np.isin(log.phase, phases.get(line, (Phase.UPLINK, Phase.DOWNLINK)))
    found = []
    for index in sorted({own for _, own in used}):
        share_of_rate = np.zeros(kept.record.members)
        for (member, own), use in used.items():
            if own == index:
                capacity = capacities[kept.links[member, own]]
                share_of_rate[member] = use.consumed / use.wire_bytes / capacity
        rows = np.flatnonzero(moves)
        rows = rows[share_of_rate[member_of[rows]] > 0]
        rate = kept.record.moved_bytes[rows] / log.duration[rows]
        found.append((log.start[rows], log.end[rows], rate * share_of_rate[member_of[rows]]))
    if not found:
        return Steps(np.array([0.0, until_s]), np.zeros(1))
    starts, ends, shares = (np.concatenate(column) for column in zip(*found, strict=True))
    steps = Steps.sum_of(starts, ends, shares, until_s)
    return Steps(steps.times, steps.values / len(used))


class Played(Protocol):
    """The result of a method, as far as the use of its links goes."""

    label: str
    method: str
    rounds: list[RoundResult]
    capacity_s: dict[str, float]

    @property
    def kept(self) -> Sequence[KeptRound]:
        """Return the rounds whose intervals are kept."""

    @property
    def virtual_time_s(self) -> float:
        """Return when the last round closed."""


def utilisation_rows(result: Played) -> list[Row]:
    """Return the rows of utilisation.csv for the busiest links of a method, the busiest first.

    Rows of detail 0 hold for whole rounds; those of detail 1 for the steps within the first kept one.
    """
    used: dict[str, float] = {}
    for rnd in result.rounds:
        for line, share in rnd.utilisation.items():
            used[line] = used.get(line, 0.0) + share * rnd.round_time_s
    names = [column.name for column in RUN_TABLES["utilisation"]]
    rows: list[Row] = []
    for line in sorted(used, key=lambda line: -used[line])[:MOST_LINES]:
        spans = []  # round, detail, start, end, share
        for rnd in result.rounds:
            start_s = max(0.0, rnd.virtual_time_s - rnd.round_time_s)
            share = rnd.utilisation.get(line, 0.0)
            spans.append((rnd.index, 0, start_s, rnd.virtual_time_s, float(share)))
        for kept in result.kept[:1]:
            if (steps := _within(result, kept, line)) is not None:
                thin = steps.thinned(MOST_STEPS)
                times = (kept.start_s + thin.times).tolist()
                for start_s, end_s, value in zip(times, times[1:], thin.values, strict=False):
                    spans.append((kept.index, 1, start_s, end_s, float(value)))
        for span in spans:
            rows.append(dict(zip(names, (result.label, result.method, line, *span), strict=True)))
    return rows


def _within(result: Played, kept: KeptRound, line: str) -> Steps | None:
    series = kept.record.loads.get(line)
    if series is not None:
        return shared_steps(series, kept.record.duration_s)
    if line not in ACCESS.values():
        return None
    end_s = result.virtual_time_s
    capacities = {name: total / end_s for name, total in result.capacity_s.items()}
    return access_steps(kept, line, capacities)
