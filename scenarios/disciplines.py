"""The disciplines of a server: the order of its jobs, and how many run at a time."""

from typing import Annotated, ClassVar

from pydantic import Field

from cutlayer.scenarios.fields import DeviceName, Section, not_empty, unique
from cutlayer.scenarios.quantities import Delay
from cutlayer.scenarios.unions import OneOf
from cutlayer.topologies.queueing import DisciplineName, Queueing, SlotSpeed

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
