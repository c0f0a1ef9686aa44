"""From a topology's routes to a network that carries transfers: consumption, weights, transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.clock import Clock
from sim.network import Network
from sim.plan import Plan
from sim.propagation import Jitters
from sim.transport import IDEAL, PathSettings, Tcp, header_efficiency
from sim.transports import transports
from sim.usage import Way, Ways
from topologies import Route


@dataclass(frozen=True)
class Wires:
    """A network whose routes are the clients' ways up, then their ways down."""

    network: Network
    ways: Ways
    transport: Tcp | None
    jitters: Mapping[int, tuple[float, Jitters]]


@dataclass(frozen=True)
class _Loaded:
    """A route as the network needs it: headers included in what a byte consumes."""

    resources: Way
    delay_s: float


def connect(
    plan: Plan,
    clock: Clock,
    ups: Sequence[Route],
    downs: Sequence[Route],
    *,
    keep_accounts: bool = False,
) -> Wires:
    """Build the network of a plan's topology; `ups` and `downs` have one route for each client.

    Under TCP headers make a byte consume more of every link, and the round trip of a connection is
    its way up and its way down. `keep_accounts` keeps what held each transfer of a round.
    """
    settings = transports(plan)
    paths: list[PathSettings] = []
    loaded: list[_Loaded] = []
    weights: list[float] = []
    for routes in (ups, downs):
        for client, (route, chosen) in enumerate(zip(routes, settings, strict=True)):
            rtt_s = ups[client].delay_s + downs[client].delay_s
            paths.append(PathSettings(rtt_s, client, chosen, route.loss))
            share = header_efficiency(chosen)
            way = tuple((name, amount / share) for name, amount in route.resources)
            loaded.append(_Loaded(way, route.delay_s))
            weights.append(route.weight * chosen.weight(rtt_s))
    transport = None
    if any(chosen != IDEAL for chosen in settings):
        transport = Tcp(clock, paths, keep_accounts=keep_accounts)
    network = Network(
        clock,
        plan.topology.resources,
        loaded,
        weights=None if all(weight == 1 for weight in weights) else weights,
        pacer=transport,
        profiles=plan.topology.profiles,
    )
    count = len(ups)
    ways = Ways(
        [route.resources for route in loaded[:count]], [route.resources for route in loaded[count:]]
    )
    jitters = {
        index: (route.delay_s, route.jitters)
        for index, route in enumerate([*ups, *downs])
        if route.jitters
    }
    return Wires(network, ways, transport, jitters)
