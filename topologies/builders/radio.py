"""Radio cells: clients whose rates follow from bandwidth, power, distance and noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from cutlayer.streams import generator
from cutlayer.topologies.builders.draft import Computer, Draft, Server
from cutlayer.topologies.builders.groups import Group, named
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import Link, Medium, Node, TopologyError
from cutlayer.topologies.radio.band import Band
from cutlayer.topologies.radio.channel import RadioChannel
from cutlayer.topologies.radio.draws import Figure, drawn
from cutlayer.topologies.radio.fading import Rayleigh
from cutlayer.topologies.radio.path_loss import PathLoss
from cutlayer.topologies.units import MAX_BYTES_PER_S, MIN_BYTES_PER_S, format_rate

Direction = Literal["up", "down"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("up", "down")


@dataclass(frozen=True)
class RadioClients(Group):
    """Equal clients of a radio cell, each at its distance (m) and with its transmit power (W)."""

    device: DeviceProfile
    count: int
    distance_m: Figure
    power_w: Figure
    name: str | None = None


@dataclass(frozen=True)
class RadioCell(Group):
    """Equal radio cells around base stations; `up` and `down` are separate bands.

    `power_w` is the power with which the base station sends to a client. A path has the same mean gain
    in both directions; `fades` draws Rayleigh fading of each direction in each round of a client.
    """

    clients: Sequence[RadioClients]
    delay_s: float
    up: Band
    down: Band
    power_w: float
    noise_w_per_hz: float
    path_loss: PathLoss
    backhaul: AccessLink | None = None
    fades: bool = False
    count: int = 1
    name: str | None = None
    computer: Computer | None = None
    kind = "radio-cell"

    def band(self, direction: Direction) -> Band:
        """Return the band of a direction."""
        return self.up if direction == "up" else self.down


@dataclass(frozen=True)
class _Placed:
    """A client of a cell with what was drawn for it."""

    name: str
    device: DeviceProfile
    distance_m: float
    power_w: float
    gain: float


def radio_cell(*, server: Server, cell: RadioCell, seed: int) -> Topology:
    """Build one radio cell; the server is behind its backhaul or, without one, the base station.

    Distances and powers are drawn from the seed and the name of the client.
    """
    draft = Draft()
    centre = draft.server(server)
    if cell.backhaul is not None:
        centre = draft.relay(RadioCell.kind, computer=cell.computer)
        draft.access(centre, server.name, cell.backhaul)
    add_radio_clients(draft, centre, cell, seed)
    return draft.topology()


def add_radio_clients(
    draft: Draft, centre: str, cell: RadioCell, seed: int, prefix: str = ""
) -> None:
    """Add the clients of a cell around its base station `centre`. Raises TopologyError."""
    clients = [
        _placed(name, group, cell.path_loss, seed) for name, group in named(cell.clients, prefix)
    ]
    of_direction = {direction: _rates(cell, direction, clients) for direction in DIRECTIONS}
    media = {direction: _medium(draft, centre, cell, direction) for direction in DIRECTIONS}
    for number, client in enumerate(clients):
        draft.nodes.append(Node(client.name, "client", _sending(client.device, client.power_w)))
        for direction in DIRECTIONS:
            rate = of_direction[direction][number]
            ends = (client.name, centre) if direction == "up" else (centre, client.name)
            draft.links.append(
                Link(
                    f"{client.name}.{direction}",
                    *ends,
                    rate.mean_bytes_per_s if isinstance(rate, Rayleigh) else rate,
                    cell.delay_s,
                    media[direction],
                    rate if isinstance(rate, Rayleigh) else None,
                    connection=client.name,
                )
            )


def _medium(draft: Draft, centre: str, cell: RadioCell, direction: Direction) -> str | None:
    """Add the medium of a band on which clients take turns; return its name."""
    if cell.band(direction).sharing != "max_min":
        return None
    medium = Medium(f"{centre}.{direction}link", None)
    draft.media.append(medium)
    return medium.id


def _placed(name: str, group: RadioClients, path_loss: PathLoss, seed: int) -> _Placed:
    distance = drawn(group.distance_m, generator(seed, "distance", name))
    power = drawn(group.power_w, generator(seed, "transmit power", name))
    gain = path_loss.gain(distance)
    if gain > 1:
        raise TopologyError(
            f"client {name!r} at {distance:.4g} m: the path loss has a gain of {gain:.4g}, so that"
            " more power arrives than is sent: check its figures and their units"
        )
    return _Placed(name, group.device, distance, power, gain)


def _rates(
    cell: RadioCell, direction: Direction, clients: Sequence[_Placed]
) -> list[float | Rayleigh]:
    band = cell.band(direction)
    whole = [
        RadioChannel(
            band.bandwidth_hz,
            client.power_w if direction == "up" else cell.power_w,
            client.gain,
            cell.noise_w_per_hz,
        )
        for client in clients
    ]
    for client, channel in zip(clients, whole, strict=True):
        _check_rate(client, direction, channel)  # on a part of the band it is lower
    widths = band.widths_hz(whole, [client.distance_m for client in clients])
    rates: list[float | Rayleigh] = []
    for client, channel, width in zip(clients, whole, widths, strict=True):
        channel = replace(channel, bandwidth_hz=width)
        rate = _check_rate(client, direction, channel)
        rates.append(Rayleigh(channel) if cell.fades else rate)
    return rates


def _check_rate(client: _Placed, direction: Direction, channel: RadioChannel) -> float:
    """Return the rate of a client's channel without fading.

    Raises TopologyError if a link cannot have this rate.
    """
    rate = channel.rate_bytes_per_s()
    if MIN_BYTES_PER_S <= rate <= MAX_BYTES_PER_S:
        return rate
    raise TopologyError(
        f"link {client.name}.{direction}: at {client.distance_m:.4g} m its rate is"
        f" {format_rate(rate)}: expected 0.001 bit/s to 1e18 bit/s"
    )


def _sending(device: DeviceProfile, power_w: float) -> DeviceProfile:
    """Return the device with the transmit power above idle while it sends, unless it states its own."""
    states = device.power_w
    if "idle" not in states or "send" in states:
        return device
    return replace(device, power_w={**states, "send": states["idle"] + power_w})
