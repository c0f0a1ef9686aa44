"""The `transport` of a scenario, and the `transports` of its groups, as the settings of each client."""

from cutlayer.scenarios.transport import Tcp, Transport
from cutlayer.sim.build.names import entry_of_client
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.transport import IDEAL, TransportSettings


def transports(plan: Plan) -> tuple[TransportSettings, ...]:
    """Return the transport of each client's connection, in client order.

    Raises ScenarioNameError for an unknown client, and for one that two entries name.
    """
    scenario = plan.scenario
    owner = entry_of_client(plan.topology, "transports", scenario.transports)
    default = _settings(scenario.transport)
    if not owner:
        return (default,) * len(plan.topology.clients)
    own = [_settings(entry.transport) for entry in scenario.transports]
    return tuple(own[owner[c]] if c in owner else default for c in plan.topology.clients)


def _settings(section: Transport) -> TransportSettings:
    if not isinstance(section, Tcp):
        return IDEAL
    return TransportSettings(
        headers=section.headers,
        handshake=section.handshake,
        slow_start=section.slow_start,
        initial_window=section.initial_window,
        window_bytes=section.window,
        idle_restart=section.idle_restart,
        loss=section.loss_model,
        rtt_bias=section.rtt_bias,
    )
