"""The `computing` section of a scenario: the variability of each client's device."""

from cutlayer.scenarios.computing import Computing
from cutlayer.scenarios.problems import KeyPath
from cutlayer.sim.build.names import NamedPlaceError, clients_named
from cutlayer.sim.compute.variability import VariabilitySettings
from cutlayer.topologies import Topology


def client_variability(
    topology: Topology, computing: tuple[Computing, ...]
) -> dict[int, VariabilitySettings]:
    """Return the settings of each client that has some, by index.

    Raises NamedPlaceError for clients that are not there, or are named twice.
    """
    found: dict[int, VariabilitySettings] = {}
    if not computing:
        return found
    places = {name: index for index, name in enumerate(topology.clients)}
    for number, section in enumerate(computing):
        path: KeyPath = ("computing", number, "clients")
        throttle = section.throttle
        settings = VariabilitySettings(
            None if section.variability is None else section.variability.jitter(),
            0.0 if throttle is None else throttle.after,
            1.0 if throttle is None else throttle.slowdown,
            section.prefetch,
        )
        for name in clients_named(topology, section.clients, path):
            if places[name] in found:
                raise NamedPlaceError(path, f"speaks of {name}, as does an entry before it")
            found[places[name]] = settings
    return found
