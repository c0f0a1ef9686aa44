"""Where a scenario runs: its topology, with what changes in it, and the links that it names."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutlayer.scenarios.fields import Section
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.changes import changed
from cutlayer.sim.build.links import access_link
from cutlayer.sim.build.scale import scaled
from cutlayer.sim.build.sections import built
from cutlayer.sim.build.speeds import with_speeds
from cutlayer.topologies import AccessLink, Topology


def places(scenario: Scenario, seed: int = 0) -> Topology:
    """Return the topology of a scenario, with what varies drawn from the seed.

    Raises TopologyError for what the section cannot be, LinkError for a link of unknown delay,
    NamedPlaceError for changes of what is not there.
    """
    found = with_speeds(built(scenario), scenario.speeds, seed)
    return scaled(changed(found, scenario.changes), scenario.scale).seeded(seed)


def links_of(scenario: Scenario) -> dict[str, AccessLink]:
    """Return the links of the catalogue that a scenario names, by name."""
    used = [access_link(link) for link in _links_in(scenario.topology)]
    return {link.name: link for link in used if link.name}


def _links_in(value: Any) -> Iterator[Link]:
    """Yield every link in a section, at any depth."""
    if isinstance(value, Section):
        for name, inner in value:
            if name in ("link", "backhaul"):
                yield from () if inner is None else (inner,)
            else:
                yield from _links_in(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _links_in(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _links_in(inner)
