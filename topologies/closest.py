"""The hint at the end of an error message: the valid name nearest to what was written."""

import difflib
from collections.abc import Iterable


def closest(word: str, choices: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the choice nearest to `word`, or an empty string."""
    names = list(choices)
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.5)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
