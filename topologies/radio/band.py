"""A band of a cell, and its division among the clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cutlayer.topologies.radio.channel import RadioChannel

Sharing = Literal["each", "equal", "proportional", "max_min"]
Basis = Literal["distance", "efficiency", "inverse_efficiency"]


@dataclass(frozen=True)
class Band:
    """One direction of a cell: its bandwidth in Hz, and how clients share it.

    `each`: every client has the bandwidth for itself. `equal`: it is divided into `parts` equal
    sub-bands (FDMA; None: as many as the cell has clients), one for each client. `proportional`: each
    client has a sub-band in proportion to its `basis`. `max_min`: the clients that are sending take
    turns on the whole band, such that their rates are max-min fair.
    """

    bandwidth_hz: float
    sharing: Sharing
    parts: int | None = None
    basis: Basis = "distance"

    def widths_hz(
        self, channels: Sequence[RadioChannel], distances_m: Sequence[float]
    ) -> list[float]:
        """Return each client's bandwidth in Hz; its channel is the one on the whole band.

        The basis `efficiency` is the spectral efficiency of a client on the whole band.
        """
        width, count = self.bandwidth_hz, len(channels)
        if self.sharing in ("each", "max_min"):
            return [width] * count
        if self.sharing == "equal":
            return [width / (self.parts or count)] * count
        if self.basis == "distance":
            weights = list(distances_m)
        elif self.basis == "efficiency":
            weights = [channel.efficiency for channel in channels]
        else:
            weights = [1 / channel.efficiency for channel in channels]
        total = sum(weights)
        return [width * weight / total for weight in weights]
