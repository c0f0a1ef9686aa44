"""Devices, links, the topologies that they form, and a catalogue of known devices and links.

Names are imported from their modules on first use, because networkx is slow to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutlayer.topologies import catalogue
    from cutlayer.topologies.builders.cells import (
        AccessPoint,
        BaseStation,
        Stations,
        Subscribers,
        cells,
        wifi_cell,
    )
    from cutlayer.topologies.builders.draft import Computer, Edge, Server
    from cutlayer.topologies.builders.groups import Clients
    from cutlayer.topologies.builders.network_edges import Attribute
    from cutlayer.topologies.builders.networkx_graph import Residents, from_graph, from_networkx
    from cutlayer.topologies.builders.radio import RadioCell, RadioClients, radio_cell
    from cutlayer.topologies.builders.sites import mesh, ring
    from cutlayer.topologies.builders.star import star
    from cutlayer.topologies.builders.tiers import Branch, tiers
    from cutlayer.topologies.catalogue import CatalogueError
    from cutlayer.topologies.device import DeviceError, DeviceProfile
    from cutlayer.topologies.distance import Distance
    from cutlayer.topologies.graph import Topology
    from cutlayer.topologies.layer_time import PassRates
    from cutlayer.topologies.link import AccessLink, LinkError
    from cutlayer.topologies.network_files import read_network, topohub_network
    from cutlayer.topologies.parts import Link, Medium, Node, Route, TopologyError
    from cutlayer.topologies.stack import Stack, on_stack
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
    "Computer",
    "DeviceError",
    "DeviceProfile",
    "Distance",
    "Edge",
    "Link",
    "LinkError",
    "Medium",
    "Node",
    "PassRates",
    "QuantityError",
    "RadioCell",
    "RadioClients",
    "Residents",
    "Route",
    "Server",
    "Stack",
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
    "on_stack",
    "parse_duration",
    "parse_rate",
    "parse_size",
    "parse_speed",
    "radio_cell",
    "read_network",
    "ring",
    "star",
    "tiers",
    "topohub_network",
    "wifi_cell",
]

_NAMES = {
    "builders.cells": "AccessPoint BaseStation Stations Subscribers cells wifi_cell",
    "builders.draft": "Computer Edge Server",
    "builders.groups": "Clients",
    "builders.network_edges": "Attribute",
    "builders.networkx_graph": "Residents from_graph from_networkx",
    "builders.radio": "RadioCell RadioClients radio_cell",
    "builders.sites": "mesh ring",
    "builders.star": "star",
    "builders.tiers": "Branch tiers",
    "catalogue": "CatalogueError",
    "device": "DeviceError DeviceProfile",
    "distance": "Distance",
    "graph": "Topology",
    "layer_time": "PassRates",
    "link": "AccessLink LinkError",
    "network_files": "read_network topohub_network",
    "parts": "Link Medium Node Route TopologyError",
    "stack": "Stack on_stack",
    "units": (
        "QuantityError format_duration format_rate format_size parse_duration parse_rate "
        "parse_size parse_speed"
    ),
}
_HOME = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Return the public object of that name, imported on first use (PEP 562)."""
    if name == "catalogue":
        return import_module("cutlayer.topologies.catalogue")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return the names that are imported already and all public ones."""
    return sorted({*globals(), *__all__})
