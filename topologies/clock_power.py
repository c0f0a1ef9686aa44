"""The power of a processor by its clock frequency."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True)
class ClockPower:
    """Switching power of CMOS: kappa f^2 joules per cycle, and so kappa f^3 watts while computing.

    `kappa` (W/Hz^3) is the effective switched capacitance, the frequency is in hertz (Burd and
    Brodersen, J. VLSI Signal Processing 13, 1996; Mao et al., IEEE JSAC 34(12), 2016).
    """

    frequency_hz: float
    kappa: float

    @property
    def joules_per_cycle(self) -> float:
        """The energy of one cycle, in joules."""
        return self.kappa * self.frequency_hz**2

    @property
    def watts(self) -> float:
        """The power above idle while the processor computes, in watts."""
        return self.joules_per_cycle * self.frequency_hz

    def faster(self, factor: float) -> Self:
        """Return the power at `factor` times the frequency."""
        return replace(self, frequency_hz=self.frequency_hz * factor)
