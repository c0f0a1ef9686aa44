"""The event log: intervals in columns, from which every table, plot and trace is derived.

Actors append one row for each thing that takes time: `(start, end, actor, phase, peer, wire bytes,
payload bytes, FLOPs, activity, cause, delay, lost)`. Times are seconds since the round began. An actor
is a *member* of the round (its number, 0, 1, ... in client order) or `SERVER`. `cause` is the row whose
end let this one begin, `NO_CAUSE` at the start of a round; following it backwards from the last row
gives the critical path.

A transfer's interval ends when the last byte has left the sender; it arrives `delay` seconds later. One
that was cut off is `lost` (1) and has the bytes that were sent in vain, and no payload. Opening a
connection is an interval without bytes before the transfer that had to wait for it. Waiting is not
logged: it is what lies between an actor's intervals. Two waits are: the time that a client lost by being
offline, and that of a client which its method cancelled, up to that moment.
"""

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SERVER: Final = -1
NO_CAUSE: Final = -1


class Phase(enum.IntEnum):
    """What an interval was spent on; also the phases of a round."""

    DEVICE_COMPUTE = 0
    UPLINK = 1
    SERVER_QUEUE = 2
    SERVER_COMPUTE = 3
    DOWNLINK = 4
    OFFLINE = 5


class Activity(enum.IntEnum):
    """What exactly was computed or sent."""

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


PHASES: Final = (
    "device_compute",
    "uplink",
    "server_queue",
    "server_compute",
    "downlink",
    "offline",
)

Row = tuple[float, float, int, int, int, int, int, float, int, int, float, int]

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
    "lost": np.int8,
}


@dataclass(frozen=True)
class Intervals:
    """The rows of one round as columns of equal length (see the module's text for their meaning)."""

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
    lost: NDArray[np.int8]

    @classmethod
    def from_rows(cls, rows: Sequence[Row]) -> "Intervals":
        """Turn the rows of a closed round into columns."""
        columns = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
        return cls(
            **{
                name: np.array(column, dtype=dtype)
                for (name, dtype), column in zip(COLUMNS.items(), columns, strict=True)
            }
        )

    def __len__(self) -> int:
        return len(self.start)

    @property
    def duration(self) -> NDArray[np.float64]:
        """Length of each interval, seconds."""
        return self.end - self.start

    def digest(self) -> str:
        """Return a fingerprint of every bit of every column, in the order of the events."""
        state = hashlib.blake2b(digest_size=16)
        for name in COLUMNS:
            state.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return state.hexdigest()
