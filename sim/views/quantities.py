"""Format numbers: a common unit for related values, and significant digits."""

from collections.abc import Iterable
from math import floor, isfinite, log10
from typing import Final

from cutlayer.sim.results.estimate import Estimate

Unit = tuple[str, float]

TIMES: Final[tuple[Unit, ...]] = (
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86400.0),
)
BYTES: Final[tuple[Unit, ...]] = (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12))
MEGABYTES: Final[Unit] = ("MB", 1e6)


def common_unit(values: Iterable[float | None], units: tuple[Unit, ...]) -> Unit:
    """Return the largest unit in which no value is below 1, ignoring 0 and None."""
    known = [abs(value) for value in values if value and isfinite(value)]
    if not known:
        return next(unit for unit in units if unit[1] == 1.0)
    return max((u for u in units if u[1] <= min(known)), key=lambda u: u[1], default=units[0])


def significant(value: float, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits, without an exponent."""
    if value == 0 or not isfinite(value):
        return f"{value:g}"
    return f"{value:.{_places(value, digits)}f}"


def quantity(seconds_or_bytes: float, units: tuple[Unit, ...], digits: int = 3) -> str:
    """Return a single value with its own best unit, such as "2.5 h"."""
    name, factor = common_unit([seconds_or_bytes], units)
    return f"{significant(seconds_or_bytes / factor, digits)} {name}"


def spread(estimate: Estimate, factor: float = 1.0, digits: int = 3, sign: str = "±") -> str:
    """Return mean and half width in units of `factor`, both to the half width's second digit.

    The half width is left out if it is unknown or too small for four digits of the mean.
    """
    mean, half_width = estimate.mean / factor, (estimate.half_width or 0.0) / factor
    if not half_width:
        return significant(mean, digits)
    places = min(_places(half_width, 2), _places(mean, max(digits, 4)))
    if float(f"{half_width:.{places}f}") == 0:
        return significant(mean, digits)
    return f"{mean:.{places}f} {sign} {half_width:.{places}f}"


def brackets(low: float, high: float) -> str:
    """Return the ends of an interval, such as "[1.20, 1.45]"."""
    return f"[{significant(low)}, {significant(high)}]"


def _places(value: float, digits: int) -> int:
    """Return the number of decimals for `digits` significant digits after rounding (9.996 is 10.00)."""
    if value == 0:
        return digits - 1
    places = digits - 1 - floor(log10(abs(value)))
    rounded = round(value, places)
    return max(digits - 1 - floor(log10(abs(rounded))), 0)
