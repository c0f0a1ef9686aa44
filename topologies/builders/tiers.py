"""Tiers: clients behind edge nodes, edge nodes behind regions, and so on to the server."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutlayer.topologies.builders.draft import Computer, Draft, Server
from cutlayer.topologies.builders.groups import Clients, Group, named
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink


@dataclass(frozen=True)
class Branch(Group):
    """Equal nodes of a tier, with what is behind each; `up` leads towards the server.

    With a `computer` they also compute.
    """

    count: int
    link: AccessLink
    clients: Sequence[Clients] = ()
    branches: Sequence["Branch"] = ()
    name: str | None = None
    computer: Computer | None = None

    @property
    def stem(self) -> str:
        """The stem of its members' names; `edge`, or `region` if it has branches."""
        return self.name or ("region" if self.branches else "edge")


def tiers(
    *, server: Server, branches: Sequence[Branch], server_link: AccessLink | None = None
) -> Topology:
    """Build a tree of any depth: two tiers are branches with clients, three are one more level.

    Every node is named after those above it: `region-0.edge-1.raspberry-pi-4b-2`. `server_link` is
    the server's own connection, shared by all, as in `star`.
    """
    draft = Draft()
    _grow(draft, draft.server(server, server_link), branches, "")
    return draft.topology()


def _grow(draft: Draft, centre: str, branches: Sequence[Branch], prefix: str) -> None:
    for name, branch in named(branches, prefix):
        draft.relay(name, computer=branch.computer)
        draft.access(name, centre, branch.link)
        _grow(draft, name, branch.branches, f"{name}.")
        draft.clients(name, branch.clients, prefix=f"{name}.")
