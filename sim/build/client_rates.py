"""The rates that the transfers of each client get in a topology: alone, and all at once."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simpy import Environment

from cutlayer.sim.network import Network
from cutlayer.topologies import Route, Topology

_ENDLESS_BYTES = 1e30
_SATURATED = 1 - 1e-9


@dataclass(frozen=True)
class Direction:
    """Rates in one direction (bytes/s), the resource that limits each, and the delay."""

    alone: float
    alone_by: str | None
    together: float
    together_by: str | None
    delay_s: float


@dataclass(frozen=True)
class ClientRates:
    """The rates of `count` equal clients, of which `client` is the first."""

    client: str
    count: int
    up: Direction
    down: Direction


def client_rates(topology: Topology) -> list[ClientRates]:
    """Return the rates of all clients, equal ones grouped; links that vary count with their means.

    `together` is while every client sends and nothing is received, or the other way round.
    """
    capacities = {
        name: topology.links[name].rate_bytes_per_s
        for name in topology.resources
        if name in topology.links
    } | {name: medium.capacity for name, medium in topology.media.items()}
    server = topology.server
    ups = _directions(capacities, [topology.route(client, server) for client in topology.clients])
    downs = _directions(capacities, [topology.route(server, client) for client in topology.clients])
    groups: dict[tuple[object, ...], list[tuple[str, Direction, Direction]]] = {}
    for client, up, down in zip(topology.clients, ups, downs, strict=True):
        key = (_numberless(client), _key(up), _key(down))
        groups.setdefault(key, []).append((client, up, down))
    return [ClientRates(group[0][0], len(group), *group[0][1:]) for group in groups.values()]


def _numberless(name: str | None) -> str | None:
    return None if name is None else re.sub(r"-\d+(?=\.|->|$)", "-", name)


def _key(direction: Direction) -> tuple[object, ...]:
    figures = (direction.alone, direction.together, direction.delay_s)
    limits = (direction.alone_by, direction.together_by)
    return (*(f"{figure:.9g}" for figure in figures), *map(_numberless, limits))


def _directions(capacities: Mapping[str, float], routes: Sequence[Route]) -> list[Direction]:
    together = _max_min(capacities, routes)
    load: dict[str, float] = {}
    most: dict[str, float] = {}
    for route, rate in zip(routes, together, strict=True):
        for name, consumption in route.resources:
            load[name] = load.get(name, 0.0) + rate * consumption
            most[name] = max(most.get(name, 0.0), rate / route.weight)
    directions = []
    for route, rate in zip(routes, together, strict=True):
        alone = {name: capacities[name] / consumption for name, consumption in route.resources}
        by = min(alone, key=alone.__getitem__, default=None)
        holding = [
            name
            for name, _ in route.resources
            if load[name] >= capacities[name] * _SATURATED
            and rate / route.weight >= most[name] * _SATURATED
        ]
        first = holding[0] if holding else None
        fastest = math.inf if by is None else alone[by]
        directions.append(Direction(fastest, by, rate, first, route.delay_s))
    return directions


def _max_min(capacities: Mapping[str, float], routes: Sequence[Route]) -> list[float]:
    """Return the rates of one endless transfer on each route."""
    env = Environment()
    network = Network(env, capacities, routes, weights=[route.weight for route in routes])
    flows = [
        network.start(index, _ENDLESS_BYTES) if route.resources else None
        for index, route in enumerate(routes)
    ]
    env.run(until=1e-12)
    return [math.inf if flow is None else network.rate(flow) for flow in flows]
