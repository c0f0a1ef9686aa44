"""Shannon's rate of a channel, and its mean under Rayleigh fading."""

import math
from dataclasses import dataclass
from typing import Final

BITS: Final = 8
_LARGE: Final = 50.0  # from here on, the series below is exact to the last bits
_TERMS: Final = 20


@dataclass(frozen=True)
class RadioChannel:
    """One direction of a radio link: bandwidth (Hz), sent power (W), gain, noise density (W/Hz)."""

    bandwidth_hz: float
    power_w: float
    gain: float
    noise_w_per_hz: float

    @property
    def snr(self) -> float:
        """The ratio of signal to noise, P g / (N0 B)."""
        return self.power_w * self.gain / (self.noise_w_per_hz * self.bandwidth_hz)

    @property
    def efficiency(self) -> float:
        """The spectral efficiency, log2(1 + SNR), in bit/s/Hz."""
        return math.log1p(self.snr) / math.log(2)

    def rate_bytes_per_s(self, fade: float = 1.0) -> float:
        """Return B log2(1 + h SNR) in bytes per second, with the power gain h of fading."""
        return self.bandwidth_hz * math.log1p(self.snr * fade) / math.log(2) / BITS

    def mean_rayleigh_bytes_per_s(self) -> float:
        """Return the mean rate over exponentially distributed power gains of mean 1.

        It is B e^x E1(x) / ln 2 with x = 1 / SNR (Goldsmith, Wireless Communications, section 4.2).
        """
        return self.bandwidth_hz * _scaled_e1(1 / self.snr) / math.log(2) / BITS


def _scaled_e1(x: float) -> float:
    """Return e^x E1(x), E1 the exponential integral, also where e^x overflows."""
    if x < _LARGE:
        from scipy.special import exp1

        return math.exp(x) * float(exp1(x))
    term, total = 1 / x, 0.0
    for k in range(1, _TERMS):
        total += term
        term *= -k / x
    return total
