"""The `computing` section of a scenario: the variability of each client's device."""

from cutlayer.scenarios.devices import Computing
from cutlayer.sim.build.names import entry_of_client
from cutlayer.sim.compute.variability import VariabilitySettings
from cutlayer.topologies import Topology


def client_variability(
    topology: Topology, computing: tuple[Computing, ...]
) -> dict[int, VariabilitySettings]:
    """Return the settings of each client that has any, by index.

    Raises ScenarioNameError for an unknown client, and for one that two entries name.
    """
    owner = entry_of_client(topology, "computing", computing)
    settings = [_settings(section) for section in computing]
    return {
        index: settings[owner[name]]
        for index, name in enumerate(topology.clients if owner else ())
        if name in owner
    }


def _settings(section: Computing) -> VariabilitySettings:
    throttle = section.throttle
    return VariabilitySettings(
        None if section.variability is None else section.variability.jitter(),
        0.0 if throttle is None else throttle.after,
        1.0 if throttle is None else throttle.slowdown,
        section.prefetch,
    )
