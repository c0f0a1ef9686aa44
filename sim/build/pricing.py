"""The plan of a method whose times are those of a published clock (`pricing: {as_published: NAME}`)."""

from dataclasses import replace

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.topology import scaled_link, scaled_medium
from cutlayer.topologies import DeviceProfile, Link, Topology
from cutlayer.topologies.changed_devices import ChangedDevices
from cutlayer.topologies.published_clocks import (
    CLOCKS,
    PricingError,
    PublishedClock,
    PublishedDevice,
)


def priced(plan: Plan, entry: MethodEntry) -> Plan:
    """Return the plan with the clock of a method's entry; physical times are those of the plan itself.

    Raises PricingError if the clock needs a figure that the scenario does not have.
    """
    if entry.pricing is None:
        return plan
    clock = CLOCKS[entry.pricing.as_published]
    topology = plan.topology
    if clock.rate_factor != 1.0:
        topology = topology.mapped(
            lambda link: scaled_link(link, clock.rate_factor, 1.0),
            lambda medium: scaled_medium(medium, clock.rate_factor),
        )
    if not clock.downloads:
        topology = _with_free_downloads(topology)
    if clock.charged is not None:
        for device, _ in topology.device_runs():  # a missing figure is reported before the run
            PublishedDevice.of(device, clock)
        topology = topology.with_devices(_clients(topology, clock))
    if clock.server != "physical":
        topology = topology.with_devices(_nodes(topology, clock))
    return replace(plan, topology=topology.seeded(plan.seed))


def pricing_note(entry: MethodEntry) -> str | None:
    """Return what is wrong with the clock of a method's entry, for its results; None if nothing is."""
    if entry.pricing is None:
        return None
    name = entry.pricing.as_published
    return f"the clock of {name} as published: {CLOCKS[name].mistake}"


def _clients(topology: Topology, clock: PublishedClock) -> ChangedDevices:
    known: dict[
        int, tuple[DeviceProfile, DeviceProfile]
    ] = {}  # both are kept, for ids to stay theirs

    def change(name: str, device: DeviceProfile) -> DeviceProfile:
        del name
        if id(device) not in known:
            known[id(device)] = device, PublishedDevice.of(device, clock)
        return known[id(device)][1]

    return ChangedDevices(topology, frozenset(topology.clients), change)


def _nodes(topology: Topology, clock: PublishedClock) -> ChangedDevices:
    def change(name: str, device: DeviceProfile) -> DeviceProfile:
        del name
        free = clock.server == "free"
        return PublishedDevice.free(device) if free else PublishedDevice.of(device, clock)

    return ChangedDevices(topology, (topology.server, *topology.edges), change)


def _with_free_downloads(topology: Topology) -> Topology:
    """Return the topology without limits on the links that only downloads use."""
    clients = [topology.clients[start] for start, _ in topology.alike()]
    ups = {link.id for name in clients for link in topology.path(name, topology.server)}
    downs = {link.id for name in clients for link in topology.path(topology.server, name)} - ups
    for name in downs:
        if topology.links[name].medium is not None:
            raise PricingError(
                f"charges no downloads, and {name} shares a medium: use links with rates of their own"
            )

    def change(link: Link) -> Link:
        if link.id not in downs:
            return link
        return replace(link, rate_bytes_per_s=float("inf"), varies=None)

    return topology.mapped(change, lambda medium: medium)
