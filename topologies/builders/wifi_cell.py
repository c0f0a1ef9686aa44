"""A Wi-Fi cell: stations that share one half-duplex medium with their access point."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.builders.draft import Draft, Server
from cutlayer.topologies.builders.groups import Group, named
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import Link, Medium, Node, TopologyError

CELL: Final = "cell"
ACCESS_POINT: Final = "access-point"


@dataclass(frozen=True)
class Stations(Group):
    """Equal stations of a Wi-Fi cell; the rate is that of a station, if stations have their own."""

    device: DeviceProfile
    count: int
    rate_bytes_per_s: float | None = None
    name: str | None = None


def wifi_cell(
    *,
    server: Server,
    stations: Sequence[Stations],
    delay_s: float,
    rate_bytes_per_s: float | None = None,
    rate_varies: Varying | None = None,
    backhaul: AccessLink | None = None,
) -> Topology:
    """Build stations that share one half-duplex medium with their access point.

    Either the cell has one rate, for all stations and both directions together, or each group has its
    own and stations share airtime: each of n busy stations then gets 1 / sum(1 / r), Wi-Fi's
    performance anomaly (Heusse et al., INFOCOM 2003). If a cell's rate varies, it is the mean. Without
    `backhaul` the server is the access point; with it, its `up` leads to the server.
    """
    draft = Draft()
    centre = draft.server(server)
    if backhaul is not None:
        centre = draft.relay(ACCESS_POINT)
        draft.access(centre, server.name, backhaul)
    add_stations(draft, CELL, centre, stations, delay_s, rate_bytes_per_s, rate_varies)
    return draft.topology()


def add_stations(
    draft: Draft,
    medium: str,
    centre: str,
    stations: Sequence[Stations],
    delay_s: float,
    rate_bytes_per_s: float | None,
    rate_varies: Varying | None,
    prefix: str = "",
) -> None:
    """Add a medium and its stations around an existing access point."""
    for group in stations:
        if (group.rate_bytes_per_s is None) == (rate_bytes_per_s is None):
            raise TopologyError(
                f"give either the cell a rate or every group of stations its own"
                f" (here {group.stem!r} and the cell have"
                f" {'none' if rate_bytes_per_s is None else 'both one'})"
            )
    draft.media.append(Medium(medium, rate_bytes_per_s, rate_varies))
    for name, group in named(stations, prefix):
        draft.nodes.append(Node(name, "client", group.device))
        rate = group.rate_bytes_per_s if rate_bytes_per_s is None else rate_bytes_per_s
        assert rate is not None
        up = Link(f"{name}.up", name, centre, rate, delay_s, medium, own_limit=False)
        draft.links += [up, replace(up, id=f"{name}.down", source=centre, target=name)]
