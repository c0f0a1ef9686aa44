"""The clients that a scenario means by a name: one client, or all of a group."""

import re

from cutlayer.errors import UserError
from cutlayer.scenarios.problems import KeyPath
from cutlayer.suggestion import suggestion
from cutlayer.topologies import Topology


class NamedPlaceError(UserError):
    """A name in a scenario that the topology does not have, or that cannot be used so.

    `path` is where it stands in the scenario.
    """

    def __init__(self, path: KeyPath, complaint: str) -> None:
        super().__init__(path, complaint)
        self.path = path
        self.complaint = complaint

    def __str__(self) -> str:
        return self.complaint


def clients_named(topology: Topology, name: str, path: KeyPath) -> tuple[str, ...]:
    """Return the client `name`, or the clients of the group: `name-0`, `name-1` and so on.

    Raises NamedPlaceError if there is neither.
    """
    if name in topology.clients:
        return (name,)
    members = re.compile(re.escape(name) + r"-\d+")
    found = tuple(client for client in topology.clients if members.fullmatch(client))
    if not found:
        groups = [re.sub(r"-\d+$", "", client) for client in topology.clients]
        known = dict.fromkeys([*groups, *topology.clients])
        raise NamedPlaceError(path, f"is neither a group nor a client{suggestion(name, known)}")
    return found
