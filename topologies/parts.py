"""The parts of a topology: nodes, links, the media that links share, and a transfer's route."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from topologies.closest import closest
from topologies.device import DeviceProfile

Role = Literal["client", "server", "relay"]
Discipline = Literal["fifo"]


class TopologyError(ValueError):
    """A topology that cannot be: a name twice or unknown, no way, an impossible rate."""


@dataclass(frozen=True)
class Node:
    """A client's device, a server with `slots` jobs at a time, or a relay that only forwards."""

    name: str
    role: Role
    device: DeviceProfile | None = None
    slots: int = 1
    discipline: Discipline = "fifo"

    def __post_init__(self) -> None:
        self._check_one_of("role", self.role, get_args(Role))
        self._check_one_of("discipline", self.discipline, get_args(Discipline))
        if self.slots < 1:
            raise TopologyError(f"node {self.name!r} has {self.slots} slots: expected 1 or more")
        if self.device is None and self.role != "relay":
            raise TopologyError(f"{self.role} {self.name!r} has no device: name one")

    def _check_one_of(self, what: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise TopologyError(
                f"node {self.name!r}: {value!r} is no {what}{closest(value, known)}"
                f" (there are {', '.join(known)})"
            )


@dataclass(frozen=True)
class Medium:
    """A capacity that several links share: bytes per second in all, or None for airtime."""

    id: str
    rate_bytes_per_s: float | None

    def __post_init__(self) -> None:
        if self.rate_bytes_per_s is not None:
            check_rate(self.rate_bytes_per_s, f"medium {self.id!r}")

    @property
    def capacity(self) -> float:
        """What there is of it: bytes per second, or 1 second of airtime per second."""
        return 1.0 if self.rate_bytes_per_s is None else self.rate_bytes_per_s


@dataclass(frozen=True)
class Link:
    """One direction of a connection; `delay_s` is its propagation delay."""

    id: str
    source: str
    target: str
    rate_bytes_per_s: float
    delay_s: float
    medium: str | None = None

    def __post_init__(self) -> None:
        check_rate(self.rate_bytes_per_s, f"link {self.id!r}")
        if not 0 <= self.delay_s < math.inf:
            raise TopologyError(
                f"link {self.id!r} has a delay of {self.delay_s!r}: expected 0 s or more"
            )


@dataclass(frozen=True)
class Route:
    """What a transfer needs: each resource with what a byte consumes of it, and the delay."""

    resources: tuple[tuple[str, float], ...]
    delay_s: float


def check_rate(rate_bytes_per_s: float, what: str) -> None:
    """Raise `TopologyError` unless the rate is more than 0 (infinity is unlimited)."""
    if not rate_bytes_per_s > 0:
        raise TopologyError(f"{what} has a rate of {rate_bytes_per_s!r}: expected more than 0 B/s")
