"""The topology `cells`: access points and base stations, each with its own medium and backhaul."""

from typing import Annotated

from cutlayer.scenarios.bandwidth import AnyFiniteRate
from cutlayer.scenarios.fields import DeviceName, Section, Text, not_empty
from cutlayer.scenarios.groups import Population, StarServer, Station
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.one_of import OneOf
from cutlayer.scenarios.quantities import Delay, FiniteRate


class Subscriber(Section):
    """Equal devices of a cellular cell; `up` and `down` are the rates of a device that is alone."""

    device: DeviceName
    count: Population = 1
    up: FiniteRate
    down: FiniteRate
    name: Text | None = None


class WifiSite(Section):
    """Equal access points with stations, as `wifi_cell`; the backhaul's `up` leads to the server."""

    name: Text | None = None
    count: Population = 1
    rate: AnyFiniteRate | None = None
    delay: Delay
    clients: Annotated[tuple[Station, ...], not_empty]
    backhaul: Link


class CellularSite(Section):
    """Equal base stations with proportionally fair scheduling; up and down are two media."""

    name: Text | None = None
    count: Population = 1
    delay: Delay
    clients: Annotated[tuple[Subscriber, ...], not_empty]
    backhaul: Link


Cell = Annotated[WifiSite | CellularSite, OneOf(wifi=WifiSite, cellular=CellularSite)]


class Cells(Section):
    """Cells around a server; they share the server's own `link`, if it has one."""

    server: StarServer
    cells: Annotated[tuple[Cell, ...], not_empty]

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return sum(cell.count * group.count for cell in self.cells for group in cell.clients)
