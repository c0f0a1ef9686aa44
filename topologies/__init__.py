"""Where a scenario runs: devices, links, the graph they form, and a catalogue of known ones."""

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
