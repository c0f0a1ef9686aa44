"""What a scenario sets for each client: its presence, its transport, the variability of its device.

All functions raise ScenarioNameError for an unknown client, and for one that two entries name.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

from cutlayer.scenarios.availability import Absence, OfflineMarkov, OfflineWindows
from cutlayer.scenarios.devices import Computing
from cutlayer.scenarios.problems import KeyPath
from cutlayer.scenarios.transport import Tcp, Transport
from cutlayer.sim.build.names import ScenarioNameError, entry_of_client
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.compute.variability import VariabilitySettings
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.transport import IDEAL, TransportSettings
from cutlayer.suggestion import suggestion
from cutlayer.topologies.availability import presence, read_recording
from cutlayer.topologies.bandwidth import Profile, TwoStates


def availability(plan: Plan) -> dict[int, Presence]:
    """Return the presence of each client that may go offline, by index; the others are always online.

    Raises ScenarioNameError for a client that a recording does not have.
    """
    absences, names = plan.scenario.availability, plan.topology.clients
    entries = entry_of_client(plan.topology, "availability", [one.clients for one in absences])
    clients: dict[int, list[int]] = {}
    for client, number in entries.items():
        clients.setdefault(number, []).append(client)
    presences: dict[int, Presence] = {}
    for number, members in clients.items():
        absence, path = absences[number], ("availability", number)
        profiles = _profiles(absence, [names[client] for client in members], plan.seed, path)
        presences |= {
            client: Presence(profiles[names[client]], absence.on_disconnect) for client in members
        }
    return presences


def _profiles(
    absence: Absence, clients: Sequence[str], seed: int, path: KeyPath
) -> Mapping[str, Profile]:
    if isinstance(absence, OfflineMarkov):
        turns = TwoStates(1.0, 0.0, absence.markov.online, absence.markov.offline)
        return {name: turns.profile(seed, f"{name}.presence", name) for name in clients}
    period = math.inf if absence.repeat is None else absence.repeat
    if isinstance(absence, OfflineWindows):
        windows = [(window.since, window.until) for window in absence.offline]
        return dict.fromkeys(clients, presence(windows, online=False, period_s=period))
    recorded = {
        name: presence(intervals, online=True, period_s=period)
        for name, intervals in read_recording(absence.trace).items()
    }
    if absence.match == "position":
        return dict(zip(clients, cycle(recorded.values())))
    for client in clients:
        if client not in recorded:
            complaint = f"has no line for {client}{suggestion(client, recorded)}"
            raise ScenarioNameError((*path, "trace"), complaint)
    return recorded


def transports(plan: Plan) -> tuple[TransportSettings, ...]:
    """Return the transport of each client's connection, in client order."""
    topology, groups = plan.topology, plan.scenario.transports
    entries = entry_of_client(topology, "transports", [group.clients for group in groups])
    own = [_transport(group.transport) for group in groups]
    default = _transport(plan.scenario.transport)
    if not entries:
        return (default,) * len(topology.clients)
    return tuple(
        own[entries[client]] if client in entries else default
        for client in range(len(topology.clients))
    )


def default_transport(plan: Plan) -> TransportSettings:
    """Return the transport of the connections without a setting of their own."""
    return _transport(plan.scenario.transport)


def _transport(section: Transport) -> TransportSettings:
    if not isinstance(section, Tcp):
        return IDEAL
    switches = section.model_dump(exclude={"window", "loss_model"})
    return TransportSettings(**switches, window_bytes=section.window, loss=section.loss_model)


def variability(plan: Plan) -> dict[int, VariabilitySettings]:
    """Return the variability of each client's device that has any, by index."""
    sections = plan.scenario.computing
    entries = entry_of_client(plan.topology, "computing", [one.clients for one in sections])
    settings = [_variability(section) for section in sections]
    return {client: settings[number] for client, number in entries.items()}


def _variability(section: Computing) -> VariabilitySettings:
    throttle = section.throttle
    return VariabilitySettings(
        None if section.variability is None else section.variability.jitter(),
        0.0 if throttle is None else throttle.after,
        1.0 if throttle is None else throttle.slowdown,
        section.prefetch,
        section.overlap,
    )
