"""Access points and base stations, each with its own medium and its own route to the server."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.builders.draft import Draft, Server
from cutlayer.topologies.builders.groups import Group, named
from cutlayer.topologies.builders.wifi_cell import Stations, add_stations
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import Link, Medium, Node


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

    @property
    def stem(self) -> str:
        """The stem of its members' names."""
        return self.name or "access-point"


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

    @property
    def stem(self) -> str:
        """The stem of its members' names."""
        return self.name or "base-station"


def cells(
    *,
    server: Server,
    cells: Sequence[AccessPoint | BaseStation],
    server_link: AccessLink | None = None,
) -> Topology:
    """Build cells around a server, each with a backhaul whose `up` leads to the server.

    Clients are named after their cell: `base-station-0.raspberry-pi-4b-1`. `server_link` is the
    server's own connection, shared by all cells, as in `star`.
    """
    draft = Draft()
    centre = draft.server(server, server_link)
    for name, cell in named(cells):
        draft.relay(name)
        draft.access(name, centre, cell.backhaul)
        if isinstance(cell, AccessPoint):
            add_stations(
                draft,
                f"{name}.cell",
                name,
                cell.stations,
                cell.delay_s,
                cell.rate_bytes_per_s,
                cell.rate_varies,
                prefix=f"{name}.",
            )
        else:
            _add_subscribers(draft, name, cell)
    return draft.topology()


def _add_subscribers(draft: Draft, centre: str, cell: BaseStation) -> None:
    uplink, downlink = f"{centre}.uplink", f"{centre}.downlink"
    for medium in (uplink, downlink):
        draft.media.append(Medium(medium, None, sharing="proportional"))
    for name, group in named(cell.subscribers, f"{centre}."):
        draft.nodes.append(Node(name, "client", group.device))
        up, down = group.up_bytes_per_s, group.down_bytes_per_s
        draft.links.append(Link(f"{name}.up", name, centre, up, cell.delay_s, uplink))
        draft.links.append(Link(f"{name}.down", centre, name, down, cell.delay_s, downlink))
