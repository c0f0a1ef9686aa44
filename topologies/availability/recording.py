"""Recordings of presence: lines of `client,online_from_s,online_until_s`."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from topologies.availability.intervals import Interval
from topologies.bandwidth.files import NUMBER, Lines, Stamp, content, stamp

EXPECTED: Final = "client,online_from_s,online_until_s"
HEADER: Final = rb"client\s*,\s*online_from_s\s*,\s*online_until_s"

Recording = Mapping[str, tuple[Interval, ...]]


def read_recording(path: str) -> Recording:
    """Return when each client of a file is online: from and until (s), in the file's order.

    The first line may be the header. Raises TraceError.
    """
    return _read(stamp(path), path)


@lru_cache(maxsize=16)
def _read(version: Stamp, path: str) -> Recording:
    del version
    pattern = rb"[^,]*[^,\s]\s*,\s*" + NUMBER + rb"\s*,\s*" + NUMBER
    lines = Lines(path, content(path), pattern, EXPECTED, columns=3, header=HEADER)
    found: dict[str, list[Interval]] = {}
    for row, (_, text) in enumerate(lines.numbered()):
        if not lines.matches(text):
            raise lines.first_bad()
        name, begins, ends = (cell.strip() for cell in text.decode(errors="replace").split(","))
        begin, end = float(begins), float(ends)
        if not 0 <= begin < end:
            raise lines.error(row, "expected a time of 0 s or more and a later one")
        found.setdefault(name, []).append((begin, end))
    return {name: tuple(intervals) for name, intervals in found.items()}
