"""The parts of a topology: nodes, links, the media that links share, and a transfer's route."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion
from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.device import DeviceProfile, Status
from cutlayer.topologies.jitter import Jitter
from cutlayer.topologies.queueing import FIFO, Queueing

Role = Literal["client", "server", "relay"]
Sharing = Literal["equal", "proportional"]
Routing = Literal["delay", "hops", "inverse_rate"]

Thing = TypeVar("Thing")


class TopologyError(UserError):
    """An invalid topology: a duplicate or unknown name, a missing route, an impossible rate."""


@dataclass(frozen=True)
class Node:
    """A client's device, a server with `slots` jobs at a time, or a relay, which forwards.

    A relay with a device also computes, as an edge node. `position` is the longitude and latitude in
    degrees, if known; only pictures use it.
    """

    name: str
    role: Role
    device: DeviceProfile | None = None
    slots: int = 1
    queueing: Queueing = FIFO
    position: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_choice(self.role, get_args(Role), f"node {self.name!r}: unknown role")
        if self.slots < 1:
            raise TopologyError(f"node {self.name!r} has {self.slots} slots: expected 1 or more")
        if self.device is None and self.role != "relay":
            raise TopologyError(f"{self.role} {self.name!r} has no device: name one")


@dataclass(frozen=True)
class Origin:
    """The link of the catalogue behind a link or medium: its name, the rate's figure, their statuses."""

    name: str
    figure: Literal["up", "down"]
    rate: Status
    delay: Status


@dataclass(frozen=True)
class Medium:
    """A capacity that several links share: bytes per second in total, or None for airtime.

    If it `varies`, the rate is its mean. Airtime is shared in one of two ways. `equal`, as in Wi-Fi:
    n busy links send equally many bytes, 1 / sum(1 / r) per second each. `proportional`, as by a
    cellular scheduler: links have equal shares of the time, and r / n bytes per second each.
    """

    id: str
    rate_bytes_per_s: float | None
    varies: Varying | None = None
    sharing: Sharing = "equal"
    origin: Origin | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_choice(self.sharing, get_args(Sharing), f"medium {self.id!r}: unknown sharing")
        if self.sharing == "proportional" and self.rate_bytes_per_s is not None:
            raise TopologyError(
                f"medium {self.id!r} is shared in proportion to the links' own rates: expected no"
                f" rate of the medium"
            )
        if self.rate_bytes_per_s is not None:
            check_rate(self.rate_bytes_per_s, f"medium {self.id!r}")
        if self.varies is not None and self.rate_bytes_per_s is None:
            raise TopologyError(f"medium {self.id!r} has airtime, which cannot vary")

    @property
    def capacity(self) -> float:
        """The capacity: bytes per second, or 1 second of airtime per second."""
        return 1.0 if self.rate_bytes_per_s is None else self.rate_bytes_per_s


@dataclass(frozen=True)
class Link:
    """One direction of a connection; `delay_s` is its propagation delay, with `jitter` its mean.

    If it `varies`, the rate is its mean. `loss` is the probability that it loses a packet. Both
    directions of a `connection` follow a recording from the same time on; a half-duplex connection
    has the name of its medium. Without an `own_limit` only the medium limits the rate.
    """

    id: str
    source: str
    target: str
    rate_bytes_per_s: float
    delay_s: float
    medium: str | None = None
    varies: Varying | None = None
    jitter: Jitter | None = None
    loss: float = 0.0
    connection: str | None = None
    own_limit: bool = True
    origin: Origin | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_rate(self.rate_bytes_per_s, f"link {self.id!r}")
        if not 0 <= self.delay_s < math.inf:
            raise TopologyError(
                f"link {self.id!r} has a delay of {self.delay_s!r}: expected 0 s or more"
            )
        if not 0 <= self.loss < 1:
            raise TopologyError(
                f"link {self.id!r} loses {self.loss!r} of its packets: expected 0 or more, below 1"
            )


@dataclass(frozen=True)
class Route:
    """What a transfer needs: each resource with its consumption per byte, and the delay.

    `delay_s` is the mean; `jitters` lists the parts of it that vary: (their mean in s, how). `loss` is
    the probability that a packet is lost on the route. A transfer's share is in proportion to its
    `weight`: 1, or on a proportionally fair medium the rate of its link over the median rate there.
    """

    resources: tuple[tuple[str, float], ...]
    delay_s: float
    loss: float = 0.0
    jitters: tuple[tuple[float, Jitter], ...] = ()
    weight: float = 1.0


def check_choice(value: str, known: tuple[str, ...], complaint: str) -> None:
    """Raise `TopologyError` unless the value is a known one."""
    if value not in known:
        raise TopologyError(f"{complaint} {value!r}{suggestion(value, known)}")


def check_rate(rate_bytes_per_s: float, what: str) -> None:
    """Raise `TopologyError` unless the rate is more than 0 (infinity is unlimited)."""
    if not rate_bytes_per_s > 0:
        raise TopologyError(f"{what} has a rate of {rate_bytes_per_s!r}: expected more than 0 B/s")


def by_name(things: Iterable[Thing], kind: str, name: Callable[[Thing], str]) -> dict[str, Thing]:
    """Return things by their names. Raises TopologyError if two have the same."""
    named: dict[str, Thing] = {}
    for thing in things:
        if name(thing) in named:
            raise TopologyError(f"there are two {kind} named {name(thing)!r}")
        named[name(thing)] = thing
    return named
