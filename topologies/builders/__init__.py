"""Topologies from plain arguments, one file for each.

Rates are in bytes per second and may be infinite, delays are one way in seconds. A client is one
device; those of a group are named after it and numbered, `raspberry-pi-4b-0`, `raspberry-pi-4b-1`,
going on where an earlier group of that name ended. Relays, access points and edge nodes forward
and do not compute.
"""

from cutlayer.topologies.builders.cells import AccessPoint, BaseStation, Subscribers, cells
from cutlayer.topologies.builders.draft import Edge, Server
from cutlayer.topologies.builders.groups import Clients
from cutlayer.topologies.builders.networkx_graph import Residents, from_graph, from_networkx
from cutlayer.topologies.builders.sites import mesh, ring
from cutlayer.topologies.builders.star import star
from cutlayer.topologies.builders.tiers import Branch, tiers
from cutlayer.topologies.builders.wifi_cell import Stations, wifi_cell

__all__ = [
    "AccessPoint",
    "BaseStation",
    "Branch",
    "Clients",
    "Edge",
    "Residents",
    "Server",
    "Stations",
    "Subscribers",
    "cells",
    "from_graph",
    "from_networkx",
    "mesh",
    "ring",
    "star",
    "tiers",
    "wifi_cell",
]
