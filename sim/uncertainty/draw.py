"""The topology of a draw: devices and links with the figures that were drawn."""

from collections.abc import Mapping
from functools import lru_cache

from cutlayer.sim.build.topology import scaled_link, scaled_medium
from cutlayer.sim.uncertainty.factors import FORM, LINK, factor_name
from cutlayer.topologies import DeviceProfile, Link, Medium, Topology
from cutlayer.topologies.changed_devices import ChangedDevices
from cutlayer.topologies.figures import figures_of
from cutlayer.topologies.parts import Origin
from cutlayer.topologies.spreads import with_factors


def drawn_topology(topology: Topology, factors: Mapping[str, float]) -> Topology:
    """Return a topology with its devices and links times drawn factors; others stay as they are."""
    if any(name.startswith(LINK) for name in factors):
        topology = topology.mapped(
            lambda link: _drawn_link(link, factors), lambda medium: _drawn_medium(medium, factors)
        )
    drawn: dict[DeviceProfile, DeviceProfile] = {}

    def change(_: str, profile: DeviceProfile) -> DeviceProfile:
        if profile not in drawn:
            drawn[profile] = drawn_device(profile, factors)
        return drawn[profile]

    names = _with_device(topology.clients, (topology.server, *topology.edges))
    return topology.with_devices(ChangedDevices(topology, names, change))


@lru_cache(maxsize=1)
def _with_device(clients: tuple[str, ...], others: tuple[str, ...]) -> frozenset[str]:
    """Return the names of the nodes that compute, once for all draws of a large fleet."""
    return frozenset((*clients, *others))


def drawn_device(profile: DeviceProfile, factors: Mapping[str, float]) -> DeviceProfile:
    """Return a device with its figures times their factors, and all its times times that of the form."""
    own = {
        figure: factors[name]
        for figure in figures_of(profile)
        if (name := factor_name(profile.name, figure)) in factors
    }
    drawn = with_factors(profile, own) if own else profile
    slower = factors.get(factor_name(profile.name, FORM), 1.0)
    return drawn if slower == 1.0 else drawn.scaled(*[1 / slower] * 5)


def _drawn_link(link: Link, factors: Mapping[str, float]) -> Link:
    rate, delay = _factors_of(link.origin, factors)
    return link if rate == delay == 1.0 else scaled_link(link, rate, delay)


def _drawn_medium(medium: Medium, factors: Mapping[str, float]) -> Medium:
    rate, _ = _factors_of(medium.origin, factors)
    return medium if rate == 1.0 else scaled_medium(medium, rate)


def _factors_of(origin: Origin | None, factors: Mapping[str, float]) -> tuple[float, float]:
    """Return the factors of a rate and of a delay."""
    if origin is None:
        return 1.0, 1.0
    source = LINK + origin.name
    rate = factors.get(factor_name(source, origin.figure), 1.0)
    return rate, factors.get(factor_name(source, "delay"), 1.0)
