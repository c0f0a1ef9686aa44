"""Quantities of radio links with units: text to Hz, m, W, W/Hz and dB.

Powers and noise densities are linear (W, W/Hz) or logarithmic (dBm, dBm/Hz): 10 log10 of the
milliwatts. The case of a unit matters.
"""

from fractions import Fraction
from typing import Final

from cutlayer.topologies.units import POWER, QUANTITY, Kind, QuantityError, parse_as

_FREQUENCY: Final = Kind(
    "frequency",
    "10 MHz",
    {
        "Hz": Fraction(1),
        "kHz": Fraction(10**3),
        "MHz": Fraction(10**6),
        "GHz": Fraction(10**9),
    },
    zero=False,
)
_LENGTH: Final = Kind("distance", "250 m", {"m": Fraction(1), "km": Fraction(1000)}, zero=False)
_TRANSMIT_POWER: Final = Kind("transmit power", "200 mW", POWER.units, zero=False)
_NOISE: Final = Kind(
    "noise density",
    "-174 dBm/Hz",
    {"W/Hz": Fraction(1), "mW/Hz": Fraction(1, 1000)},
    zero=False,
)
_KAPPA: Final = Kind(
    "switching constant (kappa)", "1e-28 W/Hz^3", {"W/Hz^3": Fraction(1)}, zero=False
)
MAX_DECIBELS: Final = 1000.0


def parse_frequency(text: object) -> float:
    """Return a frequency or bandwidth in hertz: "10 MHz" is 1e7."""
    return parse_as(text, _FREQUENCY)


def parse_length(text: object) -> float:
    """Return a distance in metres: "1 km" is 1000."""
    return parse_as(text, _LENGTH)


def parse_transmit_power(text: object) -> float:
    """Return a transmit power in watts: "200 mW" is 0.2, "23 dBm" is 0.1995."""
    return _from_decibels(text, "dBm", _TRANSMIT_POWER)


def parse_noise_density(text: object) -> float:
    """Return a noise power density in W/Hz: "-174 dBm/Hz" is 3.981e-21."""
    return _from_decibels(text, "dBm/Hz", _NOISE)


def parse_decibels(text: object) -> float:
    """Return a ratio in decibels, which may be negative: "128.1 dB" is 128.1."""
    value = _number_of(text, "dB")
    if value is None:
        raise QuantityError(f"{text!r} is not a ratio: expected a number of dB, such as '128.1 dB'")
    return value


def parse_kappa(text: object) -> float:
    """Return the constant of a processor's switching power, kappa f^3, in W/Hz^3."""
    return parse_as(text, _KAPPA)


def _from_decibels(text: object, unit: str, kind: Kind) -> float:
    value = _number_of(text, unit)
    if value is None:
        return parse_as(text, kind)
    return float(10 ** (value / 10 - 3))


def _number_of(text: object, unit: str) -> float | None:
    """Return the number of a text in a logarithmic unit, None if the text is not of that form."""
    match = QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] != unit:
        return None
    value = float(match[1])
    if not abs(value) <= MAX_DECIBELS:
        raise QuantityError(f"{text!r} is beyond {MAX_DECIBELS:g} {unit}")
    return value
