"""The `availability` of a scenario as functions of time: when each client is online."""

import math
from typing import Literal

from cutlayer.scenarios.availability import Absence, OfflineMarkov, OfflineTrace, OfflineWindows
from cutlayer.scenarios.problems import KeyPath
from cutlayer.sim.build.names import NamedPlaceError, clients_named
from cutlayer.sim.build.plan import Plan
from cutlayer.suggestion import suggestion
from cutlayer.topologies.availability import presence, read_recording
from cutlayer.topologies.bandwidth import Profile, TwoStates

OnDisconnect = Literal["drop", "resume"]


def availability(plan: Plan) -> dict[str, tuple[Profile, OnDisconnect]]:
    """Return of each client that may go offline: 1 or 0 over time (s), and what happens then.

    Who is not there is always online. Raises NamedPlaceError for a name that the topology does not
    have, or one that two entries speak of.
    """
    found: dict[str, tuple[Profile, OnDisconnect]] = {}
    for index, absence in enumerate(plan.scenario.availability):
        path: KeyPath = ("availability", index)
        clients = clients_named(plan.topology, absence.clients, (*path, "clients"))
        for client in clients:
            if client in found:
                complaint = f"speaks of {client}, as does an entry before it"
                raise NamedPlaceError((*path, "clients"), complaint)
        profiles = _profiles(absence, clients, plan.seed, path)
        found |= {client: (profiles[client], absence.on_disconnect) for client in clients}
    return found


def _profiles(
    absence: Absence, clients: tuple[str, ...], seed: int, path: KeyPath
) -> dict[str, Profile]:
    if isinstance(absence, OfflineWindows):
        windows = [(window.since, window.until) for window in absence.offline]
        period = math.inf if absence.repeat is None else absence.repeat
        schedule = presence(windows, online=False, period_s=period)
        return dict.fromkeys(clients, schedule)
    if isinstance(absence, OfflineMarkov):
        turns = TwoStates(1.0, 0.0, absence.markov.online, absence.markov.offline)
        return {name: turns.profile(seed, f"{name}.presence", name) for name in clients}
    return _recorded(absence, clients, path)


def _recorded(absence: OfflineTrace, clients: tuple[str, ...], path: KeyPath) -> dict[str, Profile]:
    recording = read_recording(absence.trace)
    period = math.inf if absence.repeat is None else absence.repeat
    recorded = {
        name: presence(intervals, online=True, period_s=period)
        for name, intervals in recording.items()
    }
    if absence.match == "position":
        names = list(recorded)
        return {client: recorded[names[i % len(names)]] for i, client in enumerate(clients)}
    for client in clients:
        if client not in recorded:
            complaint = f"has no line for {client}{suggestion(client, recorded)}"
            raise NamedPlaceError((*path, "trace"), complaint)
    return {client: recorded[client] for client in clients}
