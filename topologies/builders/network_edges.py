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
    return _delays(graph, delay)[1]


def _delays(
    graph: "networkx.Graph[Any]", distance: Distance
) -> tuple[list[float], AssumedDelay | None]:
    """Return the delay of every edge that is not a loop, and that of unknown lengths among them."""
    positions = {node: position_of(data) for node, data in graph.nodes(data=True)}
    ends = [(positions[here], positions[there]) for here, there in graph.edges() if here != there]
    delays = [distance.delay_s(a, b) if a is not None and b is not None else None for a, b in ends]
    known = [seconds for seconds in delays if seconds is not None]
    if len(known) == len(delays):
        return known, None
    otherwise = distance.otherwise_s
    if otherwise is None:
        if not known:
            raise TopologyError(
                "no edge has a longitude and latitude at both ends, so that no delay can be derived:"
                " give one delay for all edges, an attribute of theirs, or the distance an otherwise"
            )
        otherwise = median(known)
    assumed = AssumedDelay(otherwise, len(delays) - len(known), len(delays))
    return [otherwise if seconds is None else seconds for seconds in delays], assumed


def network_edges(
    graph: "networkx.Graph[Any]",
    names: Mapping[Any, str],
    rate: float | Attribute,
    delay: float | Attribute | Distance,
) -> Iterator[Edge]:
    """Yield the edges between the named nodes; parallel edges are merged, loops are left out."""
    delays = iter(_delays(graph, delay)[0] if isinstance(delay, Distance) else ())
    joined: dict[tuple[str, str], tuple[float, float]] = {}
    for here, there, data in graph.edges(data=True):
        if here == there:
            continue
        source, target = names[here], names[there]
        where = f"the edge from {source!r} to {target!r}"
        seconds = (
            next(delays) if isinstance(delay, Distance) else _figure(delay, data, where, "delay")
        )
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
