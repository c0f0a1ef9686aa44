"""The `transport` of a scenario, and the `transports` of its groups, as the switches of each client."""

from cutlayer.scenarios.problems import KeyPath
from cutlayer.scenarios.transport import Tcp, Transport
from cutlayer.sim.build.names import NamedPlaceError, clients_named
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.transport import IDEAL, TransportSettings


def transports(plan: Plan) -> tuple[TransportSettings, ...]:
    """Return the transport of each client's connection, in client order.

    Raises NamedPlaceError for a name that the topology does not have, or one that two entries speak of.
    """
    scenario = plan.scenario
    own: dict[str, TransportSettings] = {}
    for index, entry in enumerate(scenario.transports):
        path: KeyPath = ("transports", index, "clients")
        settings = _settings(entry.transport)
        for client in clients_named(plan.topology, entry.clients, path):
            if client in own:
                raise NamedPlaceError(path, f"speaks of {client}, as does an entry before it")
            own[client] = settings
    default = _settings(scenario.transport)
    if not own:
        return (default,) * len(plan.topology.clients)
    return tuple(own.get(client, default) for client in plan.topology.clients)


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
