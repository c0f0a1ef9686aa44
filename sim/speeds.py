"""The `speeds` of a scenario: every client's own device, as much faster or slower as was drawn."""

import math
from collections.abc import Iterable

from scenarios.speeds import Speeds
from sim.groups import NamedPlaceError, clients_named
from sim.learning.streams import generator
from topologies import Topology
from topologies.device import DeviceProfile


def with_speeds(topology: Topology, speeds: Iterable[Speeds], seed: int) -> Topology:
    """Return the topology with the drawn devices.

    A client's draw depends on the seed and its own index alone. Raises NamedPlaceError for clients
    that are not there, or are named twice.
    """
    devices: dict[str, DeviceProfile] = {}
    speeds = tuple(speeds)
    if not speeds:
        return topology
    places = {name: index for index, name in enumerate(topology.clients)}
    for number, spread in enumerate(speeds):
        path = ("speeds", number, "clients")
        scores = spread.read() if spread.scores is not None else ()
        for name in clients_named(topology, spread.clients, path):
            if name in devices:
                raise NamedPlaceError(path, f"names {name}, whose speed is drawn above already")
            device = topology.node(name).device
            assert device is not None
            stream = generator(seed, "speed", places[name])
            if spread.lognormal is None:
                factor = scores[int(stream.integers(len(scores)))]
            else:
                spread_of_log = math.log1p(spread.lognormal**2)
                drawn = float(stream.standard_normal())
                factor = math.exp(math.sqrt(spread_of_log) * drawn - spread_of_log / 2)
            devices[name] = device.faster(factor)
    return topology.with_devices(devices) if devices else topology
