"""Natural order of names, and one name for names that differ only by a number."""

import re
from collections.abc import Sequence
from typing import Final

_NUMBER: Final = re.compile(r"-\d+(?=\.|->|$)")


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key by which "pi-2" comes before "pi-10": text and numbers in turn.

    Numbers are compared by length and digits, since they may have more digits than Python converts.
    """
    parts = re.split(r"(\d+)", name)
    digits = [part.lstrip("0") for part in parts[1::2]]
    parts[1::2] = digits
    return tuple((len(part) if index % 2 else 0, part) for index, part in enumerate(parts))


def numberless(name: str) -> str:
    """Return the name without its numbers, such as "pi-.up" for "pi-2.up"."""
    return _NUMBER.sub("-", name)


def together(names: Sequence[str]) -> str:
    """Return one name for names that differ only by a number, such as "pi-N.up (40)"."""
    return names[0] if len(names) == 1 else f"{_NUMBER.sub('-N', names[0])} ({len(names)})"
