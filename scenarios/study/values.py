"""The values of an axis: lists as they stand, ranges written out, and their places on a scale."""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

from scenarios.problems import show
from topologies.units import (
    QuantityError,
    parse_duration,
    parse_power,
    parse_rate,
    parse_size,
    parse_speed,
)

DIGITS: Final = 4  # of the values of a log range
MOST: Final = 10_000

_NUMBER: Final = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*")
_PARSERS: Final[tuple[tuple[str, Callable[[object], float]], ...]] = (
    ("bit/s", parse_rate),
    ("s", parse_duration),
    ("B", parse_size),
    ("FLOP/s", parse_speed),
    ("W", parse_power),
)


class RangeError(ValueError):
    """A range that cannot be written out."""


def place(value: object) -> tuple[str, float] | None:
    """Return the kind and the number of a value (a rate in bytes/s, a duration in s), or None.

    Plain numbers are of the kind "".
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return "", float(value)
    if isinstance(value, str):
        for kind, parse in _PARSERS:
            try:
                return kind, float(parse(value))
            except QuantityError:
                continue
    return None


def linear(first: Any, last: Any, count: int | None, step: Any) -> list[Any]:
    """Return the values from `first` to `last`. Raises RangeError."""
    (low, unit), (high, _) = _ends(first, last)
    if step is not None:
        by, unit_of_step = _number(step)
        if unit_of_step != unit or by <= 0 or high < low:
            raise RangeError(f"needs a step above 0 in the unit of its ends (got {show(step)})")
        count = int((high - low) / by) + 1
        if count > MOST:
            raise RangeError(f"has {count} values, and {MOST} are the most")
        numbers = [low + by * index for index in range(count)]
    else:
        assert count is not None
        numbers = [
            low + (high - low) * index / (count - 1) for index in range(min(count, MOST + 1))
        ]
    return [_written(number, unit) for number in numbers]


def logarithmic(first: Any, last: Any, count: int) -> list[Any]:
    """Return `count` values from `first` to `last` by equal factors, to 4 digits; whole stay whole."""
    (low, unit), (high, _) = _ends(first, last)
    if low <= 0 or high <= low:
        raise RangeError(f"needs ends above 0, the second the larger (got {show([first, last])})")
    if count > MOST:
        raise RangeError(f"has {count} values, and {MOST} are the most")
    ratio = float(high) / float(low)
    numbers = [float(low) * ratio ** (index / (count - 1)) for index in range(count)]
    whole = not unit and isinstance(first, int) and isinstance(last, int)
    if whole:
        return list(dict.fromkeys(round(number) for number in numbers))
    return [_written(Fraction(f"{number:.{DIGITS}g}"), unit) for number in numbers]


def between(low: float, high: float, like: object) -> tuple[Any, float]:
    """Return the value in the middle of two places, written as `like` is, and its own place.

    The middle is the geometric mean where both are above 0. Six digits are kept.
    """
    middle = (low * high) ** 0.5 if low > 0 and high > 0 else (low + high) / 2
    found = place(like)
    assert found is not None
    kind, number = found
    if not kind:
        value: Any = float(f"{middle:.6g}")
    else:
        written, unit = _number(like)
        scale = number / float(written) if written else 1.0
        value = f"{middle / scale:.6g} {unit}"
    at = place(value)
    assert at is not None
    return value, at[1]


def labels(values: Sequence[Any]) -> list[str]:
    """Return a short text for each value, all of them different."""
    texts = [value if isinstance(value, str) else show(value) for value in values]
    return [
        text if texts.count(text) == 1 else f"{text} ({index})" for index, text in enumerate(texts)
    ]


def _ends(first: Any, last: Any) -> tuple[tuple[Fraction, str], tuple[Fraction, str]]:
    ends = _number(first), _number(last)
    if ends[0][1] != ends[1][1]:
        raise RangeError(f"needs both ends in one unit (got {show(first)} and {show(last)})")
    return ends


def _number(value: Any) -> tuple[Fraction, str]:
    found = _NUMBER.fullmatch(str(value)) if not isinstance(value, bool) else None
    if found is None:
        raise RangeError(f"needs numbers, with their unit if they have one (got {show(value)})")
    return Fraction(found[1]), found[2] or ""


def _written(number: Fraction, unit: str) -> Any:
    plain: Any = int(number) if number.denominator == 1 else float(number)
    return f"{plain} {unit}" if unit else plain
