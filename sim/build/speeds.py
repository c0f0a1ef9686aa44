"""The `speeds` of a scenario: every client's own device, as much faster or slower as was drawn."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from cutlayer.scenarios.speeds import Speeds
from cutlayer.sim.build.names import NamedPlaceError, clients_named
from cutlayer.streams import generator
from cutlayer.topologies import Topology
from cutlayer.topologies.device import DeviceProfile


def with_speeds(topology: Topology, speeds: Iterable[Speeds], seed: int) -> Topology:
    """Return the topology with the drawn devices.

    A client's draw depends on the seed and its own index alone. Raises NamedPlaceError for clients
    that are not there, or are named twice.
    """
    drawn: dict[str, Callable[[int], float]] = {}
    for number, spread in enumerate(speeds):
        path = ("speeds", number, "clients")
        draw = _draw(spread, seed)
        for name in clients_named(topology, spread.clients, path):
            if drawn.setdefault(name, draw) is not draw:
                raise NamedPlaceError(path, f"names {name}, whose speed is drawn above already")
    if not drawn:
        return topology
    places = {name: index for index, name in enumerate(topology.clients)}
    faster = Faster(topology, drawn.keys(), lambda name: drawn[name](places[name]))
    return topology.with_devices(faster)


def _draw(spread: Speeds, seed: int) -> Callable[[int], float]:
    """Return how many times as fast a client, by its index, is drawn to be."""
    scores = spread.read() if spread.scores is not None else ()

    def factor(client: int) -> float:
        stream = generator(seed, "speed", client)
        if spread.lognormal is None:
            return scores[int(stream.integers(len(scores)))]
        spread_of_log = math.log1p(spread.lognormal**2)
        drawn = float(stream.standard_normal())
        return math.exp(math.sqrt(spread_of_log) * drawn - spread_of_log / 2)

    return factor


class Faster(Mapping[str, DeviceProfile]):
    """The devices of some nodes of a topology, each so many times as fast; made on demand."""

    def __init__(
        self, topology: Topology, names: Collection[str], factor: Callable[[str], float]
    ) -> None:
        self._topology = topology
        self._names = names
        self._factor = factor
        self._made: dict[tuple[int, float], DeviceProfile] = {}

    def __getitem__(self, name: str) -> DeviceProfile:
        if name not in self._names:
            raise KeyError(name)
        device = self._topology.node(name).device
        assert device is not None
        key = id(device), self._factor(name)
        if key not in self._made:
            self._made[key] = device.faster(key[1])
        return self._made[key]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
