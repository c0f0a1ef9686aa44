"""The `changes` of a scenario, put into its topology: links and media that vary from then on."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from cutlayer.scenarios.changes import Change, ClientsChange, LinkChange
from cutlayer.scenarios.problems import KeyPath
from cutlayer.sim.build.names import ScenarioNameError, clients_named
from cutlayer.suggestion import suggestion
from cutlayer.topologies import Link, Medium, Topology
from cutlayer.topologies.bandwidth import Changed

Place = TypeVar("Place", Link, Medium)


def changed(topology: Topology, changes: tuple[Change, ...]) -> Topology:
    """Return the topology with its links and media changing as said.

    Raises ScenarioNameError for a name that is not there, and for a rate that cannot change.
    """
    if not changes:
        return topology
    found = _Rates(topology)
    for index, change in enumerate(changes):
        path: KeyPath = ("changes", index)
        for name, rate in found.of(change, path):
            found.add(name, change.at, rate, path)
    for link in topology.links.values():
        if not link.own_limit and {link.id, link.medium} <= found.steps.keys():
            complaint = f"cannot change {link.id} and {link.medium}: only one of them had a rate"
            raise ScenarioNameError(("changes",), complaint)
    return topology.with_places(
        [_with(link, found.steps.get(link.id)) for link in topology.links.values()],
        [_with(medium, found.steps.get(medium.id)) for medium in topology.media.values()],
    )


class _Rates:
    """New rates by link or medium, and by time."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.steps: dict[str, dict[float, float]] = {}

    def of(self, change: Change, path: KeyPath) -> Iterator[tuple[str, float]]:
        """Yield the links and media that a change touches, with their new rates."""
        if isinstance(change, LinkChange):
            yield change.link, change.rate
            return
        for client in clients_named(self._topology, change.clients, (*path, "clients")):
            yield from self._of_client(client, change, path)

    def _of_client(
        self, client: str, change: ClientsChange, path: KeyPath
    ) -> Iterator[tuple[str, float]]:
        graph = self._topology.graph
        links: list[tuple[Link, float | None]] = [
            *((edge["link"], change.up) for edge in graph.succ[client].values()),
            *((edge["link"], change.down) for edge in graph.pred[client].values()),
        ]
        for link, rate in links:
            half_duplex = link.medium is not None and link.medium == link.connection
            if change.rate is not None:
                yield link.medium or link.id if half_duplex else link.id, change.rate
            elif half_duplex:
                raise ScenarioNameError(path, f"must have rate: {client} is on a half-duplex link")
            elif rate is not None:
                yield link.id, rate

    def add(self, name: str, at: float, rate: float, path: KeyPath) -> None:
        """Note a change, or raise ScenarioNameError if there can be none."""
        topology = self._topology
        link, medium = topology.links.get(name), topology.media.get(name)
        if link is None and medium is None:
            known = suggestion(name, [*topology.links, *topology.media])
            raise ScenarioNameError((*path, "link"), f"is no link or medium of the topology{known}")
        if link is not None and link.medium is not None:
            medium = topology.media[link.medium]
        if medium is not None and medium.rate_bytes_per_s is None:
            raise ScenarioNameError(path, f"cannot change {name}: its stations share airtime")
        if link is not None and medium is not None and not link.own_limit and medium.varies:
            raise ScenarioNameError(path, f"cannot change {name}: only its medium has a rate")
        place = medium if link is None else link
        assert place is not None
        if place.rate_bytes_per_s == math.inf:
            raise ScenarioNameError(
                path, f"cannot change {name}: it is unlimited, and needs a rate"
            )
        if self.steps.setdefault(name, {}).setdefault(at, rate) != rate:
            raise ScenarioNameError(path, f"gives {name} a second rate for the same time")


def _with(place: Place, steps: dict[float, float] | None) -> Place:
    if steps is None:
        return place
    assert place.rate_bytes_per_s is not None
    base = place.rate_bytes_per_s if place.varies is None else place.varies
    varies = Changed(base, tuple(sorted(steps.items())))
    if isinstance(place, Link):
        return replace(place, varies=varies, own_limit=True)
    return replace(place, varies=varies)
