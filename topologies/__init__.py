"""Where a scenario runs: devices, links, the graph they form, and a catalogue of known ones."""

from topologies import catalogue
from topologies.build import Clients, Edge, Server, Stations, from_graph, star, wifi_cell
from topologies.catalogue import CatalogueError
from topologies.device import DeviceError, DeviceProfile, RateTable
from topologies.graph import Topology
from topologies.link import AccessLink, LinkError
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
    "CatalogueError",
    "Clients",
    "DeviceError",
    "DeviceProfile",
    "Edge",
    "Link",
    "LinkError",
    "Medium",
    "Node",
    "QuantityError",
    "RateTable",
    "Route",
    "Server",
    "Stations",
    "Topology",
    "TopologyError",
    "catalogue",
    "format_duration",
    "format_rate",
    "format_size",
    "from_graph",
    "parse_duration",
    "parse_rate",
    "parse_size",
    "parse_speed",
    "star",
    "wifi_cell",
]
