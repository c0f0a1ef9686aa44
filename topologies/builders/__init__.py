"""Builders of topologies from plain arguments.

Rates are in bytes per second and may be infinite; delays are one way, in seconds. A client is one
device. The members of a group have its name and a number, `raspberry-pi-4b-0`, `raspberry-pi-4b-1`,
which continues that of an earlier group of the same name. Relays, access points and edge nodes only
forward.
"""

from cutlayer.topologies.builders.cells import (
    AccessPoint,
    BaseStation,
    Stations,
    Subscribers,
    cells,
    wifi_cell,
)
from cutlayer.topologies.builders.draft import Edge, Server
from cutlayer.topologies.builders.groups import Clients
from cutlayer.topologies.builders.networkx_graph import Residents, from_graph, from_networkx
from cutlayer.topologies.builders.sites import mesh, ring
from cutlayer.topologies.builders.star import star
from cutlayer.topologies.builders.tiers import Branch, tiers

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
