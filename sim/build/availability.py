"""The `availability` of a scenario: when each client is online, as a function of time."""

import math

from cutlayer.scenarios.availability import Absence, OfflineMarkov, OfflineWindows
from cutlayer.scenarios.problems import KeyPath
from cutlayer.sim.build.names import ScenarioNameError, entry_of_client
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.suggestion import suggestion
from cutlayer.topologies.availability import presence, read_recording
from cutlayer.topologies.bandwidth import Profile, TwoStates


def availability(plan: Plan) -> dict[int, Presence]:
    """Return the presence of each client that may go offline, by index; the others are always online.

    Raises ScenarioNameError for an unknown client, for one that two entries name, and for one that a
    recording does not have.
    """
    topology, absences = plan.topology, plan.scenario.availability
    owner = entry_of_client(topology, "availability", absences)
    clients: dict[int, list[str]] = {}
    for client, number in owner.items():
        clients.setdefault(number, []).append(client)
    profiles: dict[str, Profile] = {}
    for number, names in clients.items():
        profiles |= _profiles(absences[number], tuple(names), plan.seed, ("availability", number))
    return {
        index: Presence(profiles[name], absences[owner[name]].on_disconnect)
        for index, name in enumerate(topology.clients if owner else ())
        if name in owner
    }


def _profiles(
    absence: Absence, clients: tuple[str, ...], seed: int, path: KeyPath
) -> dict[str, Profile]:
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
        names = list(recorded)
        return {client: recorded[names[i % len(names)]] for i, client in enumerate(clients)}
    for client in clients:
        if client not in recorded:
            complaint = f"has no line for {client}{suggestion(client, recorded)}"
            raise ScenarioNameError((*path, "trace"), complaint)
    return {client: recorded[client] for client in clients}
