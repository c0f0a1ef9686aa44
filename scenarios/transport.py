"""The `transport` section: the effects of TCP, each with a switch.

`transports` has those of single groups. `cutlayer.sim.transport` implements the switches.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from cutlayer.scenarios.fields import Count, NotNegative, Section, Switch, Text
from cutlayer.scenarios.quantities import SizeOrUnlimited
from cutlayer.scenarios.unions import OneOf

# Known biases of TCP are 0 to 2; the bound keeps weights below 1e300.
MAX_RTT_BIAS: Final = 10


class Ideal(Section):
    """Transfers get the rate of their links from the first byte on."""


class Tcp(Section):
    """TCP, or with `handshake: quic` QUIC; the defaults are Linux's."""

    headers: Switch = True
    handshake: Literal["open", "tcp", "quic", "tls"] = "tcp"
    slow_start: Switch = True
    initial_window: Count = 10
    window: SizeOrUnlimited = 4 * 2**20
    idle_restart: Switch = True
    loss_model: Literal["none", "mathis", "pftk", "cubic"] = "cubic"
    rtt_bias: Annotated[NotNegative, Field(le=MAX_RTT_BIAS)] = 0.0


Transport = Annotated[Ideal | Tcp, OneOf(ideal=Ideal, tcp=Tcp)]


class ClientsTransport(Section):
    """A group of clients, or one client, with its own transport."""

    clients: Text
    transport: Transport
