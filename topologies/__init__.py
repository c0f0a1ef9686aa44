"""Where a scenario runs: devices, links, the graph they form, and a catalogue of known ones.

A name is fetched from its module when it is first used: networkx is slow to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutlayer.topologies import catalogue
    from cutlayer.topologies.builders import (
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
    from cutlayer.topologies.builders.network_edges import Attribute
    from cutlayer.topologies.catalogue import CatalogueError
    from cutlayer.topologies.device import DeviceError, DeviceProfile, RateTable
    from cutlayer.topologies.distance import Distance
    from cutlayer.topologies.graph import Topology
    from cutlayer.topologies.link import AccessLink, LinkError
    from cutlayer.topologies.network_files import read_network, topohub_network
    from cutlayer.topologies.parts import Link, Medium, Node, Route, TopologyError
    from cutlayer.topologies.units import (
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
    "AccessPoint": "cutlayer.topologies.builders",
    "BaseStation": "cutlayer.topologies.builders",
    "Branch": "cutlayer.topologies.builders",
    "Clients": "cutlayer.topologies.builders",
    "Edge": "cutlayer.topologies.builders",
    "Residents": "cutlayer.topologies.builders",
    "Server": "cutlayer.topologies.builders",
    "Stations": "cutlayer.topologies.builders",
    "Subscribers": "cutlayer.topologies.builders",
    "cells": "cutlayer.topologies.builders",
    "from_graph": "cutlayer.topologies.builders",
    "from_networkx": "cutlayer.topologies.builders",
    "mesh": "cutlayer.topologies.builders",
    "ring": "cutlayer.topologies.builders",
    "star": "cutlayer.topologies.builders",
    "tiers": "cutlayer.topologies.builders",
    "wifi_cell": "cutlayer.topologies.builders",
    "Attribute": "cutlayer.topologies.builders.network_edges",
    "CatalogueError": "cutlayer.topologies.catalogue",
    "DeviceError": "cutlayer.topologies.device",
    "DeviceProfile": "cutlayer.topologies.device",
    "RateTable": "cutlayer.topologies.device",
    "Distance": "cutlayer.topologies.distance",
    "Topology": "cutlayer.topologies.graph",
    "AccessLink": "cutlayer.topologies.link",
    "LinkError": "cutlayer.topologies.link",
    "read_network": "cutlayer.topologies.network_files",
    "topohub_network": "cutlayer.topologies.network_files",
    "Link": "cutlayer.topologies.parts",
    "Medium": "cutlayer.topologies.parts",
    "Node": "cutlayer.topologies.parts",
    "Route": "cutlayer.topologies.parts",
    "TopologyError": "cutlayer.topologies.parts",
    "QuantityError": "cutlayer.topologies.units",
    "format_duration": "cutlayer.topologies.units",
    "format_rate": "cutlayer.topologies.units",
    "format_size": "cutlayer.topologies.units",
    "parse_duration": "cutlayer.topologies.units",
    "parse_rate": "cutlayer.topologies.units",
    "parse_size": "cutlayer.topologies.units",
    "parse_speed": "cutlayer.topologies.units",
}


def __getattr__(name: str) -> object:
    """The public object of that name, imported on first use (PEP 562)."""
    if name == "catalogue":
        return import_module("cutlayer.topologies.catalogue")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The names that are there already and the public ones that are not fetched yet."""
    return sorted({*globals(), *__all__})
