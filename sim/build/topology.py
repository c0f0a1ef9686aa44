"""The topology of a scenario, with its speeds, changes and scale applied."""

from dataclasses import replace

from cutlayer.scenarios.schema import Scale, Scenario
from cutlayer.sim.build.changes import changed
from cutlayer.sim.build.speeds import Faster, with_speeds
from cutlayer.sim.build.topology_sections import built
from cutlayer.topologies import Link, Medium, Topology
from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.bandwidth.changed import Scaled


def make_topology(scenario: Scenario, seed: int = 0) -> Topology:
    """Return the topology of a scenario; everything random in it is drawn from the seed.

    Raises TopologyError for an invalid section, LinkError for a link of unknown delay,
    ScenarioNameError for unknown names.
    """
    topology = with_speeds(built(scenario), scenario.speeds, seed)
    return _scaled(changed(topology, scenario.changes), scenario.scale).seeded(seed)


def _scaled(topology: Topology, scale: Scale) -> Topology:
    """Return the topology with its rates, delays and speeds multiplied."""
    if scale.links != 1.0 or scale.delays != 1.0:
        topology = topology.with_links(
            [_link(link, scale) for link in topology.links.values()],
            [_medium(medium, scale) for medium in topology.media.values()],
        )
    if scale.devices != 1.0:
        clients = frozenset(topology.clients)
        topology = topology.with_devices(Faster(topology, clients, lambda _: scale.devices))
    if scale.server != 1.0:
        server = Faster(topology, (topology.server,), lambda _: scale.server)
        topology = topology.with_devices(server)
    return topology


def _link(link: Link, scale: Scale) -> Link:
    return replace(
        link,
        rate_bytes_per_s=link.rate_bytes_per_s * scale.links,
        delay_s=link.delay_s * scale.delays,
        varies=_varies(link.varies, scale.links),
    )


def _medium(medium: Medium, scale: Scale) -> Medium:
    rate = medium.rate_bytes_per_s
    return replace(
        medium,
        rate_bytes_per_s=None if rate is None else rate * scale.links,
        varies=_varies(medium.varies, scale.links),
    )


def _varies(varies: Varying | None, factor: float) -> Varying | None:
    return varies if varies is None or factor == 1.0 else Scaled(varies, factor)
