"""Transfers as fluid flows on shared links, with a SimPy event for the end of each."""

from sim.network.errors import AllocationError, NetworkError, StalledClockError
from sim.network.flow import Flow, Route
from sim.network.network import Network
from sim.network.pacing import Pacer

__all__ = [
    "AllocationError",
    "Flow",
    "Network",
    "NetworkError",
    "Pacer",
    "Route",
    "StalledClockError",
]
