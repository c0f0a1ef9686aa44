"""Transfers as fluid flows on shared links, with a SimPy event for the end of each."""

from cutlayer.sim.network.errors import AllocationError, NetworkError, StalledClockError
from cutlayer.sim.network.flow import Flow, Route
from cutlayer.sim.network.network import Network
from cutlayer.sim.network.transport import Transport

__all__ = [
    "AllocationError",
    "Flow",
    "Network",
    "NetworkError",
    "Route",
    "StalledClockError",
    "Transport",
]
