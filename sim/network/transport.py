"""What a transport tells the network: how fast a transfer may go, beside what the links give."""

from typing import TYPE_CHECKING, Protocol

from cutlayer.sim.network.flow import Flow

if TYPE_CHECKING:
    from cutlayer.sim.network.network import Network


class Transport(Protocol):
    """Sets the caps of transfers as they go: the congestion window of a TCP connection, say."""

    def attach(self, network: "Network") -> None:
        """Take note of the network whose transfers it caps."""

    def begins(self, flow: Flow) -> float:
        """Return the cap, bytes/s, of a flow whose turn has come; 0 holds it back for now."""

    def ends(self, flow: Flow) -> None:
        """Take note that a flow that had begun has finished or was cancelled."""

    def open_round(self) -> None:
        """Forget all connections: each is opened anew in the round that begins."""

    def disconnect(self, route: int) -> None:
        """Close the connection that a route belongs to; its next transfer opens it again."""

    def opened_s(self, route: int) -> float:
        """Return when, on the clock of this round, the connection of a route was open."""
