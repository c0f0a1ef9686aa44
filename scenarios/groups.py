"""The parts that topologies have in common: the server, groups of clients, a medium.

Directions are seen from the device: `up` leaves it, `down` arrives. One client is one device; a
group with `count: 6` is six clients, each with its own link. Clients have the order of the file.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cutlayer.scenarios.bandwidth import AnyFiniteRate
from cutlayer.scenarios.fields import (
    Count,
    DeviceName,
    Section,
    StackName,
    Text,
    not_empty,
    rule,
    unique,
)
from cutlayer.scenarios.links import Link
from cutlayer.scenarios.quantities import Delay, FiniteRate
from cutlayer.scenarios.unions import OneOf
from cutlayer.topologies.queueing import DisciplineName, Queueing, SlotSpeed

Routing = Literal["delay", "hops", "inverse_rate"]
Population = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


MaxJobs = Annotated[int, Field(strict=True, ge=2, le=10_000)]


class DisciplineSection(Section):
    """The rule by which waiting jobs get a slot."""

    discipline: ClassVar[DisciplineName]

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        return Queueing(self.discipline, slot_speed)


class Fifo(DisciplineSection):
    """First come, first served."""

    discipline = "fifo"


class PriorityOrder(DisciplineSection):
    """Jobs of clients with these devices first, in this order; running jobs are not interrupted."""

    discipline = "priority"
    shorthand = "first"
    first: Annotated[tuple[DeviceName, ...], not_empty, unique]

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        return Queueing(self.discipline, slot_speed, first=self.first)


class ProcessorSharing(DisciplineSection):
    """All jobs at once, each with an equal share of the slots and with one slot at most."""

    discipline = "processor_sharing"


class Batching(DisciplineSection):
    """Up to `max_jobs` jobs of clients run as one; a slot waits for them for `max_wait` at most."""

    discipline = "batching"
    max_jobs: MaxJobs
    max_wait: Delay

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        return Queueing(self.discipline, slot_speed, most=self.max_jobs, wait_s=self.max_wait)


Discipline = Annotated[
    Fifo | PriorityOrder | ProcessorSharing | Batching,
    OneOf(
        fifo=Fifo,
        priority=PriorityOrder,
        processor_sharing=ProcessorSharing,
        batching=Batching,
    ),
]


class OnDevice(Section):
    """Something that computes: a device, and the software stack on it if it is not the device's own."""

    device: DeviceName
    stack: StackName | None = None


class Server(OnDevice):
    """The server: a queue with `slots` that work at the same time.

    Each slot has the device's whole speed, or all slots share it.
    """

    slots: Count
    discipline: Discipline = Fifo()
    slot_speed: SlotSpeed = "whole"


class MayCompute(Section):
    """A node between clients and the server: it forwards, and with a `device` it also computes.

    `slots` is 1 unless given. The other fields are those of a server.
    """

    device: DeviceName | None = None
    stack: StackName | None = None
    slots: Count | None = None
    discipline: Discipline | None = None
    slot_speed: SlotSpeed | None = None

    @model_validator(mode="after")
    def _has_a_device(self) -> Self:
        if self.device is None:
            for name in ("stack", "slots", "discipline", "slot_speed"):
                if getattr(self, name) is not None:
                    raise rule(f"has no device, without which {name} has no effect: add device")
        return self


class StarServer(Server):
    """The server of a star, with an optional `link` that all clients share.

    Its `up` leaves the server and carries the downloads of the clients.
    """

    link: Link | None = None


class Medium(Section):
    """A half-duplex channel, shared by everything on it in both directions."""

    rate: AnyFiniteRate


class ClientGroup(OnDevice):
    """Equal clients, each with its own link."""

    count: Population = 1
    link: Link
    name: Text | None = None


class Station(OnDevice):
    """Equal stations of a Wi-Fi cell; with their own `rate` if the cell has none."""

    count: Population = 1
    rate: FiniteRate | None = None
    name: Text | None = None
