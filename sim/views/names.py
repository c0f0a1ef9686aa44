"""Names for people: in their natural order, and many that differ by a number as one."""

import re
from collections.abc import Sequence
from typing import Final

_NUMBER: Final = re.compile(r"-\d+(?=\.|->|$)")


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key by which "pi-2" comes before "pi-10": text and numbers in turn.

    Numbers are compared by their length and their digits, since a name may have more of these than
    Python makes an integer of.
    """
    parts = re.split(r"(\d+)", name)
    digits = [part.lstrip("0") for part in parts[1::2]]
    parts[1::2] = digits
    return tuple((len(part) if place % 2 else 0, part) for place, part in enumerate(parts))


def numberless(name: str) -> str:
    """Return what a name has in common with those of the same group: "pi-.up" for "pi-2.up"."""
    return _NUMBER.sub("-", name)


def together(names: Sequence[str]) -> str:
    """Return one name for names that differ by a number only, such as "pi-N.up (40)"."""
    return names[0] if len(names) == 1 else f"{_NUMBER.sub('-N', names[0])} ({len(names)})"
