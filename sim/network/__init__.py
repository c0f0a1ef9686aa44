"""Transfers as fluid flows on shared links, with a SimPy event for the end of each."""

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.network import Network
from cutlayer.sim.network.routes import NetworkError, Route
from cutlayer.sim.network.settling import StalledClockError
from cutlayer.sim.network.solvers.check import AllocationError
from cutlayer.sim.network.transport_protocol import Carrier, Transport

__all__ = [
    "AllocationError",
    "Carrier",
    "Flow",
    "Network",
    "NetworkError",
    "Route",
    "StalledClockError",
    "Transport",
]
