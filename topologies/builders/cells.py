"""Wi-Fi and cellular cells: devices that share a medium with their access point or base station."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.builders.draft import DIRECT, Computer, Draft, Server
from cutlayer.topologies.builders.groups import Group, named
from cutlayer.topologies.builders.radio import RadioCell, add_radio_clients
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import Link, Medium, Node, TopologyError

CELL: Final = "cell"


@dataclass(frozen=True)
class Stations(Group):
    """Equal stations of a Wi-Fi cell; the rate is that of a station, if stations have their own."""

    device: DeviceProfile
    count: int
    rate_bytes_per_s: float | None = None
    name: str | None = None


@dataclass(frozen=True)
class Subscribers(Group):
    """Equal devices of a cellular cell; the rates are those of a device alone in the cell."""

    device: DeviceProfile
    count: int
    up_bytes_per_s: float
    down_bytes_per_s: float
    name: str | None = None


@dataclass(frozen=True)
class AccessPoint(Group):
    """Equal Wi-Fi cells, each with stations, as `wifi_cell`; up and down share one medium."""

    stations: Sequence[Stations]
    delay_s: float
    backhaul: AccessLink
    rate_bytes_per_s: float | None = None
    rate_varies: Varying | None = None
    count: int = 1
    name: str | None = None
    computer: Computer | None = None
    kind = "access-point"


@dataclass(frozen=True)
class BaseStation(Group):
    """Equal cellular cells, each with subscribers.

    The scheduler is proportionally fair (Kelly, 1997): each of n busy subscribers has 1/n of the
    time, and so 1/n of its own rate. Up and down are two media (FDD).
    """

    subscribers: Sequence[Subscribers]
    delay_s: float
    backhaul: AccessLink
    count: int = 1
    name: str | None = None
    computer: Computer | None = None
    kind = "base-station"


def wifi_cell(
    *,
    server: Server,
    stations: Sequence[Stations],
    delay_s: float,
    rate_bytes_per_s: float | None = None,
    rate_varies: Varying | None = None,
    backhaul: AccessLink | None = None,
    computer: Computer | None = None,
) -> Topology:
    """Build stations that share one half-duplex medium with their access point.

    Either the cell has one rate, for all stations and both directions together, or each group has its
    own and stations share airtime: each of n busy stations then gets 1 / sum(1 / r), Wi-Fi's
    performance anomaly (Heusse et al., INFOCOM 2003). If a cell's rate varies, it is the mean. Without
    `backhaul` the server is the access point; with it, its `up` leads to the server, and the access
    point computes if it has a `computer`.
    """
    draft = Draft()
    centre = draft.server(server)
    if backhaul is not None:
        centre = draft.relay(AccessPoint.kind, computer=computer)
        draft.access(centre, server.name, backhaul)
    cell = AccessPoint(stations, delay_s, backhaul or DIRECT, rate_bytes_per_s, rate_varies)
    _add_stations(draft, CELL, centre, cell)
    return draft.topology()


def cells(
    *,
    server: Server,
    cells: Sequence[AccessPoint | BaseStation | RadioCell],
    server_link: AccessLink | None = None,
    seed: int = 0,
) -> Topology:
    """Build cells around a server, each with a backhaul whose `up` leads to the server.

    Clients are named after their cell: `base-station-0.raspberry-pi-4b-1`. `server_link` is the
    server's own connection, shared by all cells, as in `star`. Radio cells draw from the `seed`.
    """
    draft = Draft()
    centre = draft.server(server, server_link)
    for name, cell in named(cells):
        draft.relay(name, computer=cell.computer)
        draft.access(name, centre, cell.backhaul or DIRECT)
        if isinstance(cell, AccessPoint):
            _add_stations(draft, f"{name}.cell", name, cell, prefix=f"{name}.")
        elif isinstance(cell, RadioCell):
            add_radio_clients(draft, name, cell, seed, prefix=f"{name}.")
        else:
            _add_subscribers(draft, name, cell)
    return draft.topology()


def _add_stations(
    draft: Draft, medium: str, centre: str, cell: AccessPoint, prefix: str = ""
) -> None:
    """Add a medium and its stations around an existing access point."""
    cell_rate = cell.rate_bytes_per_s
    for group in cell.stations:
        if (group.rate_bytes_per_s is None) == (cell_rate is None):
            raise TopologyError(
                f"give either the cell a rate or every group of stations its own"
                f" (here {group.stem!r} and the cell have"
                f" {'none' if cell_rate is None else 'both one'})"
            )
    draft.media.append(Medium(medium, cell_rate, cell.rate_varies))
    for name, group in named(cell.stations, prefix):
        draft.nodes.append(Node(name, "client", group.device))
        rate = group.rate_bytes_per_s if cell_rate is None else cell_rate
        assert rate is not None
        up = Link(f"{name}.up", name, centre, rate, cell.delay_s, medium, own_limit=False)
        draft.links += [up, replace(up, id=f"{name}.down", source=centre, target=name)]


def _add_subscribers(draft: Draft, centre: str, cell: BaseStation) -> None:
    uplink, downlink = f"{centre}.uplink", f"{centre}.downlink"
    for medium in (uplink, downlink):
        draft.media.append(Medium(medium, None, sharing="proportional"))
    for name, group in named(cell.subscribers, f"{centre}."):
        draft.nodes.append(Node(name, "client", group.device))
        up, down = group.up_bytes_per_s, group.down_bytes_per_s
        draft.links.append(Link(f"{name}.up", name, centre, up, cell.delay_s, uplink))
        draft.links.append(Link(f"{name}.down", centre, name, down, cell.delay_s, downlink))
