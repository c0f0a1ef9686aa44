"""Recordings in CSV: a line for each change, with its time and the new rate.

The units are seconds and bytes per second, unless a header names others: `time_ms,mbps`.
"""

import math
from typing import Final

import numpy as np

from cutlayer.topologies.bandwidth.files import Lines, TraceError, read_once
from cutlayer.topologies.bandwidth.table import Table
from cutlayer.topologies.column_units import duration_unit, in_si, rate_unit
from cutlayer.topologies.text_file import NUMBER
from cutlayer.topologies.units import (
    MAX_BYTES_PER_S,
    MAX_SECONDS,
    MIN_BYTES_PER_S,
    format_duration,
)

EXPECTED: Final = "seconds,bytes_per_second"
MAX_LINES: Final = 5_000_000


@read_once
def read_csv(path: str, period_s: float = math.inf) -> Table:
    """Return the rates of a file; each holds until the next line's time, and the first time is 0.

    The recording repeats after `period_s` (s); without it, the last rate holds. A header may name
    the units, see `column_units`. Raises TraceError.
    """
    pattern = rf"{NUMBER}[ \t]*,[ \t]*{NUMBER}"
    lines = Lines(path, pattern, EXPECTED, columns=2, header=True, max_lines=MAX_LINES)
    second, byte_per_s = lines.units(duration_unit, rate_unit)
    times, rates = lines.numbers(np.float64).T
    seconds, rates = in_si(times, second), in_si(rates, byte_per_s)
    if seconds[0] != 0:
        raise lines.error(0, "expected the first time to be 0 (subtract the first from all)")
    later = np.diff(seconds, prepend=-1) > 0
    lines.refuse(~later, "expected a time after the one in the line above")
    lines.refuse(rates < 0, "expected a rate of 0 or more")
    possible = (rates == 0) | ((rates >= MIN_BYTES_PER_S) & (rates <= MAX_BYTES_PER_S))
    lines.refuse(~possible, "expected a rate of 0, or 0.001 to 1e18 bit/s")
    if seconds[-1] > MAX_SECONDS:
        raise lines.error(len(seconds) - 1, f"expected times of at most {MAX_SECONDS:g} s")
    if not rates.any():
        raise TraceError(f"{path} has no rate above 0")
    if seconds[-1] >= period_s:
        repeat = format_duration(period_s)
        lines.refuse(seconds >= period_s, f"expected a time before its repeat of {repeat}")
    return Table(seconds, rates, period_s)
