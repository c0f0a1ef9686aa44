"""`fedadapt`: cuts by groups of devices, from the times and bandwidths of the last rounds.

FedAdapt (Wu et al., IEEE Internet of Things Journal 2022, arXiv 2107.04271) trains a reinforcement
learning agent for these decisions. This rule is not that agent. It has the same inputs (the times of the
last round and the bandwidths, for groups of devices with similar speed, slow links apart) and the same
decision (a cut for each group), which it takes by comparing predicted times.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean, median
from typing import Final

from cutlayer.scenarios.control import FedAdapt
from cutlayer.sim.control.controller import (
    CUTS,
    ClientRound,
    Controller,
    Decisions,
    History,
    PredictedRound,
)

SLOW_LINK: Final = 0.5  # of a group's median uplink rate: clients below it are a group of their own
SIMILAR: Final = 1.25  # neighbours in speed whose ratio is smaller are not separated


@dataclass(frozen=True)
class Observed:
    """Observations of a client's latest rounds.

    `device` and `server` are observed over predicted times: of its device, and of the server with the
    wait in the queue. `speed` is that of its device in FLOP/s, `up` and `down` are the rates of its
    links in bytes/s. None means that nothing was observed.
    """

    device: float = 1.0
    server: float = 1.0
    speed: float | None = None
    up: float | None = None
    down: float | None = None

    def updated(self, last: ClientRound, predicted: PredictedRound) -> "Observed":
        """Return the observations after a round, whose prediction was `predicted`."""
        device, server, speed = self.device, self.server, self.speed
        if last.device_flops and predicted.device_flops:
            speed = last.device_flops / last.computing_s
            device = predicted.device_flops / predicted.computing_s / speed
        if last.server_flops and predicted.server_flops:
            at = last.server_flops / (last.server_s + last.queue_s)
            server = predicted.server_flops / predicted.server_s / at
        return Observed(device, server, speed, last.up_rate or self.up, last.down_rate or self.down)


class FedAdaptRule(Controller):
    """Gives each group the cut with the shortest predicted time, on average over its clients.

    A client's time at a cut is the sum of the predicted times of its device and of the server, each
    scaled by its observed ratio, of its bytes over the observed rates, and of the delays.
    """

    sets = frozenset({CUTS})
    Options = FedAdapt

    def __init__(self, options: FedAdapt) -> None:
        super().__init__(options)
        self._observed: dict[int, Observed] = {}

    def decide(self, history: History) -> Decisions:
        """Record the clients of the last round, and set the cut of each group."""
        for closed in history.rounds:
            for last in closed.clients:
                if not last.dropped:
                    before = self._observed.get(last.client, Observed())
                    predicted = history.predict(last.client, last.cut)
                    self._observed[last.client] = before.updated(last, predicted)
        cuts: dict[int, int] = {}
        by_device: dict[str, int] = {}
        for group in self._groups():
            cut = self._cut_of(group, history)
            cuts |= dict.fromkeys(group, cut)
            by_device |= {history.clients[client].device: cut for client in group}
        for client in history.able if cuts else ():
            facts = history.clients[client]
            like = by_device.get(
                facts.device
            )  # of clients with the same device that have taken part
            if client not in cuts and like in facts.cuts:
                cuts[client] = like
        return Decisions(cuts={c: cut for c, cut in cuts.items() if cut != history.cuts[c]})

    def _groups(self) -> list[list[int]]:
        """Return clients by speed: up to `groups` groups, split where their speeds differ most.

        In each, clients with less than half its median uplink rate form a group of their own.
        """
        speeds = {client: seen.speed for client, seen in self._observed.items()}
        known = {client: speed for client, speed in speeds.items() if speed is not None}
        groups = [*_split(known, self.options.groups), sorted(speeds.keys() - known.keys())]
        return [part for group in groups for part in self._by_link(group) if part]

    def _by_link(self, group: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the clients of a group with usual links, and those with slow ones."""
        rates = {client: self._observed[client].up for client in group}
        known = [rate for rate in rates.values() if rate is not None]
        least = SLOW_LINK * median(known) if known else 0.0
        slow = [client for client, rate in rates.items() if rate is not None and rate < least]
        return [client for client in group if client not in slow], slow

    def _cut_of(self, group: Sequence[int], history: History) -> int:
        allowed = set.intersection(*(set(history.clients[client].cuts) for client in group))
        if not allowed:
            return history.cuts[group[0]]

        def seconds(cut: int) -> float:
            return fmean(self._predicted(client, cut, history) for client in group)

        times = {cut: seconds(cut) for cut in sorted(allowed)}
        best = min(times, key=lambda cut: (times[cut], cut))
        present = fmean(self._predicted(c, history.cuts[c], history) for c in group)
        keeps = times[best] >= present * (1 - self.options.gain)
        together = {history.cuts[client] for client in group}
        return history.cuts[group[0]] if keeps and len(together) == 1 else best

    def _predicted(self, client: int, cut: int, history: History) -> float:
        seen, predicted = self._observed[client], history.predict(client, cut)
        computing = predicted.computing_s * seen.device + predicted.server_s * seen.server
        up = predicted.up_bytes / seen.up if seen.up else predicted.up_s
        down = predicted.down_bytes / seen.down if seen.down else predicted.down_s
        return computing + up + down + predicted.rest_s


def _split(speeds: dict[int, float], count: int) -> Iterable[list[int]]:
    """Split clients into at most `count` groups, at the largest ratios between neighbouring speeds."""
    ordered = sorted(speeds, key=lambda client: (speeds[client], client))
    gaps = [
        (log(speeds[after] / speeds[before]), position)
        for position, (before, after) in enumerate(itertools.pairwise(ordered), start=1)
    ]
    wide = [gap for gap in gaps if gap[0] > log(SIMILAR)]
    widest = sorted(wide, key=lambda gap: (-gap[0], gap[1]))
    ends = [0, *sorted(position for _, position in widest[: count - 1]), len(ordered)]
    return [sorted(ordered[a:b]) for a, b in itertools.pairwise(ends) if a < b]
