"""The critical path of a round or window, the time of its phases, stragglers and barriers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import NO_CAUSE, PHASES, SERVER, Activity, Phase
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.files import SavedError
from cutlayer.sim.results.read import SavedRun

NAMES = {phase: phase.replace("_", " ") for phase in PHASES}


@dataclass(frozen=True)
class Attribution:
    """Seconds on the critical paths of a method's `rounds` rounds or windows, by phase.

    `clients` is the number of clients' rounds, or of updates in windows. `barrier_s` is the mean wait
    of the participants for the last one, over all rounds; None for windows.
    """

    label: str
    noun: str
    rounds: int
    clients: float
    total_s: float
    phases_s: dict[str, float]
    barrier_s: float | None
    stragglers: tuple[tuple[str, int], ...]

    @property
    def largest(self) -> str:
        """The phase that took longest."""
        return max(self.phases_s, key=lambda phase: self.phases_s[phase])

    @property
    def windows(self) -> bool:
        """Whether the method has windows instead of rounds."""
        return self.noun == WINDOW


@dataclass(frozen=True)
class Link:
    """Consecutive intervals of one actor and phase on a critical path."""

    start_s: float
    end_s: float
    phase: str
    who: str
    what: str
    count: int

    @property
    def seconds(self) -> float:
        """Its duration, including the propagation delay after it."""
        return self.end_s - self.start_s


def attribution(label: str, rows: Sequence[Row]) -> Attribution:
    """Return the attribution of a method's time, from its rows of rounds.csv."""
    counts = Counter(str(row["straggler"]) for row in rows if row["straggler"] is not None)
    noun = noun_of(rows)
    waited_s = sum(_number(row.get("barrier_mean_s")) for row in rows)
    return Attribution(
        label=label,
        noun=noun,
        rounds=len(rows),
        clients=sum(_number(row["clients"]) for row in rows),
        total_s=sum(_number(row["round_time_s"]) for row in rows),
        phases_s={p: sum(_number(row[f"critical_{p}_s"]) for row in rows) for p in PHASES},
        barrier_s=None if noun == WINDOW else waited_s,
        stragglers=tuple(counts.most_common()),
    )


def noun_of(rows: Sequence[Row]) -> str:
    """Return the noun of a method's rows in rounds.csv: "round", or "window" if it has no rounds."""
    return WINDOW if rows and rows[0]["round_type"] == WINDOW else "round"


def closing_row(
    end: NDArray[Any], delay: NDArray[Any], activity: NDArray[Any], round_type: object
) -> int:
    """Return the row that closed a round: the last to arrive, or the last fold of a window.

    Returns NO_CAUSE without a row.
    """
    if not len(end):
        return NO_CAUSE
    folds = np.flatnonzero(activity == Activity.AGGREGATE) if round_type == WINDOW else ()
    if not len(folds):
        return int(np.argmax(end + delay))
    return int(folds[len(folds) - 1 - np.argmax(end[folds][::-1])])


def round_row(run: SavedRun, label: str, round_index: int) -> Row:
    """Return a round's row of rounds.csv. Raises SavedError if there is none."""
    for row in run.rounds(label):
        if row["round"] == round_index:
            return row
    raise SavedError(f"{run.path / 'rounds.csv'} is damaged: {label} has no round {round_index}")


def critical_rows(run: SavedRun, label: str, round_index: int) -> list[int]:
    """Return the rows of a kept round's intervals that form its critical path, the last one first.

    Raises SavedError if the intervals cause each other.
    """
    log, rows = run.intervals(label, round_index), list[int]()
    kind = round_row(run, label, round_index)["round_type"]
    row = closing_row(log["end"], log["delay"], log["activity"], kind)
    while row >= 0:
        if row >= len(log["cause"]):
            raise SavedError(f"{run.path / 'events.npz'} is damaged: a cause is out of its round")
        if len(rows) == len(log["cause"]):
            raise SavedError(f"{run.path / 'events.npz'} is damaged: intervals cause each other")
        rows.append(row)
        row = int(log["cause"][row])
    return rows


def critical_chain(run: SavedRun, label: str, round_index: int) -> list[Link]:
    """Return the critical path of a kept round from its beginning, times since the round began.

    Consecutive intervals of one actor and phase are one link. The links' seconds add up to the round's.
    """
    log = run.intervals(label, round_index)
    row_of = round_row(run, label, round_index)
    duration = _number(row_of["round_time_s"])
    start_s = _number(row_of["virtual_time_s"]) - duration
    names = run.events["actor_names"]
    server = int(np.flatnonzero(names == "server")[0])
    end = duration
    links: list[Link] = []
    for row in critical_rows(run, label, round_index):
        begin = max(0.0, float(log["start"][row]) - start_s) if log["cause"][row] >= 0 else 0.0
        phase, actor, peer = Phase(int(log["phase"][row])), log["actor"][row], log["peer"][row]
        to_peer = actor in (server, SERVER) or phase == Phase.DOWNLINK
        who = names[peer] if to_peer and peer != SERVER else names[actor]
        what = Activity(int(log["activity"][row])).name.lower()
        links.append(Link(begin, end, PHASES[phase], str(who), what, 1))
        end = begin
    return _merged(links[::-1])


def _merged(links: Sequence[Link]) -> list[Link]:
    merged = []
    for _, group in groupby(links, key=lambda link: (link.phase, link.who, link.what)):
        members = list(group)
        merged.append(replace(members[0], end_s=members[-1].end_s, count=len(members)))
    return merged


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
