"""The values of an axis: the values of ranges, their labels, and their numbers."""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.scenarios.problems import show
from cutlayer.topologies import units

DIGITS: Final = 4  # of the values of a log range
LONGEST: Final = 400  # characters of an end of a range

# Bounded, because numbers are exact: 1e999999999 has a billion digits.
_NUMBER: Final = re.compile(
    r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?)\s*([^\s0-9.].*?)?\s*"
)
_PARSERS: Final[Mapping[str, tuple[str, Callable[[object], float]]]] = {
    "rate": ("bit/s", units.parse_rate),
    "duration": ("s", units.parse_duration),
    "size": ("B", units.parse_size),
    "computing speed": ("FLOP/s", units.parse_speed),
    "power": ("W", units.parse_power),
}


class AxisError(UserError):
    """An axis with an invalid range or labels: the rule, and the field that breaks it, if it is one."""

    def __init__(self, rule: str, field: str | None = None) -> None:
        super().__init__(rule)
        self.field = field


def unit_and_number(value: object) -> tuple[str, float] | None:
    """Return the unit and the number of a value (a rate in bytes/s, a duration in s), or None.

    Plain numbers have the unit "".
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return "", float(value)
    if not isinstance(value, str) or len(value) > LONGEST:
        return None
    written = _NUMBER.fullmatch(value)
    if written is None:
        return ("bit/s", math.inf) if value.strip() == "unlimited" else None
    kind_and_parser = _PARSERS.get(units.KIND_OF_UNIT.get(written[3] or "", ""))
    if kind_and_parser is None:
        return None
    kind, parse = kind_and_parser
    try:
        return kind, float(parse(value))
    except (units.QuantityError, OverflowError):
        return None


def count_of(first: Any, last: Any, step: Any) -> int:
    """Return the number of values from `first` to `last` by `step`. Raises AxisError."""
    (low, unit), (high, _) = _ends(first, last)
    by, unit_of_step = _number(step, "step")
    if unit_of_step != unit or by <= 0:
        raise AxisError("must be above 0, in the unit of the ends", "step")
    if high < low:
        raise AxisError("must not be below its `from`", "to")
    return int((high - low) / by) + 1


def linear(first: Any, last: Any, count: int | None, step: Any) -> list[Any]:
    """Return the values from `first` to `last`, `count` of them or by `step`. Raises AxisError."""
    (low, unit), (high, _) = _ends(first, last)
    if step is not None:
        by, _ = _number(step, "step")
        numbers = [low + by * index for index in range(count_of(first, last, step))]
    else:
        assert count is not None
        by = (high - low) / (count - 1)
        numbers = [low + by * index for index in range(count)]
    return [_written(number, unit) for number in numbers]


def logarithmic(first: Any, last: Any, count: int) -> list[Any]:
    """Return `count` values from `first` to `last` with equal factors, rounded to 4 digits.

    Whole numbers stay whole. Raises AxisError.
    """
    (low, unit), (high, _) = _ends(first, last)
    if low <= 0:
        raise AxisError("must be above 0 in a log_range", "from")
    if high <= low:
        raise AxisError("must be above its `from` in a log_range", "to")
    start, ratio = float(low), float(high) / float(low) if float(low) else math.inf
    if not math.isfinite(ratio):
        raise AxisError("is too large a multiple of its `from`", "to")
    numbers = [start * ratio ** (index / (count - 1)) for index in range(count)]
    whole = not unit and isinstance(first, int) and isinstance(last, int)
    if whole:
        return list(dict.fromkeys(round(number) for number in numbers))
    return [_written(Fraction(f"{number:.{DIGITS}g}"), unit) for number in numbers]


def between(low: float, high: float, like: object) -> tuple[Any, float]:
    """Return the value in the middle of two numbers, in the unit of `like`, and its own number.

    The middle is the geometric mean if both are above 0. It has six digits.
    """
    if low > 0 and high > 0:
        product = low * high
        sound = 0 < product < math.inf
        middle = product**0.5 if sound else math.sqrt(low) * math.sqrt(high)
    else:
        middle = (low + high) / 2
    known = unit_and_number(like)
    assert known is not None
    kind, number = known
    if not kind:
        value: Any = float(f"{middle:.6g}")
    else:
        written, unit = _number(like, "")
        scale = number / float(written) if written else 1.0
        value = f"{middle / scale:.6g} {unit}"
    known = unit_and_number(value)
    assert known is not None
    return value, known[1]


def labels(values: Sequence[Any]) -> list[str]:
    """Return a short, unique text for each value."""
    texts = [value if isinstance(value, str) else show(value) for value in values]
    times = Counter(texts)
    return [text if times[text] == 1 else f"{text} ({index})" for index, text in enumerate(texts)]


def _ends(first: Any, last: Any) -> tuple[tuple[Fraction, str], tuple[Fraction, str]]:
    ends = _number(first, "from"), _number(last, "to")
    if ends[0][1] != ends[1][1]:
        raise AxisError("needs both ends in the same unit")
    return ends


def _number(value: Any, field: str) -> tuple[Fraction, str]:
    """Return the exact number and the unit of a range's field. Raises AxisError."""
    text = value if isinstance(value, str) else show(value)
    if len(text) > LONGEST:
        raise AxisError(f"must have at most {LONGEST} characters", field)
    match = _NUMBER.fullmatch(text) if not isinstance(value, bool) else None
    if match is None:
        raise AxisError("must be a number, with its unit if it has one", field)
    exponent = int(match[2] or 0)
    number = Fraction(match[1]) if abs(exponent) <= LONGEST else None
    if number is None or abs(number) > sys.float_info.max:
        rule = "is too small to differ from 0" if exponent < 0 else "is too large to be a number"
        raise AxisError(rule, field)
    return number, match[3] or ""


def _written(number: Fraction, unit: str) -> Any:
    plain: Any = int(number) if number.denominator == 1 else float(number)
    return f"{plain} {unit}" if unit else plain
