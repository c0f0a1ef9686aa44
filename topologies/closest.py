"""The hint at the end of an error message: the valid name nearest to what was written."""

import difflib
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 100  # characters; nothing longer is a name with a slip in it


def closest(word: str, choices: Iterable[object]) -> str:
    """Return `"; did you mean 'x'?"` for the choice nearest to `word`, or an empty string.

    Choices of a file that are not text, or are too long for a name, are left out.
    """
    if len(word) > LONGEST:
        return ""
    names = [name for name in choices if isinstance(name, str) and len(name) <= LONGEST]
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.5)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
