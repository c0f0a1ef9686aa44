"""The `transport` section: what TCP adds to the path of a flow, each effect with a switch.

`transports` has those of single groups. Nothing here depends on a run;
`cutlayer.sim.transport` says what the switches do.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from cutlayer.scenarios.fields import Count, NotNegative, Section, Switch, Text
from cutlayer.scenarios.one_of import OneOf
from cutlayer.scenarios.quantities import SizeOrUnlimited

# Biases are 0 to 2 in what is known of TCP; a weight beyond 1e300 is not a number.
MOST_RTT_BIAS: Final = 10


class Ideal(Section):
    """Flows get what the links give, from the first byte on."""


class Tcp(Section):
    """TCP, or with `handshake: quic` what does as TCP does; the defaults are Linux's."""

    headers: Switch = True
    handshake: Literal["open", "tcp", "quic", "tls"] = "tcp"
    slow_start: Switch = True
    initial_window: Count = 10
    window: SizeOrUnlimited = 4 * 2**20
    idle_restart: Switch = True
    loss_model: Literal["none", "mathis", "pftk", "cubic"] = "cubic"
    rtt_bias: Annotated[NotNegative, Field(le=MOST_RTT_BIAS)] = 0.0


Transport = Annotated[Ideal | Tcp, OneOf(ideal=Ideal, tcp=Tcp)]


class ClientsTransport(Section):
    """A group of clients, or one client, whose transport is not that of the scenario."""

    clients: Text
    transport: Transport
