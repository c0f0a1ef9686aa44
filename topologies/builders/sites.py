"""Sites in a ring, or with a link between every two, with clients at each."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from cutlayer.topologies.builders.draft import Computer, Draft, Edge, Server
from cutlayer.topologies.builders.groups import Clients
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import Routing, TopologyError


def ring(
    *,
    server: Server,
    sites: int,
    link: AccessLink,
    clients: Sequence[Clients],
    server_at: int = 0,
    server_link: AccessLink | None = None,
    routing: Routing = "delay",
    computer: Computer | None = None,
) -> Topology:
    """Build a ring of sites; the `up` of a `link` leads from each to the next.

    Every site has the groups of `clients`, named after it: `site-3.raspberry-pi-4b-0`. The server is
    at one of the sites, by its own link or directly. With a `computer` every site computes.
    """
    if sites < 3:
        raise TopologyError(f"a ring of {sites} sites: expected 3 or more")
    pairs = ((site, (site + 1) % sites) for site in range(sites))
    return _connected(
        pairs, server, sites, link, clients, server_at, server_link, routing, computer
    )


def mesh(
    *,
    server: Server,
    sites: int,
    link: AccessLink,
    clients: Sequence[Clients],
    server_at: int = 0,
    server_link: AccessLink | None = None,
    routing: Routing = "delay",
    computer: Computer | None = None,
) -> Topology:
    """Build sites with a link between every two, whose `up` leads to the later one.

    The rest is as in `ring`.
    """
    if sites < 2:
        raise TopologyError(f"a mesh of {sites} sites: expected 2 or more")
    pairs = combinations(range(sites), 2)
    return _connected(
        pairs, server, sites, link, clients, server_at, server_link, routing, computer
    )


def _connected(
    pairs: Iterable[tuple[int, int]],
    server: Server,
    sites: int,
    link: AccessLink,
    clients: Sequence[Clients],
    server_at: int,
    server_link: AccessLink | None,
    routing: Routing,
    computer: Computer | None,
) -> Topology:
    if not 0 <= server_at < sites:
        raise TopologyError(
            f"the server is at site {server_at}: expected 0 to {sites - 1}, one of the sites"
        )
    draft = Draft()
    names = [draft.relay(f"site-{site}", computer=computer) for site in range(sites)]
    draft.server_at(names[server_at], server, server_link)
    for source, target in pairs:
        draft.edge(Edge.of_link(names[source], names[target], link))
    for name in names:
        draft.clients(name, clients, prefix=f"{name}.")
    return draft.topology(routing)
