"""Build the network of a topology: what its routes consume, their weights, and the transport."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutlayer.sim.build.clients import transports
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.clock import Clock
from cutlayer.sim.log.link_use import ClientRoutes
from cutlayer.sim.network import Network
from cutlayer.sim.network.propagation import Jitters
from cutlayer.sim.network.route_runs import Lazy, Runs
from cutlayer.sim.transport import IDEAL, PathSettings, Tcp, TransportSettings
from cutlayer.topologies import Route, Topology


@dataclass(frozen=True)
class ClientNetwork:
    """A network whose routes are those from each client to the server, then those back."""

    network: Network
    routes: Sequence[Route]
    client_routes: ClientRoutes
    transport: Tcp | None
    jitters: Mapping[int, tuple[float, Jitters]]


def connect(plan: Plan, clock: Clock, *, keep_accounts: bool = False) -> ClientNetwork:
    """Build the network of a plan's topology.

    Under TCP, headers make each byte consume more of every link, and the round trip of a connection
    is that of its two routes. `keep_accounts` records what limited each transfer of a round.
    """
    settings = transports(plan)
    topology, count = plan.topology, len(plan.topology.clients)
    clients = _runs_of_clients(topology, settings)
    runs = clients.twice()

    def route(index: int) -> Route:
        down, client = divmod(index, count)
        ends = (topology.clients[client], topology.server)
        return topology.route(*reversed(ends)) if down else topology.route(*ends)

    routes = Lazy(2 * count, route)

    def with_headers(index: int) -> Route:
        share = settings[index % count].header_efficiency
        uses = tuple((name, amount / share) for name, amount in routes[index].resources)
        return Route(uses, routes[index].delay_s)

    def path(index: int) -> PathSettings:
        client = index % count
        rtt_s = routes[client].delay_s + routes[count + client].delay_s
        return PathSettings(rtt_s, client, settings[client], routes[index].loss)

    def weight(index: int) -> float:
        return routes[index].weight * settings[index % count].weight(path(index).rtt_s)

    carried = Lazy(2 * count, with_headers)
    transport = None
    if any(settings[start] != IDEAL for start in clients.starts):
        transport = Tcp(clock, Lazy(2 * count, path), keep_accounts=keep_accounts)
    network = Network(
        clock,
        topology.resources,
        carried,
        weights=(
            None if all(weight(start) == 1 for start in runs.starts) else Lazy(2 * count, weight)
        ),
        transport=transport,
        profiles=topology.profiles,
        alike=runs,
    )
    ups = Lazy(count, lambda client: carried[client].resources)
    downs = Lazy(count, lambda client: carried[count + client].resources)
    jitters = _Jittered(routes, runs)
    return ClientNetwork(network, routes, ClientRoutes(ups, downs, clients), transport, jitters)


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
