"""Where a scenario runs: devices, links, the graph they form, and a catalogue of known ones.

A name is fetched from its module when it is first used: networkx is slow to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topologies import catalogue
    from topologies.builders import (
        AccessPoint,
        BaseStation,
        Branch,
        Clients,
        Edge,
        Residents,
        Server,
        Stations,
        Subscribers,
        cells,
        from_graph,
        from_networkx,
        mesh,
        ring,
        star,
        tiers,
        wifi_cell,
    )
    from topologies.builders.network_edges import Attribute
    from topologies.catalogue import CatalogueError
    from topologies.device import DeviceError, DeviceProfile, RateTable
    from topologies.distance import Distance
    from topologies.graph import Topology
    from topologies.link import AccessLink, LinkError
    from topologies.network_files import read_network, topohub_network
    from topologies.parts import Link, Medium, Node, Route, TopologyError
    from topologies.units import (
        QuantityError,
        format_duration,
        format_rate,
        format_size,
        parse_duration,
        parse_rate,
        parse_size,
        parse_speed,
    )

__all__ = [
    "AccessLink",
    "AccessPoint",
    "Attribute",
    "BaseStation",
    "Branch",
    "CatalogueError",
    "Clients",
    "DeviceError",
    "DeviceProfile",
    "Distance",
    "Edge",
    "Link",
    "LinkError",
    "Medium",
    "Node",
    "QuantityError",
    "RateTable",
    "Residents",
    "Route",
    "Server",
    "Stations",
    "Subscribers",
    "Topology",
    "TopologyError",
    "catalogue",
    "cells",
    "format_duration",
    "format_rate",
    "format_size",
    "from_graph",
    "from_networkx",
    "mesh",
    "parse_duration",
    "parse_rate",
    "parse_size",
    "parse_speed",
    "read_network",
    "ring",
    "star",
    "tiers",
    "topohub_network",
    "wifi_cell",
]

_HOME = {
    "AccessPoint": "topologies.builders",
    "BaseStation": "topologies.builders",
    "Branch": "topologies.builders",
    "Clients": "topologies.builders",
    "Edge": "topologies.builders",
    "Residents": "topologies.builders",
    "Server": "topologies.builders",
    "Stations": "topologies.builders",
    "Subscribers": "topologies.builders",
    "cells": "topologies.builders",
    "from_graph": "topologies.builders",
    "from_networkx": "topologies.builders",
    "mesh": "topologies.builders",
    "ring": "topologies.builders",
    "star": "topologies.builders",
    "tiers": "topologies.builders",
    "wifi_cell": "topologies.builders",
    "Attribute": "topologies.builders.network_edges",
    "CatalogueError": "topologies.catalogue",
    "DeviceError": "topologies.device",
    "DeviceProfile": "topologies.device",
    "RateTable": "topologies.device",
    "Distance": "topologies.distance",
    "Topology": "topologies.graph",
    "AccessLink": "topologies.link",
    "LinkError": "topologies.link",
    "read_network": "topologies.network_files",
    "topohub_network": "topologies.network_files",
    "Link": "topologies.parts",
    "Medium": "topologies.parts",
    "Node": "topologies.parts",
    "Route": "topologies.parts",
    "TopologyError": "topologies.parts",
    "QuantityError": "topologies.units",
    "format_duration": "topologies.units",
    "format_rate": "topologies.units",
    "format_size": "topologies.units",
    "parse_duration": "topologies.units",
    "parse_rate": "topologies.units",
    "parse_size": "topologies.units",
    "parse_speed": "topologies.units",
}


def __getattr__(name: str) -> object:
    """The public object of that name, imported on first use (PEP 562)."""
    if name == "catalogue":
        return import_module("topologies.catalogue")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The names that are there already and the public ones that are not fetched yet."""
    return sorted({*globals(), *__all__})
