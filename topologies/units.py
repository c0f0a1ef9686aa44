"""Quantities with units: text to SI floats, and back.

Rates become bytes per second, durations seconds, sizes whole bytes, speeds FLOP/s. Decimal prefixes
are powers of ten, KiB/MiB/GiB/TiB powers of two, and the case of a unit matters: `Mbit/s` is not
`MB/s`. Values are converted exactly and rounded once: "10 Mbit/s" is 1250000.0 to the last bit.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from typing import Final

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion

_DECIMAL: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZES: Final = (
    {f"{prefix}B": Fraction(factor) for prefix, factor in _DECIMAL.items()}
    | {f"{prefix}B": Fraction(factor) for prefix, factor in _BINARY.items()}
    | {f"{prefix}bit": Fraction(factor, 8) for prefix, factor in _DECIMAL.items()}
)
_DURATIONS: Final = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "\N{MICRO SIGN}s": Fraction(1, 10**6),
    "\N{GREEK SMALL LETTER MU}s": Fraction(1, 10**6),
    "ms": Fraction(1, 10**3),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_SPEEDS: Final = {
    f"{prefix}FLOP/s": Fraction(factor) for prefix, factor in (_DECIMAL | {"P": 10**15}).items()
}

# Bounded, because the conversion is exact: 10 ** 999999999 must not be computed.
QUANTITY: Final = re.compile(
    r"\s*([+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?)"
    r"\s*([^\s0-9.].*?)?\s*"
)
_LONGEST: Final = 60  # characters of a value in a message
_BEYOND: Final = re.compile(r"\s*[+-]?[0-9.]{1,400}[eE][+-]?[0-9]{4}")
_BITS_PER_SECOND: Final = re.compile(r"([kKmMgGtT]?)(?:b(?:ps|/s|it|its/s|it/sec)|bits?/s)")


# Beyond these bounds the clock could not distinguish successive times.
MIN_BYTES_PER_S: Final = 1e-3 / 8
MAX_BYTES_PER_S: Final = 1e18 / 8
MAX_SECONDS: Final = 1e12


class QuantityError(UserError):
    """A quantity whose unit is missing or unknown, or whose value is impossible."""


@dataclass(frozen=True)
class Kind:
    """A kind of quantity: its name and an example for messages, and its units in SI units."""

    name: str
    example: str
    units: Mapping[str, Fraction]
    zero: bool  # whether 0 is a possible value


_RATE: Final = Kind(
    "rate", "10 Mbit/s", {f"{unit}/s": factor for unit, factor in _SIZES.items()}, zero=False
)
_DURATION: Final = Kind("duration", "20 ms", _DURATIONS, zero=True)
_SIZE: Final = Kind("size", "4 GiB", _SIZES, zero=True)
POWER: Final = Kind(
    "power", "5.3 W", {"mW": Fraction(1, 1000), "W": Fraction(1), "kW": Fraction(1000)}, zero=True
)
_SPEED: Final = Kind("computing speed", "5 GFLOP/s", _SPEEDS, zero=False)

KIND_OF_UNIT: Final[Mapping[str, str]] = {
    unit: kind.name for kind in (_RATE, _DURATION, _SIZE, POWER, _SPEED) for unit in kind.units
}


def parse_rate(text: object, *, zero: bool = False) -> float:
    """Return a transfer rate in bytes per second: "10 Mbit/s" is 1.25e6, "unlimited" infinity.

    With `zero` it may be 0, which is an outage.
    """
    if isinstance(text, str) and text.strip() == "unlimited":
        return math.inf
    return parse_as(text, replace(_RATE, zero=True) if zero else _RATE)


def parse_duration(text: object) -> float:
    """Return a duration in seconds: "20 ms" is 0.02."""
    return parse_as(text, _DURATION)


def parse_size(text: object) -> int:
    """Return a size in whole bytes: "4 GiB" is 4294967296; "1 B" is the smallest size."""
    size = _parse_exactly(text, _SIZE)
    if size.denominator != 1:
        raise QuantityError(f"the size {_shown(text)} is not a whole number of bytes")
    return size.numerator


def parse_speed(text: object) -> float:
    """Return a computing speed in FLOP/s (2 per multiply-accumulate): "5 GFLOP/s" is 5e9."""
    return parse_as(text, _SPEED)


def parse_power(text: object) -> float:
    """Return a power in watts: "400 mW" is 0.4."""
    return parse_as(text, POWER)


def format_rate(bytes_per_s: float, digits: int | None = 4) -> str:
    """Return bytes per second as text in bits, "10 Mbit/s", to `digits`; None gives all of them."""
    if math.isinf(bytes_per_s):
        return "unlimited"
    return _format(bytes_per_s, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"), _RATE, digits)


def format_duration(seconds: float, digits: int | None = 4) -> str:
    """Return seconds as text, "20 ms" or "2.5 h", to `digits`; None gives all of them."""
    units = ("ns", "us", "ms", "s") if digits is None else ("ns", "us", "ms", "s", "min", "h")
    return _format(seconds, units, _DURATION, digits)


def format_size(size_bytes: int, digits: int | None = 4, *, binary: bool = False) -> str:
    """Return bytes as SI text, "1.5 MB", or as "1.431 MiB" if `binary`; digits None gives all."""
    units = ("B", "KiB", "MiB", "GiB", "TiB") if binary else ("B", "kB", "MB", "GB", "TB")
    return _format(size_bytes, units, _SIZE, digits)


def parse_as(text: object, kind: Kind) -> float:
    """Return a quantity of a kind in its SI unit. Raises QuantityError."""
    exact = _parse_exactly(text, kind)
    try:
        value = float(exact)
    except OverflowError:
        raise QuantityError(f"the {kind.name} {_shown(text)} is too large to be a number") from None
    if exact > 0 and value == 0:
        raise QuantityError(f"the {kind.name} {_shown(text)} is too small to differ from 0")
    return value


def _parse_exactly(text: object, kind: Kind) -> Fraction:
    expected = f"expected a number with a unit, such as {kind.example!r}"
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise QuantityError(f"{_shown(text)} is not a {kind.name}: {expected}")
    if (isinstance(text, int) and abs(text) >= 10**400) or _BEYOND.match(str(text)):
        raise QuantityError(f"{_shown(text)} is too large or too small to be a number")
    match = QUANTITY.fullmatch(str(text))
    if match is None:
        raise QuantityError(f"{_shown(text)} is not a {kind.name}: {expected}")
    number, unit = match.groups()
    if unit is None:
        raise QuantityError(f"the {kind.name} {_shown(text)} has no unit: {expected}")
    if unit not in kind.units:
        hint = _suggestion(unit, kind)
        raise QuantityError(
            f"{_shown(unit)} in {_shown(text)} is not a unit of a {kind.name}{hint} ({expected})"
        )
    value = Fraction(number) * kind.units[unit]
    if value < 0:
        raise QuantityError(f"the {kind.name} {_shown(text)} is negative")
    if value == 0 and not kind.zero:
        raise QuantityError(f"the {kind.name} {_shown(text)} must be greater than 0")
    return value


def _shown(text: object) -> str:
    """Return a value for a message, shortened if it is long."""
    if isinstance(text, int) and abs(text) >= 10**_LONGEST:
        return "a number of more than 60 digits"
    shown = repr(text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}...{shown[0]}"


def _suggestion(unit: str, kind: Kind) -> str:
    """Return a hint. A lower-case b is taken for a bit, whatever the closest unit is."""
    bits = _BITS_PER_SECOND.fullmatch(unit)
    if bits and kind.name == _RATE.name:
        prefix = bits[1].lower() if bits[1] in ("", "k", "K") else bits[1].upper()
        return f"; did you mean '{prefix}bit/s'?"
    return suggestion(unit, kind.units, listed=0)


def _format(value: float, units: tuple[str, ...], kind: Kind, digits: int | None) -> str:
    if math.isnan(value) or value < 0 or math.isinf(value):
        raise QuantityError(f"{value!r} is not a {kind.name}")
    exact = Fraction(repr(value))
    unit = max(
        (name for name in units if kind.units[name] <= exact),
        key=lambda name: kind.units[name],
        default=units[0] if value else _base(kind),
    )
    scaled = exact / kind.units[unit]
    return f"{_digits(scaled) if digits is None else f'{float(scaled):.{digits}g}'} {unit}"


def _base(kind: Kind) -> str:
    return {"duration": "s", "size": "B"}.get(kind.name, "bit/s")


def _digits(value: Fraction) -> str:
    """Return a fraction whose denominator divides a power of ten as a plain decimal."""
    places = next(n for n in count() if 10**n % value.denominator == 0)
    text = f"{int(value * 10**places):0{places + 1}}"
    return f"{text[:-places]}.{text[-places:]}" if places else text
