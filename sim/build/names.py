"""The clients that a name in a scenario stands for: one client, or all clients of a group."""

import re
from collections.abc import Collection, Iterable
from typing import Final

from cutlayer.errors import UserError
from cutlayer.scenarios.problems import KeyPath
from cutlayer.suggestion import suggestion
from cutlayer.topologies import Topology

_NEITHER: Final = "is neither a group nor a client"


class ScenarioNameError(UserError):
    """A name in a scenario that the topology does not have, or that cannot be used in its section.

    `path` is its path in the scenario.
    """

    def __init__(self, path: KeyPath, complaint: str) -> None:
        super().__init__(path, complaint)
        self.path = path
        self.complaint = complaint

    def __str__(self) -> str:
        return self.complaint


def clients_named(
    topology: Topology, name: str, path: KeyPath, devices: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the client `name`, or the clients of the group: `name-0`, `name-1` and so on.

    Raises ScenarioNameError if there is neither; `devices` are further names that are valid.
    """
    if name in topology.clients:
        return (name,)
    numbered = re.compile(re.escape(name) + r"-\d+")
    group = tuple(client for client in topology.clients if numbered.fullmatch(client))
    if not group:
        groups = [re.sub(r"-\d+$", "", client) for client in topology.clients]
        known = dict.fromkeys([*devices, *groups, *topology.clients])
        neither = (
            "is neither a device, a group nor a client of the topology" if devices else _NEITHER
        )
        raise ScenarioNameError(path, f"{neither}{suggestion(name, known)}")
    return group


def entry_of_client(topology: Topology, section: str, names: Iterable[str]) -> dict[int, int]:
    """Return the number of the section's entry for each client, by index, that an entry names.

    `names` has the `clients` of each entry. Raises ScenarioNameError for an unknown name, and for a
    client that two entries name.
    """
    entry: dict[str, int] = {}
    for number, name in enumerate(names):
        path: KeyPath = (section, number, "clients")
        for client in clients_named(topology, name, path):
            if entry.setdefault(client, number) != number:
                raise ScenarioNameError(path, f"{client} is already set by an earlier entry")
    clients = topology.clients if entry else ()
    return {index: entry[name] for index, name in enumerate(clients) if name in entry}
