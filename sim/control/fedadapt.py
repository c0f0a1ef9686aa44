"""`fedadapt`: cuts by groups of devices, from the times and bandwidths of the last rounds.

FedAdapt (Wu et al., IEEE Internet of Things Journal 2022, arXiv 2107.04271) trains a reinforcement
learning agent for these decisions. The rule here is not that agent: it has the same inputs (the times of
the last round and the bandwidths, for groups of devices with similar speed, slow links apart) and the
same decision (a cut for each group), but computes it from the workload of each cut.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean, median
from typing import Final

from cutlayer.scenarios.control import FedAdapt
from cutlayer.sim.control.controller import CUTS, ClientRound, Controller, Decisions, History

SLOW_LINK: Final = 0.5  # of the median uplink rate: clients below it form a group of their own
SIMILAR: Final = 1.25  # neighbours in speed whose ratio is smaller are not separated


@dataclass(frozen=True)
class Observed:
    """A client's latest speeds: FLOP/s of its device and of the server for it, bytes/s of its links.

    The server's speed includes the wait in its queue. None means that nothing was observed.
    """

    device: float | None
    server: float | None
    up: float | None
    down: float | None

    def updated(self, last: ClientRound) -> "Observed":
        """Return the speeds after a round; what the round did not show stays."""
        waited_s = last.server_s + last.queue_s
        return Observed(
            last.device_flops / last.computing_s if last.device_flops else self.device,
            last.server_flops / waited_s if last.server_flops else self.server,
            last.up_rate or self.up,
            last.down_rate or self.down,
        )


class FedAdaptRule(Controller):
    """Cuts by group: that with the shortest predicted time on average over the group's clients.

    A client's time at a cut is its FLOPs over its observed speed, its bytes over its observed rates, the
    server's FLOPs over the speed that the client has seen of the server, and the propagation delays.
    What has not been observed yet (a device does not train with cut 0) is predicted by the cost model.
    """

    sets = frozenset({CUTS})
    Options = FedAdapt

    def __init__(self, options: FedAdapt) -> None:
        super().__init__(options)
        self._observed: dict[int, Observed] = {}

    def decide(self, history: History) -> Decisions:
        """Update what is known of the clients of the last round, and set the cut of each group."""
        for closed in history.rounds:
            for last in closed.clients:
                if not last.dropped:
                    before = self._observed.get(last.client, Observed(None, None, None, None))
                    self._observed[last.client] = before.updated(last)
        cuts: dict[int, int] = {}
        by_device: dict[str, int] = {}
        for group in self._groups():
            cut = self._cut_of(group, history)
            cuts |= dict.fromkeys(group, cut)
            by_device |= {history.clients[client].device: cut for client in group}
        for client in history.able if cuts else ():
            facts = history.clients[client]
            like = by_device.get(facts.device)  # of clients of its kind that have taken part
            if client not in cuts and like in facts.cuts:
                cuts[client] = like
        return Decisions(cuts={c: cut for c, cut in cuts.items() if cut != history.cuts[c]})

    def _groups(self) -> list[list[int]]:
        """Return clients by speed: up to `groups` groups, split where their speeds differ most.

        Clients with less than half the median uplink rate form one more group.
        """
        rates = {client: seen.up for client, seen in self._observed.items() if seen.up is not None}
        least = SLOW_LINK * median(rates.values()) if rates else 0.0
        slow = sorted(client for client, rate in rates.items() if rate < least)
        others = sorted(self._observed.keys() - set(slow))
        known = [c for c in others if self._observed[c].device is not None]
        unknown = [c for c in others if self._observed[c].device is None]
        groups = _split({c: self._observed[c].device or 0.0 for c in known}, self.options.groups)
        return [group for group in (*groups, unknown, slow) if group]

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
        seen, alone = self._observed[client], history.alone(client, cut)
        device = alone.computing_s if seen.device is None else alone.device_flops / seen.device
        server = alone.server_s if seen.server is None else alone.server_flops / seen.server
        up = alone.up_bytes / seen.up if seen.up else alone.up_s
        down = alone.down_bytes / seen.down if seen.down else alone.down_s
        return device + server + up + down + alone.rest_s


def _split(speeds: dict[int, float], count: int) -> Iterable[list[int]]:
    """Split clients into at most `count` groups, at the largest ratios between neighbouring speeds."""
    ordered = sorted(speeds, key=lambda client: (speeds[client], client))
    gaps = [
        (log(speeds[after] / speeds[before]), place)
        for place, (before, after) in enumerate(itertools.pairwise(ordered), start=1)
    ]
    wide = [gap for gap in gaps if gap[0] > log(SIMILAR)]
    widest = sorted(wide, key=lambda gap: (-gap[0], gap[1]))
    ends = [0, *sorted(place for _, place in widest[: count - 1]), len(ordered)]
    return [sorted(ordered[a:b]) for a, b in itertools.pairwise(ends) if a < b]
