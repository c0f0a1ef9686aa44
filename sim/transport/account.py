"""The account of a transfer's time, by what held it back."""

from dataclasses import dataclass
from math import inf
from typing import Literal

CapFrom = Literal["none", "slow start", "window", "loss"]
"""The part of the transport that sets a cap; "none" is no cap."""


@dataclass
class Account:
    """The seconds of one transfer, from its turn to its last byte, by what held it back.

    They add up to its duration: `connect_s` while its connection was opened, then while it ran at the
    cap of slow start, of the window, for loss, or of a link of its own, and `shared_s` while links that
    other routes use too gave it less. `rounds` is the number of round trips in slow start,
    `window_bytes` the congestion window at the end, as slow start left it. `cap` (bytes/s) is the last
    cap of the transport and `cap_from` the part that set it.
    """

    start_s: float
    end_s: float
    connect_s: float = 0.0
    slow_start_s: float = 0.0
    window_s: float = 0.0
    loss_s: float = 0.0
    own_link_s: float = 0.0
    rounds: int = 0
    window_bytes: float = 0.0
    cap: float = inf
    cap_from: CapFrom = "none"

    @property
    def shared_s(self) -> float:
        """Seconds in which links that other routes use too gave it less than its cap."""
        held = self.slow_start_s + self.window_s + self.loss_s + self.own_link_s
        return max(0.0, self.end_s - self.start_s - self.connect_s - held)

    def book(self, seconds: float) -> None:
        """Add time at the last cap of the transport."""
        if self.cap_from == "slow start":
            self.slow_start_s += seconds
        elif self.cap_from == "window":
            self.window_s += seconds
        elif self.cap_from == "loss":
            self.loss_s += seconds
