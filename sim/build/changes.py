"""The `changes` of a scenario, applied to its topology: links and media whose rates vary over time."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from cutlayer.scenarios.bandwidth import Change, LinkChange
from cutlayer.scenarios.problems import KeyPath
from cutlayer.sim.build.names import ScenarioNameError, clients_named
from cutlayer.suggestion import suggestion
from cutlayer.topologies import Link, Medium, Topology
from cutlayer.topologies.bandwidth import Changed

LinkOrMedium = TypeVar("LinkOrMedium", Link, Medium)


def changed(topology: Topology, changes: tuple[Change, ...]) -> Topology:
    """Return the topology with the changes applied to its links and media.

    Raises ScenarioNameError for an unknown name, and for a rate that cannot change.
    """
    if not changes:
        return topology
    rates = _Rates(topology)
    for index, change in enumerate(changes):
        path: KeyPath = ("changes", index)
        for name, rate in rates.of(change, path):
            rates.add(name, change.at, rate, path)
    for link in topology.links.values():
        if not link.own_limit and {link.id, link.medium} <= rates.steps.keys():
            complaint = f"cannot change {link.id} and {link.medium}: only one of them had a rate"
            raise ScenarioNameError(("changes",), complaint)
    return topology.with_links(
        [_with(link, rates.steps.get(link.id)) for link in topology.links.values()],
        [_with(medium, rates.steps.get(medium.id)) for medium in topology.media.values()],
    )


class _Rates:
    """New rates by link or medium, and by time."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.steps: dict[str, dict[float, float]] = {}

    def of(self, change: Change, path: KeyPath) -> Iterator[tuple[str, float]]:
        """Yield the links and media that a change affects, with their new rates."""
        if isinstance(change, LinkChange):
            yield change.link, change.rate
            return
        graph = self._topology.graph
        for client in clients_named(self._topology, change.clients, (*path, "clients")):
            links: list[tuple[Link, float | None]] = [
                *((edge["link"], change.up) for edge in graph.succ[client].values()),
                *((edge["link"], change.down) for edge in graph.pred[client].values()),
            ]
            for link, rate in links:
                half_duplex = link.medium is not None and link.medium == link.connection
                if change.rate is not None:
                    yield link.medium or link.id if half_duplex else link.id, change.rate
                elif half_duplex:
                    complaint = f"must have rate: {client} is on a half-duplex link"
                    raise ScenarioNameError(path, complaint)
                elif rate is not None:
                    yield link.id, rate

    def add(self, name: str, at: float, rate: float, path: KeyPath) -> None:
        """Add a change. Raises ScenarioNameError if the rate cannot change."""
        topology = self._topology
        link, medium = topology.links.get(name), topology.media.get(name)
        if link is None and medium is None:
            known = suggestion(name, [*topology.links, *topology.media])
            raise ScenarioNameError(
                (*path, "link"), f"is not a link or medium of the topology{known}"
            )
        if link is not None and link.medium is not None:
            medium = topology.media[link.medium]
        if medium is not None and medium.rate_bytes_per_s is None:
            raise ScenarioNameError(path, f"cannot change {name}: its stations share airtime")
        if link is not None and medium is not None and not link.own_limit and medium.varies:
            raise ScenarioNameError(path, f"cannot change {name}: only its medium has a rate")
        target = medium if link is None else link
        assert target is not None
        if target.rate_bytes_per_s == math.inf:
            raise ScenarioNameError(
                path, f"cannot change {name}: it is unlimited, and needs a rate"
            )
        if self.steps.setdefault(name, {}).setdefault(at, rate) != rate:
            raise ScenarioNameError(path, f"gives {name} a second rate for the same time")


def _with(target: LinkOrMedium, steps: dict[float, float] | None) -> LinkOrMedium:
    if steps is None:
        return target
    assert target.rate_bytes_per_s is not None
    base = target.rate_bytes_per_s if target.varies is None else target.varies
    varies = Changed(base, tuple(sorted(steps.items())))
    if isinstance(target, Link):
        return replace(target, varies=varies, own_limit=True)
    return replace(target, varies=varies)
