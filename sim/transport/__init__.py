"""TCP above the fluid network: what holds a flow back besides the links."""

from cutlayer.sim.transport.account import Account
from cutlayer.sim.transport.settings import IDEAL, PathSettings, TransportSettings
from cutlayer.sim.transport.tcp import Tcp

__all__ = ["IDEAL", "Account", "PathSettings", "Tcp", "TransportSettings"]
