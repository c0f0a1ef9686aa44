"""A star: every client has its own link to the server."""

from collections.abc import Sequence
from typing import Final

from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.builders.draft import Draft, Server
from cutlayer.topologies.builders.groups import Clients
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import Medium

CELL: Final = "cell"


def star(
    *,
    server: Server,
    clients: Sequence[Clients],
    server_link: AccessLink | None = None,
    medium_bytes_per_s: float | None = None,
    medium_varies: Varying | None = None,
) -> Topology:
    """Build clients around a server, each on its own link.

    `server_link` is the server's own connection, which all clients share; its `up` leaves the server.
    `medium_bytes_per_s` is the rate of a half-duplex medium that all clients' links share in both
    directions, in addition to their own rates; the mean, if it varies.
    """
    draft = Draft()
    centre = draft.server(server, server_link)
    medium = None
    if medium_bytes_per_s is not None:
        medium = CELL
        draft.media.append(Medium(CELL, medium_bytes_per_s, medium_varies))
    draft.clients(centre, clients, medium=medium)
    return draft.topology()
