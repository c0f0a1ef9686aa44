"""Small worlds with TCP: clients with links of their own, behind one shared link or not."""

from math import inf
from typing import NamedTuple

import simpy

from cutlayer.sim.network import Network
from cutlayer.sim.transport import PathSettings, Tcp, TransportSettings


class Route(NamedTuple):
    resources: tuple
    delay_s: float = 0.0


class World:
    """Client i has the routes i (up) and n + i (down), on one connection."""

    def __init__(
        self,
        rtts,
        settings=None,
        *,
        own=inf,
        shared=inf,
        loss=0.0,
        start_at=0.0,
        general=False,
    ):
        settings = settings or TransportSettings()
        efficiency = settings.header_efficiency
        n = len(rtts)
        resources = {"server": shared}
        routes = []
        for direction in ("up", "down"):
            for i in range(n):
                resources[f"{direction}{i}"] = own
                routes.append(
                    Route(((f"{direction}{i}", 1 / efficiency), ("server", 1 / efficiency)))
                )
        self.env = simpy.Environment(start_at)
        self.tcp = Tcp(
            self.env,
            [PathSettings(rtt, i, settings, loss) for _ in range(2) for i, rtt in enumerate(rtts)],
            keep_accounts=True,
        )
        self.network = Network(self.env, resources, routes, transport=self.tcp, general=general)

    def send(self, route, size):
        return self.network.start(route, size)

    def run(self, *flows):
        self.env.run(self.env.all_of([flow.done for flow in flows]))
        return [flow.finish_s - flow.queued_s for flow in flows]

    def account(self, flow):
        return self.tcp.accounts[flow.sequence]


def alone(size, rate, rtt, settings=None, **options):
    """Return the seconds of one message on a link of `rate` bytes/s."""
    world = World([rtt], settings, own=rate, **options)
    return world.run(world.send(0, size))[0]
