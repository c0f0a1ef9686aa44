"""The end of an error message about an unknown name: the closest valid one."""

import difflib
from collections.abc import Iterable
from itertools import islice
from typing import Final, TypeGuard

LONGEST: Final = 100  # characters of a name
MAX_COMPARED: Final = 5_000
MAX_LISTED: Final = 12


def suggestion(name: object, known: Iterable[object], *, listed: int = MAX_LISTED) -> str:
    """Return `"; did you mean 'x'?"` with the closest known name, or else the first `listed` of them.

    Return "" without known names. Only printable texts of at most 100 characters count as names.
    """
    names = [one for one in islice(known, MAX_COMPARED) if _is_name(one)]
    if _is_name(name):
        by_lower = {one.lower(): one for one in names}
        close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
        if close:
            return f"; did you mean {by_lower[close[0]]!r}?"
    if not names or not listed:
        return ""
    return f"; known are {', '.join(names[:listed])}{', ...' if len(names) > listed else ''}"


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= LONGEST and value.isprintable()
