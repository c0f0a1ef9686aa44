"""The topology of a scenario, with its speeds, changes and scale applied."""

from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.changes import changed
from cutlayer.sim.build.scale import scaled
from cutlayer.sim.build.sections import built
from cutlayer.sim.build.speeds import with_speeds
from cutlayer.topologies import Topology


def make_topology(scenario: Scenario, seed: int = 0) -> Topology:
    """Return the topology of a scenario; everything random in it is drawn from the seed.

    Raises TopologyError for an invalid section, LinkError for a link of unknown delay,
    ScenarioNameError for unknown names.
    """
    topology = with_speeds(built(scenario), scenario.speeds, seed)
    return scaled(changed(topology, scenario.changes), scenario.scale).seeded(seed)
