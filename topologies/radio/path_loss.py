"""Path loss: the share of the sent power that arrives at a distance."""

import math
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass


class PathLoss(ABC):
    """The mean power gain of a channel by its length."""

    @abstractmethod
    def gain(self, distance_m: float) -> float:
        """Return the received power over the sent power at a distance in metres."""


@dataclass(frozen=True)
class LogDistance(PathLoss):
    """A loss of `at_1_km_db` + `per_decade_db` log10(d / km) decibels.

    With 128.1 and 37.6 it is that of macro cells at 2 GHz (3GPP TR 36.814).
    """

    at_1_km_db: float
    per_decade_db: float

    def gain(self, distance_m: float) -> float:
        """Return the received power over the sent power at a distance in metres."""
        loss_db = self.at_1_km_db + self.per_decade_db * math.log10(distance_m / 1000)
        exponent = -loss_db / 10
        return math.inf if exponent > sys.float_info.max_10_exp else float(10**exponent)


@dataclass(frozen=True)
class PowerLaw(PathLoss):
    """A gain of h0 d^-a: `at_1_m` (h0) at one metre, and the `exponent` a."""

    at_1_m: float
    exponent: float

    def gain(self, distance_m: float) -> float:
        """Return the received power over the sent power at a distance in metres."""
        return float(self.at_1_m * distance_m**-self.exponent)
