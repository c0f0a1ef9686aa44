"""The topology of a scenario, with its speeds, changes and scale applied."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from cutlayer.scenarios.devices import Speeds
from cutlayer.scenarios.schema import Scale, Scenario
from cutlayer.sim.build.changes import changed
from cutlayer.sim.build.names import entry_of_client
from cutlayer.sim.build.topology_sections import built
from cutlayer.streams import generator
from cutlayer.topologies import DeviceProfile, Link, Medium, Topology
from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.bandwidth.changed import Scaled
from cutlayer.topologies.changed_devices import ChangedDevices


def make_topology(scenario: Scenario, seed: int = 0) -> Topology:
    """Return the topology of a scenario; everything random in it is drawn from the seed.

    Raises TopologyError for an invalid section, LinkError for a link of unknown delay,
    ScenarioNameError for unknown names.
    """
    topology = _with_speeds(built(scenario, seed), scenario.speeds, seed)
    return _scaled(changed(topology, scenario.changes), scenario.scale).seeded(seed)


def _with_speeds(topology: Topology, speeds: Sequence[Speeds], seed: int) -> Topology:
    """Return the topology with a device for each client, faster or slower by a factor that is drawn.

    The draw of a client depends only on the seed and its own index.
    """
    entries = entry_of_client(topology, "speeds", [spread.clients for spread in speeds])
    if not entries:
        return topology
    draws = [_draw(spread, seed) for spread in speeds]
    drawn = {topology.clients[client]: (draws[entry], client) for client, entry in entries.items()}

    def factor(name: str) -> float:
        draw, client = drawn[name]
        return draw(client)

    return topology.with_devices(_faster(topology, drawn.keys(), factor))


def _draw(spread: Speeds, seed: int) -> Callable[[int], float]:
    """Return a function that draws the factor of a client's speed from its index."""
    scores = spread.read() if spread.scores is not None else ()

    def factor(client: int) -> float:
        stream = generator(seed, "speed", client)
        if spread.uniform is not None:
            return 1 + spread.uniform * (2 * stream.random() - 1)
        if spread.lognormal is None:
            return scores[int(stream.integers(len(scores)))]
        spread_of_log = math.log1p(spread.lognormal**2)
        normal = float(stream.standard_normal())
        return math.exp(math.sqrt(spread_of_log) * normal - spread_of_log / 2)

    return factor


def _scaled(topology: Topology, scale: Scale) -> Topology:
    """Return the topology with its rates, delays and speeds multiplied."""
    if scale.links != 1.0 or scale.delays != 1.0:
        topology = topology.mapped(
            lambda link: scaled_link(link, scale.links, scale.delays),
            lambda medium: scaled_medium(medium, scale.links),
        )
    if scale.devices != 1.0:
        clients = frozenset(topology.clients)
        topology = topology.with_devices(_faster(topology, clients, lambda _: scale.devices))
    if scale.server != 1.0:
        names = (topology.server, *topology.edges)
        topology = topology.with_devices(_faster(topology, names, lambda _: scale.server))
    return topology


def _faster(
    topology: Topology, names: Collection[str], factor: Callable[[str], float]
) -> ChangedDevices:
    """Return the devices of some nodes, sped up by a factor for each."""
    devices: dict[tuple[int, float], DeviceProfile] = {}

    def change(name: str, device: DeviceProfile) -> DeviceProfile:
        key = id(device), factor(name)
        if key not in devices:
            devices[key] = device.faster(key[1])
        return devices[key]

    return ChangedDevices(topology, names, change)


def scaled_link(link: Link, rate: float, delay: float) -> Link:
    """Return a link with its rate, also one that varies, and its delay times these factors."""
    return replace(
        link,
        rate_bytes_per_s=link.rate_bytes_per_s * rate,
        delay_s=link.delay_s * delay,
        varies=_varies(link.varies, rate),
    )


def scaled_medium(medium: Medium, factor: float) -> Medium:
    """Return a medium with its rate, if it has one, times a factor."""
    rate = medium.rate_bytes_per_s
    return replace(
        medium,
        rate_bytes_per_s=None if rate is None else rate * factor,
        varies=_varies(medium.varies, factor),
    )


def _varies(varies: Varying | None, factor: float) -> Varying | None:
    return varies if varies is None or factor == 1.0 else Scaled(varies, factor)
