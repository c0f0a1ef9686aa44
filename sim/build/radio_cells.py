"""Build the radio cells of a scenario."""

from cutlayer.scenarios import radio
from cutlayer.sim.build.devices import Devices
from cutlayer.sim.build.links import optional_link
from cutlayer.topologies import RadioCell, RadioClients, Topology, radio_cell
from cutlayer.topologies.radio.band import Band
from cutlayer.topologies.radio.draws import Disc, Figure, Uniform
from cutlayer.topologies.radio.path_loss import LogDistance, PathLoss, PowerLaw


def radio_topology(section: radio.RadioCell, devices: Devices) -> Topology:
    """Return the topology of one radio cell."""
    return radio_cell(
        server=devices.server(section.server),
        cell=radio_cell_of(section, devices),
        seed=devices.seed,
    )


def radio_cell_of(section: radio.RadioCell | radio.RadioSite, devices: Devices) -> RadioCell:
    """Return the radio cell, or the equal cells, of a section."""
    return RadioCell(
        [
            RadioClients(
                devices.of(group),
                group.count,
                _figure(group.distance),
                _figure(group.power),
                group.name,
            )
            for group in section.clients
        ],
        section.delay,
        _band(section.up),
        _band(section.down),
        section.down.power,
        section.noise,
        _path_loss(section.path_loss),
        optional_link(section.backhaul),
        section.fading == "rayleigh",
        *((section.count, section.name) if isinstance(section, radio.RadioSite) else (1, None)),
        devices.computer(section),
    )


def _figure(
    written: float | radio.UniformDistance | radio.DiscDistance | radio.UniformPower,
) -> Figure:
    if isinstance(written, float):
        return written
    if isinstance(written, radio.DiscDistance):
        return Disc(written.disc.least, written.disc.most)
    return Uniform(written.uniform.least, written.uniform.most)


def _band(section: radio.UpBand | radio.DownBand) -> Band:
    share = section.share
    if isinstance(share, radio.Equal):
        return Band(section.bandwidth, "equal", share.parts)
    if isinstance(share, radio.Proportional):
        return Band(section.bandwidth, "proportional", basis=share.to)
    return Band(section.bandwidth, "max_min" if isinstance(share, radio.MaxMin) else "each")


def _path_loss(section: radio.LogDistanceLoss | radio.PowerLawLoss) -> PathLoss:
    if isinstance(section, radio.LogDistanceLoss):
        return LogDistance(section.at_1_km, section.per_decade)
    return PowerLaw(section.at_1_m, section.exponent)
