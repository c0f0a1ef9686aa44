"""The parts that topologies have in common: the server, groups of clients, a medium.

Directions are seen from the device: `up` leaves it, `down` arrives. One client is one device; a
group with `count: 6` is six clients, each with its own link. Clients have the order of the file.
"""

from typing import Annotated, Literal

from pydantic import Field

from cutlayer.scenarios.bandwidth import AnyFiniteRate
from cutlayer.scenarios.disciplines import Discipline, Fifo
from cutlayer.scenarios.fields import Count, DeviceName, Section, Text
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.quantities import FiniteRate
from cutlayer.topologies.queueing import SlotSpeed

Routing = Literal["delay", "hops", "inverse_rate"]
Population = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class Server(Section):
    """The server: a queue with `slots` that work at the same time.

    Each slot has the device's whole speed, or all slots share it.
    """

    device: DeviceName
    slots: Count
    discipline: Discipline = Fifo()
    slot_speed: SlotSpeed = "whole"


class StarServer(Server):
    """The server of a star, with an optional `link` that all clients share.

    Its `up` leaves the server and carries the downloads of the clients.
    """

    link: Link | None = None


class Medium(Section):
    """A half-duplex channel, shared by everything on it in both directions."""

    rate: AnyFiniteRate


class ClientGroup(Section):
    """Equal clients, each with its own link."""

    device: DeviceName
    count: Population = 1
    link: Link
    name: Text | None = None


class Station(Section):
    """Equal stations of a Wi-Fi cell; with their own `rate` if the cell has none."""

    device: DeviceName
    count: Population = 1
    rate: FiniteRate | None = None
    name: Text | None = None
