"""When devices are online: functions of time with the values 1 and 0, and recordings of them.

A recording has lines of `client,online_from_s,online_until_s`. The times are seconds unless a header
names another unit: `client,from_ms,until_ms`.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from cutlayer.topologies.bandwidth import Table
from cutlayer.topologies.bandwidth.files import Lines, read_once
from cutlayer.topologies.column_units import duration_unit, in_si
from cutlayer.topologies.text_file import NUMBER

EXPECTED: Final = "client,online_from_s,online_until_s"
MAX_LINES: Final = 1_000_000

_FROM: Final = re.compile(r"^(?!.*offline).*(from|start|begin)", re.IGNORECASE)
_UNTIL: Final = re.compile(r"^(?!.*offline).*(until|end|stop|to(?![a-z]))", re.IGNORECASE)

Interval = tuple[float, float]
Recording = Mapping[str, tuple[Interval, ...]]


def presence(intervals: Iterable[Interval], *, online: bool, period_s: float = math.inf) -> Table:
    """Return 1 while a device is online and 0 while it is not.

    `intervals` (begin and end in s; they may overlap) are times online or offline, by `online`; at
    all other times it is the opposite. They end before `period_s`, after which they repeat.
    """
    values = {0.0: not online}
    for begin, end in _merged(intervals):
        assert 0 <= begin < end <= period_s
        values[begin] = online
        if end < period_s:
            values[end] = not online
    return Table([*values], [float(value) for value in values.values()], period_s)


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the intervals in order, with those that overlap or touch merged."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


@read_once
def read_recording(path: str) -> Recording:
    """Return when each client of a file is online: from and until (s), in the file's order.

    The first line may be a header. Raises TraceError.
    """
    pattern = rf"[^,]*[^,\s][ \t]*,[ \t]*{NUMBER}[ \t]*,[ \t]*{NUMBER}"
    lines = Lines(path, pattern, EXPECTED, columns=3, header=True, max_lines=MAX_LINES)
    if lines.titles is not None:
        _, begins, ends = lines.titles
        if not (_FROM.search(begins) and _UNTIL.search(ends)):
            raise lines.title_error(f"expected {EXPECTED}, got {', '.join(lines.titles)[:80]!r}")
    unit_of_from, unit_of_until = lines.units(duration_unit, duration_unit)
    found: dict[str, list[Interval]] = {}
    for row, (_, text) in enumerate(lines.numbered()):
        if not lines.matches(text):
            raise lines.first_bad()
        name, begins, ends = (cell.strip() for cell in text.split(","))
        begin, end = in_si(float(begins), unit_of_from), in_si(float(ends), unit_of_until)
        if not 0 <= begin < end:
            raise lines.error(row, "expected a time of 0 s or more and a later one")
        found.setdefault(name, []).append((begin, end))
    return {name: tuple(intervals) for name, intervals in found.items()}
