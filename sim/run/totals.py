"""The totals of a run over its rounds: use of links, devices and nodes, kept intervals, event digest.

A round is measured when it has been played, and added once it is committed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import inf

from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.energy import DeviceUse
from cutlayer.sim.log.link_use import Key, LinkTotals
from cutlayer.sim.log.node_use import NodeTotals
from cutlayer.sim.log.record import RoundRecord
from cutlayer.sim.methods.method import Round
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import KeptRound
from cutlayer.sim.run.one_round import MAX_LINKS_RECORDED, recorded_links


class Totals:
    """Adds rounds to a method's result.

    `keep_all` keeps the intervals of every round, not only of the first and last of each type.
    """

    def __init__(self, world: World, result: MethodResult, *, keep_all: bool) -> None:
        self._world = world
        self._result = result
        self._keep_all = keep_all
        self._types: set[str] = set()  # of the rounds that have been played
        self._last_of_type: dict[str, KeptRound] = {}
        self._events = hashlib.blake2b(digest_size=16)

    def keeps(self, round_type: str) -> bool:
        """Return whether the next round is kept if it has this type, whatever follows."""
        return self._keep_all or round_type not in self._types

    def measure(
        self, rnd: Round, record: RoundRecord, start_s: float, available_s: float
    ) -> tuple[Callable[[], None], dict[str, float]]:
        """Return what adds a round to the result, and its `utilisation`.

        `available_s` is the time of all members together for the method's work.
        """
        result, world = self._result, self._world
        names = tuple(world.fleet.clients[client].name for client in rnd.participants)
        entry = rnd.index, rnd.round_type, names, start_s, record.duration_s, record.digest
        links = {key: world.client_routes.name(key, rnd.participants) for key in record.uses}
        edges = tuple(world.nodes)[1:]
        kept = KeptRound(rnd.index, rnd.round_type, start_s, names, record, links, edges)
        keep = self.keeps(rnd.round_type)
        self._types.add(rnd.round_type)

        def add() -> None:
            self._events.update(repr(entry).encode())
            for key, use in record.uses.items():
                result.links.setdefault(links[key], LinkTotals()).add(use)
            result.clients_busy_s += float(record.device_busy_s.sum())
            result.clients_available_s += available_s
            result.server_busy_s += record.server_busy_s
            result.server_available_s += record.duration_s * world.server.slots
            for name, use_of_node in zip(world.nodes, record.nodes, strict=True) if edges else ():
                totals = result.nodes.setdefault(name, NodeTotals(world.nodes[name].queue.slots))
                totals.add(use_of_node, record.duration_s)
            if keep:
                result.kept.append(kept)
            self._last_of_type[rnd.round_type] = kept

        return add, self._utilisation(links, record, start_s)

    def energy_j(
        self, rnd: Round, record: RoundRecord, elapsed_s: Sequence[float]
    ) -> Callable[[], float | None]:
        """Return what adds a round to every participant's device and returns the energy of all, J.

        `elapsed_s` has the seconds of each member's device that are charged.
        """
        uses = [
            (
                self._world.fleet.clients[client],
                elapsed_s[member],
                {state: float(times[member]) for state, times in record.active_s.items()},
            )
            for member, client in enumerate(rnd.participants)
        ]

        def add() -> float | None:
            total: float | None = 0.0
            for client, charged_s, active_s in uses:
                profile = client.profile
                use = self._result.devices.setdefault(client.name, DeviceUse(profile.name))
                joules = use.add(profile.power_w, charged_s, active_s)
                total = None if joules is None or total is None else total + joules
            return total

        return add

    def _utilisation(
        self, links: Mapping[Key, str], record: RoundRecord, start_s: float
    ) -> dict[str, float]:
        network, of_edges = self._world.network, self._world.client_routes.of_edges
        recorded = {*recorded_links(self._world), *of_edges[:MAX_LINKS_RECORDED]}
        used: defaultdict[str, float] = defaultdict(float)
        offered: defaultdict[str, float] = defaultdict(float)
        for key, use in record.uses.items():
            if not isinstance(key, str) or key in recorded:
                series, end_s = use.series(key), start_s + record.duration_s
                used[series] += use.consumed
                offered[series] += network.capacity_seconds(links[key], end_s, start_s)
        return {name: used[name] / offered[name] for name in used if 0 < offered[name] < inf}

    def finish(self) -> None:
        """Store the last kept rounds, the capacities of links and the event digest in the result."""
        result = self._result
        first = {kept.index for kept in result.kept}
        result.kept.extend(k for k in self._last_of_type.values() if k.index not in first)
        network, clients = self._world.network, self._world.client_routes.clients
        for name in result.links:
            result.capacity_s[name] = network.capacity_seconds(name, result.virtual_time_s)
            result.link_clients[name] = clients[name]
        result.kept.sort(key=lambda kept: kept.index)
        result.event_digest = self._events.hexdigest()
