"""The `scale` of a scenario, put into its topology and its messages."""

from dataclasses import replace

from scenarios.scale import Scale
from sim.wire import Message
from topologies import Link, Medium, Topology
from topologies.bandwidth import Varying
from topologies.bandwidth.scaled import Scaled
from topologies.device import DeviceProfile


def scaled(topology: Topology, scale: Scale) -> Topology:
    """Return the topology with its rates, delays and speeds multiplied."""
    if scale.links != 1.0 or scale.delays != 1.0:
        topology = topology.with_places(
            [_link(link, scale) for link in topology.links.values()],
            [_medium(medium, scale) for medium in topology.media.values()],
        )
    devices: dict[str, DeviceProfile] = {}
    if scale.devices != 1.0:
        for device, clients in topology.device_runs():
            devices |= dict.fromkeys(topology.clients[clients], device.faster(scale.devices))
    server = topology.node(topology.server).device
    if scale.server != 1.0 and server is not None:
        devices[topology.server] = server.faster(scale.server)
    return topology.with_devices(devices) if devices else topology


def with_framing(message: Message, factor: float) -> Message:
    """Return a message with `factor` times the bytes beyond its payload, rounded to whole bytes."""
    beyond = message.wire_bytes - message.payload_bytes
    return replace(message, wire_bytes=message.payload_bytes + round(factor * beyond))


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
