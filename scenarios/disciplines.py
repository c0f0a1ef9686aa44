"""The disciplines of a server: the order of its jobs, and how many run at a time."""

from typing import Annotated

from pydantic import Field

from cutlayer.scenarios.fields import DeviceName, Section, not_empty, unique
from cutlayer.scenarios.one_of import OneOf
from cutlayer.scenarios.quantities import Delay
from cutlayer.topologies.queueing import Queueing, SlotSpeed

MaxJobs = Annotated[int, Field(strict=True, ge=2, le=10_000)]


class DisciplineSection(Section):
    """The rule by which waiting jobs get a slot."""

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        raise NotImplementedError


class Fifo(DisciplineSection):
    """First come, first served."""

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        return Queueing("fifo", slot_speed)


class PriorityOrder(DisciplineSection):
    """Jobs of clients with these devices first, in this order; running jobs are not interrupted."""

    shorthand = "first"
    first: Annotated[tuple[DeviceName, ...], not_empty, unique]

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        return Queueing("priority", slot_speed, first=self.first)


class ProcessorSharingSection(DisciplineSection):
    """All jobs at once, each with an equal share of the slots and with one slot at most."""

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        return Queueing("processor_sharing", slot_speed)


class BatchingSection(DisciplineSection):
    """Up to `max_jobs` jobs of clients run as one; a slot waits for them for `max_wait` at most."""

    max_jobs: MaxJobs
    max_wait: Delay

    def queueing(self, slot_speed: SlotSpeed) -> Queueing:
        """Return the discipline with the speed of a slot."""
        return Queueing("batching", slot_speed, most=self.max_jobs, wait_s=self.max_wait)


Discipline = Annotated[
    Fifo | PriorityOrder | ProcessorSharingSection | BatchingSection,
    OneOf(
        fifo=Fifo,
        priority=PriorityOrder,
        processor_sharing=ProcessorSharingSection,
        batching=BatchingSection,
    ),
]
