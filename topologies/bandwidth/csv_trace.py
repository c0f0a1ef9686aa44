"""Recordings as text: lines of `seconds,bytes_per_second`, with or without a header."""

import math
from functools import lru_cache
from typing import Final

import numpy as np

from topologies.bandwidth.files import NUMBER, Lines, Stamp, TraceError, content, stamp
from topologies.bandwidth.table import Table
from topologies.units import format_duration

EXPECTED: Final = "seconds,bytes_per_second"
HEADER: Final = rb"(?![+-]?\.?\d).*"  # whatever does not begin with a number


def read_csv(path: str, period_s: float = math.inf) -> Table:
    """Return the rates of a file: each holds until the next line's time, the first being 0.

    After `period_s` (s) it begins anew; without it the last rate holds. Raises TraceError.
    """
    return _read(stamp(path), path, period_s)


@lru_cache(maxsize=64)
def _read(version: Stamp, path: str, period_s: float) -> Table:
    del version
    pattern = NUMBER + rb"\s*,\s*" + NUMBER
    lines = Lines(path, content(path), pattern, EXPECTED, columns=2, header=HEADER)
    seconds, rates = lines.numbers(np.float64).T
    if seconds[0] != 0:
        raise lines.error(0, "expected the first time to be 0 s")
    back = np.flatnonzero(np.diff(seconds) <= 0)
    if len(back):
        raise lines.error(int(back[0]) + 1, "expected a time after the one in the line above")
    negative = np.flatnonzero(rates < 0)
    if len(negative):
        raise lines.error(int(negative[0]), "expected a rate of 0 or more")
    if not rates.any():
        raise TraceError(f"{path} delivers nothing: all its rates are 0")
    if seconds[-1] >= period_s:
        late = int(np.searchsorted(seconds, period_s))
        raise lines.error(late, f"expected a time before its repeat of {format_duration(period_s)}")
    return Table(seconds, rates, period_s)
