"""What a network and its transport require of each other."""

from typing import Protocol

from cutlayer.sim.network.flow import Flow


class Carrier(Protocol):
    """What a transport may ask of the network that carries its transfers."""

    fifo: bool
    """Whether a route carries one transfer at a time."""

    def left_bytes(self, flow: Flow) -> float:
        """Return the bytes that a transfer has left now."""

    def reach(self, route: int) -> float:
        """Return the rate, bytes/s, that a transfer alone on its route's resources would get now."""

    def set_cap(self, flow: Flow, cap: float) -> None:
        """Change the cap of a transfer, in bytes/s."""


class Transport(Protocol):
    """Caps transfers while they are sent, as the congestion window of a TCP connection does."""

    def attach(self, network: Carrier) -> None:
        """Cap the transfers of this network."""

    def begins(self, flow: Flow) -> float:
        """Return the cap, bytes/s, of a flow whose turn has come; 0 holds it back for now."""

    def ends(self, flow: Flow) -> None:
        """Release a flow that has finished or was cancelled after it had begun."""

    def open_round(self) -> None:
        """Close all connections: each is opened anew in the round that begins."""

    def disconnect(self, route: int) -> None:
        """Close the connection of a route; its next transfer opens it again."""

    def opened_s(self, route: int) -> float:
        """Return when, on the clock of this round, the connection of a route was open."""
