"""Partitions in the text form of `net_dataidx_map`: a mapping of client numbers to sample indices."""

import re
from typing import Final

import numpy as np

from cutlayer.sim.data.partition import Ints, PartitionError

MAX_DIGITS: Final = 18  # what fits into 64 bits
_ENTRY: Final = re.compile(
    r"\s*['\"]?(\d+)['\"]?\s*:\s*(?:array\(\s*)?\[([^\[\]]*)\]\s*\)?\s*,?\s*"
)


def index_map(text: str) -> dict[str, Ints]:
    """Return the indices by client number. Raises PartitionError with the line of a mistake.

    Commas after the last index and the last client may be there or not. The readers of such files take
    a list in one line; here it may have several.
    """
    start = len(text) - len(text.lstrip())
    if not text[start:].startswith("{"):
        raise PartitionError(f"{_line(text, start)}: expected a mapping {{0: [...], 1: [...]}}")
    position, shards = start + 1, dict[str, Ints]()
    while (entry := _ENTRY.match(text, position)) is not None:
        client = str(int(entry[1])) if len(entry[1]) <= MAX_DIGITS else entry[1]
        if client in shards:
            raise PartitionError(f"{_line(text, entry.start(1))}: has client {client[:40]} twice")
        shards[client] = _indices(text, entry.start(2), entry.end(2))
        position = entry.end()
    rest = text[position:].strip()
    if rest != "}":
        position += len(text[position:]) - len(text[position:].lstrip())
        got = f"got {rest.splitlines()[0][:40]!r}" if rest else "got the end of the file"
        rule = "expected a client's number and its list, such as 3: [17, 4], or the closing }"
        raise PartitionError(f"{_line(text, position)}: {rule} ({got})")
    return shards


def _indices(text: str, start: int, end: int) -> Ints:
    """Return the indices between the brackets of a list."""
    parts = text[start:end].split(",")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        index = part.strip()
        if not (index.isascii() and index.isdecimal() and len(index) <= MAX_DIGITS):
            position = start + len(part) - len(part.lstrip())
            shown = " ".join(index.split())[:40]
            cut = " (numpy has shortened the list)" if "..." in index else ""
            raise PartitionError(f"{_line(text, position)}: {shown!r} is not a sample index{cut}")
        start += len(part) + 1
    return np.array([int(part) for part in parts], np.int64)


def _line(text: str, position: int) -> str:
    return f"line {text.count(chr(10), 0, position) + 1}"
