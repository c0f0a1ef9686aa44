"""What differs between recorded numbers and those of now, and what could not be compared.

Where this machine computes with the same bits as the one that recorded, every number must be equal to
the last digit. Elsewhere counts, bytes, words and learning digests must be equal; times and other real
numbers within `NEAR`; accuracies within `ACCURACY`. What hangs on single bits, then, is not compared:
event digests and the decisions of studies, some of which are between equals, where the clock's
arithmetic differs; weights digests and the times at which an accuracy was reached where training's does.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NEAR = 1e-9  # of the number; last bits that differ add up to far less within some rounds
ACCURACY = 0.1  # four of forty test samples
SHOWN = 12
MISSING = "nothing"
APART = ("made_with", "arithmetic")

_WEIGHTS = re.compile(r" (weights_digest|time_to_accuracy_s|time_to_.*_s|bytes_to_.*)( |$)")
_ACCURACY = re.compile(r" (accuracy|accuracy_final|accuracy_best|curve \d+ 1)( |$)")
_DERIVED = re.compile(r" (against|sums) |_digest$|^decisions ")  # they say least and are shown last
_EVENTS = re.compile(r" event_digest$")


@dataclass
class Comparison:
    """Differences as (where, recorded, now), how many numbers were compared, which could not be."""

    differences: list[tuple[str, Any, Any]] = field(default_factory=list)
    compared: int = 0
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self, title: str) -> str:
        """Return the differences for a reader, a line each: field, recorded, now."""
        lines = [f"{title}: {len(self.differences)} of {self.compared} numbers differ"]
        lines += [
            f"  {where}: recorded {was!r}, now {now!r}"
            for where, was, now in self.differences[:SHOWN]
        ]
        if len(self.differences) > SHOWN:
            lines.append(f"  and {len(self.differences) - SHOWN} more")
        lines += [f"  {note}" for note in self.notes]
        lines.append("  If they are meant to change: `make golden`, and say so in CHANGELOG.md.")
        return "\n".join(lines)


def compare(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Compare the numbers of a scenario or study with those recorded."""
    found = Comparison()
    other = {
        kind
        for kind in recorded["arithmetic"]
        if recorded["arithmetic"][kind] != now["arithmetic"][kind]
    }
    if other:
        found.notes.append(
            f"This machine's arithmetic differs in {' and '.join(sorted(other))}: recorded with "
            f"{recorded['made_with']}, now {now['made_with']}."
        )
    was, is_now = (
        dict(_leaves({k: v for k, v in n.items() if k not in APART})) for n in (recorded, now)
    )
    for where in dict.fromkeys((*was, *is_now)):
        pair = was.get(where, MISSING), is_now.get(where, MISSING)
        vanished = MISSING in pair and not where.startswith("decisions ")
        if _left_out(where, other) and not vanished:
            found.left_out.append(where)
            continue
        found.compared += 1
        if not _equal(where, *pair, other):
            found.differences.append((where, *pair))
    found.differences.sort(key=lambda difference: bool(_DERIVED.search(difference[0])))
    return found


def _left_out(where: str, other: set[str]) -> bool:
    if where.startswith("decisions ") or _EVENTS.search(where):
        return "clock" in other
    return "training" in other and where.startswith("trained ") and bool(_WEIGHTS.search(where))


def _equal(where: str, was: Any, now: Any, other: set[str]) -> bool:
    if type(was) is not type(now):
        return False
    if not isinstance(was, float) or not other:
        return bool(was == now)
    if "training" in other and where.startswith("trained ") and _ACCURACY.search(where):
        return abs(was - now) <= ACCURACY
    if "clock" in other:
        return math.isclose(was, now, rel_tol=NEAR, abs_tol=NEAR)
    return was == now


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number and word with the names that lead to it."""
    if isinstance(value, Mapping):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        items = [(str(key), inner) for key, inner in enumerate(value)]
    else:
        yield where, value
        return
    if not items:
        yield where, "empty"
    for key, inner in items:
        yield from _leaves(inner, f"{where} {key}".strip())
