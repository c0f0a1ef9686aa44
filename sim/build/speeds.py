"""The `speeds` of a scenario: a device for each client, faster or slower by a factor that is drawn."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from cutlayer.scenarios.devices import Speeds
from cutlayer.sim.build.names import entry_of_client
from cutlayer.streams import generator
from cutlayer.topologies import Topology
from cutlayer.topologies.device import DeviceProfile


def with_speeds(topology: Topology, speeds: Iterable[Speeds], seed: int) -> Topology:
    """Return the topology with the drawn devices.

    The draw of a client depends only on the seed and its own index. Raises ScenarioNameError for an
    unknown client, and for one that two entries name.
    """
    entries = tuple(speeds)
    owner = entry_of_client(topology, "speeds", entries)
    if not owner:
        return topology
    draws = [_draw(spread, seed) for spread in entries]
    indices = {name: index for index, name in enumerate(topology.clients)}
    faster = Faster(topology, owner.keys(), lambda name: draws[owner[name]](indices[name]))
    return topology.with_devices(faster)


def _draw(spread: Speeds, seed: int) -> Callable[[int], float]:
    """Return a function that draws the factor of a client's speed from its index."""
    scores = spread.read() if spread.scores is not None else ()

    def factor(client: int) -> float:
        stream = generator(seed, "speed", client)
        if spread.lognormal is None:
            return scores[int(stream.integers(len(scores)))]
        spread_of_log = math.log1p(spread.lognormal**2)
        normal = float(stream.standard_normal())
        return math.exp(math.sqrt(spread_of_log) * normal - spread_of_log / 2)

    return factor


class Faster(Mapping[str, DeviceProfile]):
    """The devices of some nodes of a topology, sped up by a factor for each; created on access."""

    def __init__(
        self, topology: Topology, names: Collection[str], factor: Callable[[str], float]
    ) -> None:
        self._topology = topology
        self._names = names
        self._factor = factor
        self._devices: dict[tuple[int, float], DeviceProfile] = {}

    def __getitem__(self, name: str) -> DeviceProfile:
        if name not in self._names:
            raise KeyError(name)
        device = self._topology.node(name).device
        assert device is not None
        key = id(device), self._factor(name)
        if key not in self._devices:
            self._devices[key] = device.faster(key[1])
        return self._devices[key]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
