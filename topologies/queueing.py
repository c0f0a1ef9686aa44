"""Queueing at a server: in which order, and how many at a time, jobs get a slot."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion

DisciplineName = Literal["fifo", "priority", "processor_sharing", "batching"]
SlotSpeed = Literal["whole", "share"]


class QueueingError(UserError):
    """An invalid combination of queueing options."""


@dataclass(frozen=True)
class Queueing:
    """A discipline with its options, and the speed of a slot.

    `first` (priority) names devices in the order of their priority. With batching, a slot takes up to
    `most` jobs at once and waits for them for at most `wait_s` seconds. With the `slot_speed` "whole"
    each slot has the device's full speed, with "share" the slots share it equally.
    """

    discipline: DisciplineName = "fifo"
    slot_speed: SlotSpeed = "whole"
    first: tuple[str, ...] = ()
    most: int = 1
    wait_s: float = 0.0

    def __post_init__(self) -> None:
        for what, value, known in (
            ("discipline", self.discipline, get_args(DisciplineName)),
            ("slot speed", self.slot_speed, get_args(SlotSpeed)),
        ):
            if value not in known:
                raise QueueingError(f"unknown {what} {value!r}{suggestion(value, known)}")
        if self.most < 1:
            raise QueueingError(f"a slot takes 1 job or more at once, not {self.most}")
        if not 0 <= self.wait_s < math.inf:
            raise QueueingError(f"a slot waits for a finite time, not {self.wait_s} s")


FIFO = Queueing()
