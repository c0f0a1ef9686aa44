"""Recordings in the format of Mahimahi (Netravali et al., USENIX ATC 2015).

Each line is a time in whole milliseconds from the start of the recording at which one packet of 1,500
bytes can be delivered; times do not decrease. The recording repeats after its last time. A packet
counts for the interval that ends with its time, so that the bytes up to the end of any step are exact.
"""

from typing import Final

import numpy as np

from cutlayer.topologies.bandwidth.files import Lines, TraceError, read_once
from cutlayer.topologies.bandwidth.table import Table
from cutlayer.topologies.units import MAX_SECONDS, format_duration

PACKET_BYTES: Final = 1500
STEP_S: Final = 0.1
MAX_STEPS: Final = 5_000_000
LONGEST_SILENCE_MS: Final = 86_400_000
"""A recording that begins later than this, and later than it lasts, is taken to have clock times."""


@read_once
def read_mahimahi(path: str, step_s: float = STEP_S) -> Table:
    """Return the rates of a recording, averaged over steps of `step_s` (s).

    The last step has 0.5 to 1.5 times that length. Raises TraceError.
    """
    lines = Lines(path, r"\+?[0-9]{1,15}", "a time in whole milliseconds")
    times_ms = lines.numbers(np.int64)[:, 0]
    if times_ms[0] < 0:
        raise lines.first_bad()
    back = np.diff(times_ms, prepend=0) < 0
    lines.refuse(back, "expected a time not before the one in the line above")
    if times_ms[-1] == 0:
        raise lines.error(len(times_ms) - 1, "expected a last time after 0 ms")
    if times_ms[0] > max(LONGEST_SILENCE_MS, int(times_ms[-1] - times_ms[0])):
        raise lines.error(
            0,
            f"expected milliseconds from the start of the recording; these look like the times of"
            f" a clock: subtract {times_ms[0]} from all of them",
        )
    last_s = float(times_ms[-1]) / 1000
    if last_s > MAX_SECONDS:
        raise lines.error(len(times_ms) - 1, f"expected times of at most {MAX_SECONDS:g} s")
    steps = max(1, round(last_s / step_s))
    if steps > MAX_STEPS:
        raise TraceError(
            f"{path} lasts {format_duration(last_s)}, {steps:,} steps of"
            f" {format_duration(step_s)}: at most {MAX_STEPS:,} are read; take a longer step"
        )
    starts = step_s * np.arange(steps, dtype=np.float64)
    edges_ms = np.round(np.append(starts[1:] * 1000, float(times_ms[-1])), 6)
    until = np.searchsorted(times_ms, edges_ms, "right")
    packets = np.diff(until, prepend=0)
    widths_s = np.full(len(starts), step_s)
    widths_s[-1] = last_s - starts[-1]
    return Table(starts, packets * float(PACKET_BYTES) / widths_s, last_s)
