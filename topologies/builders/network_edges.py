"""The rates and delays of a networkx graph's edges, from figures, attributes or positions."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import networkx

from cutlayer.suggestion import suggestion
from cutlayer.topologies.builders.draft import Edge
from cutlayer.topologies.distance import Distance, position_of
from cutlayer.topologies.parts import TopologyError
from cutlayer.topologies.units import MAX_BYTES_PER_S, MAX_SECONDS, MIN_BYTES_PER_S


@dataclass(frozen=True)
class Attribute:
    """An attribute of a graph's edges, in units of `unit` (bytes/s or s).

    Edges without it have the value `otherwise`, in bytes/s or s, or are refused if that is None.
    """

    name: str
    unit: float
    otherwise: float | None = None


@dataclass(frozen=True)
class AssumedDelay:
    """The delay of `edges` edges of unknown length, out of `of`."""

    seconds: float
    edges: int
    of: int


def assumed_delay(graph: "networkx.Graph[Any]", delay: Distance) -> AssumedDelay | None:
    """Return the delay of edges with an end of unknown position; None if all positions are known.

    It is the distance's `otherwise_s`, or else the median of the edges of known length. Raises
    TopologyError if there is neither.
    """
    positions = {node: position_of(data) for node, data in graph.nodes(data=True)}
    known, edges = [], 0
    for here, there in graph.edges():
        if here == there:
            continue
        edges += 1
        ends = positions[here], positions[there]
        if ends[0] is not None and ends[1] is not None:
            known.append(delay.delay_s(ends[0], ends[1]))
    if len(known) == edges:
        return None
    if delay.otherwise_s is not None:
        return AssumedDelay(delay.otherwise_s, edges - len(known), edges)
    if not known:
        raise TopologyError(
            "no edge has a longitude and latitude at both ends, so that no delay can be derived:"
            " give one delay for all edges, an attribute of theirs, or the distance an otherwise"
        )
    return AssumedDelay(median(known), edges - len(known), edges)


def network_edges(
    graph: "networkx.Graph[Any]",
    names: Mapping[Any, str],
    rate: float | Attribute,
    delay: float | Attribute | Distance,
) -> Iterator[Edge]:
    """Yield the edges between the named nodes; parallel edges are merged, loops are left out."""
    positions = {node: position_of(data) for node, data in graph.nodes(data=True)}
    assumed = assumed_delay(graph, delay) if isinstance(delay, Distance) else None
    joined: dict[tuple[str, str], tuple[float, float]] = {}
    for here, there, data in graph.edges(data=True):
        if here == there:
            continue
        source, target = names[here], names[there]
        where = f"the edge from {source!r} to {target!r}"
        if isinstance(delay, Distance):
            ends = positions[here], positions[there]
            if ends[0] is None or ends[1] is None:
                assert assumed is not None
                seconds = assumed.seconds
            else:
                seconds = delay.delay_s(ends[0], ends[1])
        else:
            seconds = _figure(delay, data, where, "delay")
        speed = _figure(rate, data, where, "rate")
        pair = (source, target)
        if pair not in joined and not graph.is_directed() and (target, source) in joined:
            pair = (target, source)
        before, least = joined.get(pair, (0.0, math.inf))
        joined[pair] = (before + speed, min(least, seconds))
    duplex: Literal["full", "one-way"] = "one-way" if graph.is_directed() else "full"
    for (source, target), (speed, seconds) in joined.items():
        yield Edge(source, target, speed, seconds, duplex=duplex)


def _figure(figure: float | Attribute, data: Mapping[str, Any], where: str, what: str) -> float:
    if not isinstance(figure, Attribute):
        return figure
    if figure.name not in data:
        if figure.otherwise is not None:
            return figure.otherwise
        raise TopologyError(
            f"{where} has no {figure.name!r} for its {what}{suggestion(figure.name, map(str, data))}"
            f" (or give a value with otherwise)"
        )
    value = data[figure.name]
    try:
        number = float(value) * figure.unit
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    least, most = (MIN_BYTES_PER_S, MAX_BYTES_PER_S) if what == "rate" else (0.0, MAX_SECONDS)
    if not least <= number <= most or isinstance(value, bool):
        expected = "a number above 0" if what == "rate" else "a number"
        raise TopologyError(
            f"{where} has {str(value)[:60]!r} as {figure.name}: expected {expected} for its {what}"
        )
    return number
