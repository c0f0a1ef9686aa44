"""Build the network of a topology: what its routes consume, their weights, and the transport."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutlayer.sim.build.clients import default_transport, transports
from cutlayer.sim.build.edge_nodes import EdgeNodes, edge_nodes_of
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.clock import Clock
from cutlayer.sim.endpoints.fleet import EDGES, FROM_EDGES
from cutlayer.sim.endpoints.nodes import NodeType, RouteRef
from cutlayer.sim.log.intervals import SERVER
from cutlayer.sim.log.link_use import ClientRoutes, EdgeRoutes
from cutlayer.sim.network import Network
from cutlayer.sim.network.propagation import Jitters
from cutlayer.sim.network.route_runs import Lazy, Runs
from cutlayer.sim.network.routes import Uses
from cutlayer.sim.transport import IDEAL, PathSettings, Tcp, TransportSettings
from cutlayer.topologies import Route, Topology
from cutlayer.topologies.bandwidth import Profile


@dataclass(frozen=True)
class ClientNetwork:
    """A network and its routes.

    The routes from each client to the server come first, then those back. If edge nodes are used, the
    routes from each client to its edge node follow, those back, and those from each edge node to the
    server and back.
    """

    network: Network
    routes: Sequence[Route]
    client_routes: ClientRoutes
    transport: Tcp | None
    jitters: Mapping[int, tuple[float, Jitters]]
    fading: Mapping[int, Sequence[Profile]]
    clients: int
    edges: int

    def route(self, source: int, target: int) -> RouteRef:
        """Return the route from a client's index or a node's number to another."""
        if SERVER in (source, target):
            down, end = (0, source) if target == SERVER else (1, target)
            index = down * self.clients + end
            if end < 0:
                index = EDGES * self.clients + down * self.edges + edge_index(end)
        else:
            index = 2 * self.clients + source if source >= 0 else 3 * self.clients + target
        return RouteRef(index, self.routes[index].delay_s)


def edge_number(index: int) -> int:
    """Return the number in the log of an edge node, by its position in the topology."""
    return SERVER - 1 - index


def edge_index(number: int) -> int:
    """Return the position of an edge node, by its number in the log."""
    return SERVER - 1 - number


def connect(
    plan: Plan,
    clock: Clock,
    *,
    node_types: Sequence[NodeType] = ("server",),
    edge_nodes: EdgeNodes | None = None,
    keep_accounts: bool = False,
    multicasts: bool = False,
) -> ClientNetwork:
    """Build the network of a plan's topology.

    Clients exchange messages with nodes of these `node_types`. `edge_nodes` are by default those of the
    topology.

    Under TCP, headers make each byte consume more of every link, and the round trip of a connection
    is that of its two routes. `keep_accounts` records what limited each transfer of a round. If the
    method `multicasts`, all routes have the general solver, so that rates do not depend on which trees
    exist already.
    """
    settings = transports(plan)
    topology, count = plan.topology, len(plan.topology.clients)
    edge_nodes = edge_nodes_of(topology, None) if edge_nodes is None else edge_nodes
    edges = edge_nodes.names if "edge" in node_types else ()
    clients = Runs.apart(count) if edge_nodes.are_peers else _runs_of_clients(topology, settings)
    runs = clients.twice()
    if edges:
        runs = runs.twice().then(Runs.apart(2 * len(edges)))

    def ends(index: int) -> tuple[str, str]:
        route_type, position = divmod(index, count)
        if route_type < EDGES:
            client = topology.clients[position]
            near = topology.server if route_type < 2 else edge_nodes.of(position)
            assert near is not None, "a method that uses edges needs one for every client"
            near = topology.server if near == client else near  # a peer sends itself nothing
            pair = client, near
        else:
            route_type, position = divmod(index - EDGES * count, len(edges))
            pair = edges[position], topology.server
        return (pair[1], pair[0]) if route_type % 2 else pair

    def route(index: int) -> Route:
        from_peer = edge_nodes.are_peers and index // count == FROM_EDGES
        return topology.route(*ends(index), outwards=from_peer)

    routes = Lazy(runs.count, route)

    def back(index: int) -> int:
        """Return the route in the other direction."""
        first, size = (EDGES * count, len(edges)) if index >= EDGES * count else (0, count)
        route_type, position = divmod(index - first, size)
        return first + (route_type ^ 1) * size + position

    default = default_transport(plan)

    def transport_of(index: int) -> TransportSettings:
        return settings[index % count] if index < EDGES * count else default

    def with_headers(index: int) -> Route:
        share = transport_of(index).header_efficiency
        uses = tuple((name, amount / share) for name, amount in routes[index].resources)
        return Route(uses, routes[index].delay_s)

    def carried(index: int) -> Route:
        of_client = index < EDGES * count
        if "server" not in node_types and of_client and topology.server in ends(index):
            return Route((), routes[index].delay_s)  # unused, so it must not couple other routes
        return with_headers(index)

    def path(index: int) -> PathSettings:
        there, back_here = sorted((index, back(index)))
        rtt_s = routes[there].delay_s + routes[back_here].delay_s
        return PathSettings(rtt_s, there, transport_of(index), routes[index].loss)

    def weight(index: int) -> float:
        return routes[index].weight * transport_of(index).weight(path(index).rtt_s)

    used = Lazy(runs.count, carried)
    transport = None
    if any(transport_of(start) != IDEAL for start in runs.starts):
        transport = Tcp(clock, Lazy(runs.count, path), keep_accounts=keep_accounts)
    profiles = {name: profile.of_run() for name, profile in topology.profiles.items()}
    network = Network(
        clock,
        topology.resources,
        used,
        weights=(
            None if all(weight(start) == 1 for start in runs.starts) else Lazy(runs.count, weight)
        ),
        general=multicasts,
        transport=transport,
        profiles=profiles,
        alike=runs,
    )

    def uses(route_type: int, size: int) -> Sequence[Uses]:
        first = (
            route_type * count
            if route_type < EDGES
            else EDGES * count + (route_type - EDGES) * size
        )
        return Lazy(size, lambda position: with_headers(first + position).resources)

    of_edges = None
    if edges:
        backhaul = [uses(route_type, len(edges)) for route_type in (EDGES, EDGES + 1)]
        of_edges = EdgeRoutes(uses(2, count), uses(3, count), *backhaul)
    client_routes = ClientRoutes(uses(0, count), uses(1, count), clients, of_edges)
    jitters = _Jittered(routes, runs)
    fading = _fading(topology, profiles)
    return ClientNetwork(
        network, routes, client_routes, transport, jitters, fading, count, len(edges)
    )


def _fading(topology: Topology, profiles: Mapping[str, Profile]) -> dict[int, list[Profile]]:
    """Return the rates of each client's links that are drawn by round, by its index."""
    by_round = {name: profile for name, profile in profiles.items() if profile.by_round}
    if not by_round:
        return {}
    index = {client: number for number, client in enumerate(topology.clients)}
    fading: dict[int, list[Profile]] = {}
    for name, profile in by_round.items():
        link = topology.links[name]
        client = link.source if link.source in index else link.target
        fading.setdefault(index[client], []).append(profile)
    return fading


def _runs_of_clients(topology: Topology, settings: Sequence[TransportSettings]) -> Runs:
    """Return runs of clients with equal routes and transports."""
    same = len({id(chosen) for chosen in settings}) == 1
    starts: list[int] = []
    for start, size in topology.alike():
        starts.append(start)
        inside = () if same else range(start + 1, start + size)
        starts += [i for i in inside if settings[i] is not settings[i - 1]]
    return Runs(starts, len(topology.clients))


class _Jittered(Mapping[int, tuple[float, Jitters]]):
    """The routes with a varying delay: its mean (seconds), and the jitters of the route's links."""

    def __init__(self, routes: Sequence[Route], runs: Runs) -> None:
        self._routes = routes
        self._count = sum(
            size
            for start, size in zip(runs.starts, runs.sizes(), strict=True)
            if routes[start].jitters
        )

    def __getitem__(self, index: int) -> tuple[float, Jitters]:
        route = self._routes[index]
        if not route.jitters:
            raise KeyError(index)
        return route.delay_s, route.jitters

    def __iter__(self) -> Iterator[int]:
        return (index for index, route in enumerate(self._routes) if route.jitters)

    def __len__(self) -> int:
        return self._count
