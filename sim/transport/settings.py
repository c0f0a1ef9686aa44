"""The switches of a transport and their effects on a path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from cutlayer.sim.transport.account import CapFrom
from cutlayer.sim.transport.tcp_formulas import (
    HEADER_EFFICIENCY,
    INITIAL_WINDOW,
    LEAST_RTT_S,
    MSS_BYTES,
    cubic_rate,
    mathis_rate,
    pftk_rate,
    window_rate,
)

Handshake = Literal["open", "tcp", "quic", "tls"]
LossModel = Literal["none", "mathis", "pftk", "cubic"]

SETUP_RTTS: Final[Mapping[Handshake, int]] = {"open": 0, "tcp": 1, "quic": 1, "tls": 2}
"""Round trips until the side that opens a connection may send: TLS 1.3 on TCP has one for each."""
_LOSS_RATES: Final[Mapping[LossModel, Callable[[float, float], float]]] = {
    "none": lambda _loss, _rtt_s: inf,
    "mathis": mathis_rate,
    "pftk": pftk_rate,
    "cubic": cubic_rate,
}


@dataclass(frozen=True)
class TransportSettings:
    """The effects of TCP, each with a switch; with all of them off, transport is ideal.

    `headers`: links carry headers too. `handshake`: opening a connection, once a round, takes round
    trips. `slow_start`: a window of `initial_window` segments doubles each round trip.
    `window_bytes`: the limit of unacknowledged bytes, may be infinite. `idle_restart`: slow start
    begins again after an idle retransmission time-out. `loss`: the model that caps flows whose path
    loses packets. `rtt_bias`: the weight of a flow is RTT^-rtt_bias.
    """

    headers: bool = True
    handshake: Handshake = "tcp"
    slow_start: bool = True
    initial_window: int = INITIAL_WINDOW
    window_bytes: float = 4 * 2**20
    idle_restart: bool = True
    loss: LossModel = "cubic"
    rtt_bias: float = 0.0

    def __post_init__(self) -> None:
        if not (self.initial_window >= 1 and self.window_bytes > 0 and 0 <= self.rtt_bias < inf):
            raise ValueError(
                "a transport needs an initial window of 1 segment or more, a window above 0 bytes "
                f"and an RTT bias of 0 or more, got {self}"
            )

    @property
    def initial_window_bytes(self) -> float:
        """Payload of the first window of slow start, bytes."""
        return self.initial_window * MSS_BYTES

    @property
    def header_efficiency(self) -> float:
        """Share of payload in what links carry; a byte of payload consumes its inverse."""
        return HEADER_EFFICIENCY if self.headers else 1.0

    def weight(self, rtt_s: float) -> float:
        """Return RTT^-rtt_bias, the weight of a flow on shared links.

        Less than 1 ms counts as 1 ms, because hosts and queues then dominate the round trip.
        """
        return float(max(rtt_s, LEAST_RTT_S) ** -self.rtt_bias)

    def setup_s(self, rtt_s: float) -> float:
        """Return the seconds that opening a connection takes."""
        return SETUP_RTTS[self.handshake] * rtt_s

    def limit(self, rtt_s: float, loss: float) -> tuple[float, CapFrom]:
        """Return the highest rate that a flow can reach, bytes/s, and which effect sets it."""
        by_window = window_rate(self.window_bytes, rtt_s)
        by_loss = _LOSS_RATES[self.loss](loss, rtt_s)
        if by_loss < by_window:
            return by_loss, "loss"
        return by_window, "window" if by_window < inf else "none"


IDEAL: Final = TransportSettings(
    headers=False,
    handshake="open",
    slow_start=False,
    window_bytes=inf,
    idle_restart=False,
    loss="none",
)
"""No effect of TCP: a flow runs at the rate of the links from its first byte on."""


@dataclass(frozen=True)
class PathSettings:
    """The transport of one route: round trip (s) without queues, and loss per packet on the path.

    Routes with the same `connection` share it: those between a client and the server, up and down.
    """

    rtt_s: float
    connection: int
    settings: TransportSettings = IDEAL
    loss: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.rtt_s < inf and 0 <= self.loss < 1):
            raise ValueError(
                "a path needs a finite round trip >= 0 and a loss of 0 or more, below 1, "
                f"got {self.rtt_s!r} s and {self.loss!r}"
            )
