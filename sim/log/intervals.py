"""The event log: intervals in columns, from which every table, plot and trace is derived.

Actors append one `Interval` for each thing that takes time. An interval's `cause` is the row whose end
let it begin; following the causes backwards from the last row gives the round's critical path.

A transfer's interval ends when its last byte has left the sender; it arrives `delay` seconds later. A
transfer that was cut off is `dropped` (1): it has the bytes that were sent in vain and no payload.
Opening a connection is an interval without bytes, before the transfer that waited for it. Other waiting
is not logged: it lies between an actor's intervals. Two exceptions are logged as offline: the time
that a client was offline, and the time of a client whose method cancelled it, up to that moment.
"""

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SERVER: Final = -1
NO_CAUSE: Final = -1


class Phase(enum.IntEnum):
    """What an interval was spent on: the phases of a round."""

    DEVICE_COMPUTE = 0
    UPLINK = 1
    SERVER_QUEUE = 2
    SERVER_COMPUTE = 3
    DOWNLINK = 4
    OFFLINE = 5


class Activity(enum.IntEnum):
    """What was computed or sent in an interval."""

    LOAD = 0
    FORWARD = 1
    BACKWARD = 2
    TRAIN = 3
    AGGREGATE = 4
    WEIGHTS = 5
    ACTIVATION = 6
    GRADIENT = 7
    LOGITS = 8
    CONTROL = 9
    IMAGES = 10
    CONNECT = 11
    OFFLINE = 12
    CANCELLED = 13


PHASES: Final = tuple(phase.name.lower() for phase in Phase)


class Interval(NamedTuple):
    """One row of a round's log; times are seconds since the round began.

    `actor` is a member of the round (0, 1, ... in client order), `SERVER`, or an edge node that computes
    (-2, -3, ...); `peer` is the other end of a transfer, or the member that the work is for. The phases
    of an edge node are those of the server. `cause` is the number of a row, or `NO_CAUSE`.
    """

    start: float
    end: float
    actor: int
    phase: int
    peer: int
    activity: int
    cause: int
    wire_bytes: int = 0
    payload_bytes: int = 0
    flops: float = 0.0
    delay: float = 0.0
    dropped: int = 0


# The columns in the order in which `Intervals.digest` takes them.
COLUMNS: Final[Mapping[str, type[np.generic]]] = {
    "start": np.float64,
    "end": np.float64,
    "actor": np.int32,
    "phase": np.int8,
    "peer": np.int32,
    "wire_bytes": np.int64,
    "payload_bytes": np.int64,
    "flops": np.float64,
    "activity": np.int8,
    "cause": np.int32,
    "delay": np.float64,
    "dropped": np.int8,
}


@dataclass(frozen=True)
class Intervals:
    """The rows of one round as columns of equal length; `Interval` says what they mean."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    actor: NDArray[np.int32]
    phase: NDArray[np.int8]
    peer: NDArray[np.int32]
    wire_bytes: NDArray[np.int64]
    payload_bytes: NDArray[np.int64]
    flops: NDArray[np.float64]
    activity: NDArray[np.int8]
    cause: NDArray[np.int32]
    delay: NDArray[np.float64]
    dropped: NDArray[np.int8]

    @classmethod
    def from_rows(cls, rows: Sequence[Interval]) -> "Intervals":
        """Turn the rows of a closed round into columns."""
        values = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
        columns = dict(zip(Interval._fields, values, strict=True))
        return cls(**{name: np.array(columns[name], dtype) for name, dtype in COLUMNS.items()})

    def __len__(self) -> int:
        return len(self.start)

    @property
    def duration(self) -> NDArray[np.float64]:
        """Length of each interval, seconds."""
        return self.end - self.start

    def of(self, phase: Phase) -> NDArray[np.bool_]:
        """Return which rows are of this phase."""
        rows: NDArray[np.bool_] = self.phase == phase.value  # an enum compares four times slower
        return rows

    def of_weights(self) -> NDArray[np.bool_]:
        """Return which rows are transfers of weights, or the connection set-up before them."""
        rows: NDArray[np.bool_] = self.activity == Activity.WEIGHTS.value
        rows[:-1] |= (self.activity[:-1] == Activity.CONNECT.value) & rows[1:]
        return rows

    def digest(self) -> str:
        """Return a fingerprint of every bit of every column."""
        state = hashlib.blake2b(digest_size=16)
        for name in COLUMNS:
            state.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return state.hexdigest()
