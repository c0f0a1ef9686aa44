"""The unit in the title of a table's column: `time_ms`, `rate (Mbit/s)`, `mbps`.

A column without a unit in its title has the documented default. A unit that is unknown or ambiguous
(`mb/s`) is an error: a factor of eight, or of a thousand, is never guessed.
"""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutlayer.errors import UserError

RATE_UNITS: Final = "bytes_per_second, kB/s, MB/s, bps, kbit/s, Mbit/s or mbps"
DURATION_UNITS: Final = "s, ms, us, ns, min, h or d"

_TIMES: Final = {
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), Fraction(1, 10**9)),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), Fraction(1, 10**6)),
    **dict.fromkeys(("\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"), Fraction(1, 10**6)),
    **dict.fromkeys(("ms", "msec", "msecs", "millis"), Fraction(1, 1000)),
    **dict.fromkeys(("millisecond", "milliseconds"), Fraction(1, 1000)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Fraction(1)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), Fraction(60)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), Fraction(3600)),
    **dict.fromkeys(("d", "day", "days"), Fraction(86400)),
}
_PREFIXES: Final = {"": 1} | {
    prefix: base**power
    for base, prefixes in (
        (1000, "k m g t"),
        (1000, "kilo mega giga tera"),
        (1024, "ki mi gi ti"),
        (1024, "kibi mebi gibi tebi"),
    )
    for power, prefix in enumerate(prefixes.split(), 1)
}

_IN_WORDS: Final = re.compile(rf"({'|'.join(_PREFIXES)})[ -]?(bit|byte|octet)s?", re.I)
# In abbreviations the case decides: b is a bit, B a byte. `mb` could be either.
_IN_LETTERS: Final = re.compile(r"(?:([kKMGT]?)b|([kKMGT]?|[KMGT]i)B)")
_FUSED: Final = re.compile(r"(?:([kKmMgGtT]?)b|([kKMGT]?|[KMGT]i)B)ps")
_PER: Final = re.compile(r"(.+?)\s*(?:/| per | )\s*(\S+)")
_LIKE_A_RATE: Final = re.compile(
    r"bit|byte|octet|bps|pps|packet|pkt|(?<![a-z])[kmgt]i?b(?![a-z])|/|%", re.I
)
_LIKE_A_DURATION: Final = re.compile(r"milli|micro|nano|second|minute|(?<![a-z])m(?![a-z])", re.I)


Value = TypeVar("Value", float, NDArray[np.float64])


class ColumnUnitError(UserError):
    """A title with an unknown unit, or with one of another kind of column."""


def rate_unit(title: str) -> Fraction | None:
    """Return the unit in a title as bytes per second, None if there is none."""
    if (unit := _unit(title, _rate)) is not None:
        return unit
    if not _is_ratio(title) and _unit(title, _time) is not None:
        raise ColumnUnitError(f"the column {title!r} holds times: expected rates there")
    if _brackets(title) is not None or _LIKE_A_RATE.search(title):
        raise ColumnUnitError(
            f"the unit of the rates in {title!r} is not understood: expected one such as"
            f" {RATE_UNITS}, or none for bytes per second"
        )
    return None


def duration_unit(title: str) -> Fraction | None:
    """Return the unit in a title as seconds, None if there is none."""
    if (unit := _unit(title, _time)) is not None:
        return unit
    if _unit(title, _rate) is not None:
        raise ColumnUnitError(f"the column {title!r} holds rates: expected times there")
    inside = any(len(word) > 1 and _time(word) is not None for word in _words(title))
    if inside or _brackets(title) is not None or _LIKE_A_DURATION.search(title):
        raise ColumnUnitError(
            f"the unit of the times in {title!r} is not understood: expected one of"
            f" {DURATION_UNITS}, or none for seconds"
        )
    return None


def in_si(value: Value, unit: Fraction) -> Value:
    """Return a number or an array in SI units; exact if the unit or its inverse is a whole number."""
    return value * float(unit.numerator) / float(unit.denominator)


def names_a_duration(title: str) -> bool:
    """Whether a title ends in a unit of time that cannot be another word: `inference_ms`, `time [s]`."""
    if _is_ratio(title):
        return False
    bracketed = _brackets(title) is not None
    return any(
        _time(text) is not None and (bracketed or len(text) > 1) for text in _candidates(title)
    )


def _unit(title: str, parsed: Callable[[str], Fraction | None]) -> Fraction | None:
    """Return the longest part of a title that is a unit."""
    return next((unit for part in _candidates(title) if (unit := parsed(part)) is not None), None)


def _candidates(title: str) -> Iterator[str]:
    """Yield the parts of a title that may be a unit, longest first: in brackets, or its last words."""
    bracketed = _brackets(title)
    if bracketed is not None:
        yield bracketed
        return
    words = _words(title)
    for begin in range(len(words)):
        yield " ".join(words[begin:])
    if words:
        for boundary in re.finditer(r"(?<=[a-z])(?=[A-Z])", words[-1]):
            yield words[-1][boundary.start() :]


def _words(title: str) -> list[str]:
    return [word for word in re.split(r"[\s_.:-]+", title.strip().strip("#'\"")) if word]


def _is_ratio(title: str) -> bool:
    """Whether a title names something per time."""
    return "/" in title or "per" in _words(title.lower())


def _brackets(title: str) -> str | None:
    found = re.fullmatch(r"""[^(\[]*[(\[]\s*([^)\]]*?)\s*[)\]]['"\s]*""", title)
    return None if found is None else found[1]


def _time(text: str) -> Fraction | None:
    return _TIMES.get(text if len(text) == 1 else text.lower())


def _rate(text: str) -> Fraction | None:
    fused = _FUSED.fullmatch(text)
    if fused is not None:
        return _letters(fused)
    parts = _PER.fullmatch(text)
    if parts is None:
        return None
    time = _time(parts[2])
    amount = _amount(parts[1])
    return None if time is None or amount is None else amount / time


def _amount(text: str) -> Fraction | None:
    words = _IN_WORDS.fullmatch(text)
    if words is not None:
        prefix = _PREFIXES[words[1].lower()]
        return Fraction(prefix, 8 if words[2].lower() == "bit" else 1)
    letters = _IN_LETTERS.fullmatch(text)
    return None if letters is None else _letters(letters)


def _letters(match: "re.Match[str]") -> Fraction:
    bits, whole = match.groups()
    return Fraction(_PREFIXES[(whole if bits is None else bits).lower()], 1 if bits is None else 8)
