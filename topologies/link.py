"""An access link: its rate in each direction, its delay, and whether it is shared."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from cutlayer.errors import UserError
from cutlayer.topologies.bandwidth import Varying
from cutlayer.topologies.device import UNSURE, Status
from cutlayer.topologies.jitter import Jitter
from cutlayer.topologies.parts import Origin

Duplex = Literal["full", "half"]


class LinkError(UserError):
    """An invalid link: its rate or delay is impossible, or unknown and needed."""


@dataclass(frozen=True)
class AccessLink:
    """A node's connection; `up` leaves the node and `down` reaches it, in bytes per second.

    `delay_s` is one way; None means unknown, and a user of the link must give one. On a half-duplex
    link both directions share one capacity. `shared` marks rates that are the total of all stations
    of a cell. For a rate that varies, the figure is its mean; the delay is the mean of its `jitter`;
    `loss` is the probability of losing a packet, in each direction.
    """

    up_bytes_per_s: float
    down_bytes_per_s: float
    delay_s: float | None
    duplex: Duplex = "full"
    name: str = ""
    description: str = ""
    shared: bool = False
    up_varies: Varying | None = None
    down_varies: Varying | None = None
    jitter: Jitter | None = None
    loss: float = 0.0
    sources: tuple[str, ...] = ()
    status: Mapping[str, Status] = field(default_factory=dict, compare=False)
    notes: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        where = f"link {self.name!r}" if self.name else "the link"
        for name, rate in (("up", self.up_bytes_per_s), ("down", self.down_bytes_per_s)):
            if not rate > 0:
                raise LinkError(f"{where}: its {name} rate is {rate!r}: expected more than 0 B/s")
        if self.delay_s is not None and not 0 <= self.delay_s < math.inf:
            raise LinkError(f"{where}: its delay is {self.delay_s!r}: expected 0 s or more")
        if self.duplex not in ("full", "half"):
            raise LinkError(f"{where}: unknown duplex {self.duplex!r}: expected 'full' or 'half'")
        if self.duplex == "half" and self.up_varies is not self.down_varies:
            raise LinkError(f"{where}: it is half-duplex, so its directions must vary together")
        if not 0 <= self.loss < 1:
            raise LinkError(f"{where}: its loss is {self.loss!r}: expected 0 or more, below 1")

    @property
    def known_delay_s(self) -> float:
        """The delay in seconds. Raises LinkError if it is unknown."""
        if self.delay_s is None:
            raise LinkError(
                f"the delay of link {self.name!r} is not known: give one, such as delay: 10 ms"
            )
        return self.delay_s

    @property
    def unsure(self) -> tuple[str, ...]:
        """The figures that are guessed or recalled, in the order of `status`."""
        return tuple(figure for figure, status in self.status.items() if status in UNSURE)

    def origin(self, figure: Literal["up", "down"]) -> Origin | None:
        """Return where a direction's figures come from; None for a link without a name."""
        if not self.name:
            return None
        rate = self.status.get(f"{figure}_bytes_per_s", "declared")
        return Origin(self.name, figure, rate, self.status.get("delay_s", "declared"))

    def with_delay(self, delay_s: float) -> Self:
        """Return the link with another one-way delay, in seconds."""
        return replace(self, delay_s=delay_s, status={**self.status, "delay_s": "declared"})
